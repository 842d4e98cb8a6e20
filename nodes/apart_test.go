package nodes_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/membership"
	"thalassa/nodes"
)

// knows lets the agent of a node know jobs.
func (f *fleet) knows(name string, list ...cluster.Job) {
	f.locals[name].Knows(func() ([]cluster.Job, error) { return list, nil })
}

// startsAndStops are startups and shutdowns of all nodes and of one.
func startsAndStops() []cluster.Action {
	return []cluster.Action{
		{Kind: cluster.Shutdown}, {Kind: cluster.Startup}, {Kind: cluster.Shutdown, Node: "n3"}, {Kind: cluster.Startup, Node: "n3"},
	}
}

// refuses checks that actions are refused at each agent, and that it names what is under way.
func (f *fleet) refuses(t *testing.T, list []cluster.Action, words ...string) {
	t.Helper()
	var all sync.WaitGroup
	defer all.Wait()
	for _, a := range list {
		for name, crew := range f.crews {
			if a.Kind == cluster.Leave && name == a.Node {
				continue
			}
			all.Go(func() {
				_, _, foreseen := crew.Foresee(t.Context(), a)
				for _, err := range []error{foreseen, crew.Apart(t.Context(), a, "its own job")} {
					for _, word := range words {
						if !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), word) {
							t.Errorf("%s %s at %s: %v, expected %q", a.Kind, a.Node, name, err, word)
						}
					}
				}
			})
		}
	}
}

// Nothing is started or stopped while a node joins or leaves, whichever agent is asked, and also if an
// agent has started again since, which does not know what root is at.
func TestNothingStartsWhileTheMembersChange(t *testing.T) {
	t.Parallel()
	leaving := cluster.Job{ID: "aaaaaaaaaaaaaaaaaaaa", Kind: cluster.Leave, Object: "node/n3", Author: "ann", Node: "n2"}
	for name, c := range map[string]struct {
		change func(f *fleet)
		words  []string
	}{
		"a job at its agent":      {func(f *fleet) { f.knows("n2", leaving) }, []string{"node n3 is leaving the cluster (job aaaaaaaaaaaaaaaaaaaa of ann at n2)"}},
		"a job of a silent agent": {func(f *fleet) { f.servers["n2"].Close(); f.knows("n1", leaving); f.knows("n3", leaving) }, []string{"node n3 is leaving"}},
		"root is at work":         {func(f *fleet) { f.change("n2", func(m *machine) { m.busy = true }) }, []string{"n2: ", "another command sets up the cluster"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			c.change(f)
			if name == "a job of a silent agent" {
				delete(f.crews, "n2") // its own agent would know that it is over
			}
			f.refuses(t, startsAndStops(), c.words...)
			if err := f.crews["n1"].Apart(t.Context(), cluster.Action{Kind: cluster.Leave, Node: "n3"}, leaving.ID); name != "root is at work" && err != nil {
				t.Errorf("the job itself: %v", err)
			}
		})
	}
}

// An agent says what it has asked root for: an invitation, a join, and the sync that follows.
func TestNothingStartsWhileANodeJoins(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	joins, release := make(chan struct{}), make(chan struct{})
	f.inviting("n2", ended)
	inviting := f.members(t, "n2")
	if _, err := inviting.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{}); err != nil {
		t.Fatal(err)
	}
	f.refuses(t, startsAndStops(), "n2: an invitation is open", "thalassa cluster invite --end")
	if _, err := inviting.EndInvitation(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range startsAndStops() {
		if err := f.crews["n1"].Apart(t.Context(), a, ""); err != nil {
			t.Errorf("after its end: %v", err)
		}
	}

	f = newFleet(t)
	f.change("n2", func(m *machine) {
		m.joins = func(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
			if q.Code == "" { // the probe
				return failed()
			}
			close(joins)
			select {
			case <-release:
			case <-ctx.Done():
			}
			return failed()
		}
	})
	m := f.members(t, "n2")
	var all sync.WaitGroup
	all.Go(func() {
		testkit.Eventually(t, 5*time.Second, func() error { // the probe may not have ended
			_, err := m.Join(t.Context(), cluster.Joining{Code: "x"}, cluster.Order{})
			if errors.As(err, new(*lb.ConflictError)) {
				return err
			}
			return nil
		})
	})
	select {
	case <-joins: // not the probe, which looks the same from outside
	case <-time.After(5 * time.Second):
		t.Fatal("it does not join")
	}
	f.refuses(t, []cluster.Action{{Kind: cluster.Shutdown}}, "n2: it is joining a cluster")
	close(release)
	all.Wait()
}

// No node leaves, and none is invited, while nodes are started or stopped, or another one leaves. What
// the agent of a job does not confirm is over, whatever others have heard last.
func TestNoNodeLeavesWhileOthersAreStopped(t *testing.T) {
	t.Parallel()
	for kind, words := range map[string]string{
		cluster.Shutdown: "the cluster is being shut down (job aaaaaaaaaaaaaaaaaaaa of ann at n2)", cluster.Startup: "the cluster is being started (job", cluster.Leave: "node n2 is leaving",
		cluster.Forget: "gone nodes are being forgotten: n7, n8 (job",
	} {
		f := newFleet(t)
		j := cluster.Job{ID: "aaaaaaaaaaaaaaaaaaaa", Kind: kind, Object: "cluster", Author: "ann", Node: "n2"}
		switch kind {
		case cluster.Leave:
			j.Object = "node/n2"
		case cluster.Forget:
			j.Nodes = []string{"n7", "n8"}
		}
		f.knows("n2", j)
		f.refuses(t, []cluster.Action{{Kind: cluster.Leave, Node: "n3"}}, words)
		f.inviting("n1", ended)
		m := f.members(t, "n1")
		if _, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{}); !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), words) {
			t.Errorf("an invitation: %v, expected %q", err, words)
		}
		if !cluster.IsOfMembers(kind) {
			if err := f.crews["n1"].Apart(t.Context(), cluster.Action{Kind: cluster.Startup}, "bbbb"); err != nil {
				t.Errorf("a startup, which ends a shutdown: %v", err)
			}
		}
		f.knows("n2")
		f.knows("n3", j)
		if err := f.crews["n1"].Apart(t.Context(), cluster.Action{Kind: cluster.Leave, Node: "n3"}, "bbbb"); err != nil {
			t.Errorf("after its end: %v", err)
		}
		f.knows("n1", cluster.Job{ID: j.ID, Kind: kind, Object: j.Object, Author: "ann", Node: "n1"}) // also by its own agent
		if _, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{}); !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "aaaaaaaaaaaaaaaaaaaa") {
			t.Errorf("an invitation at the agent of the job: %v", err)
		}
	}
}

// A node without power takes little of the time of others: nothing answers there, not even a refusal.
func TestADeadNodeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.kill(t, "n3")
	release := make(chan struct{})
	hangs := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release); hangs.Close() })
	f.servers["n3"] = hangs
	begun := time.Now()
	if err := f.crews["n1"].Apart(t.Context(), cluster.Action{Kind: cluster.Forget, Nodes: []string{"n3"}}, ""); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("it was waited for %s", took)
	}
}

// A node does not join while its own services are started or stopped, or a job is about to do that, and
// they are not while it joins or leaves. It is in no cluster yet, and nobody else knows.
func TestANodeThatJoinsMovesItsOwnServices(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	question := nodes.Question{Job: "aaaaaaaaaaaaaaaaaaaa", Begun: time.Now().UnixMilli(), Until: time.Now().Add(time.Minute).UnixMilli()}
	var m *nodes.Members
	join := func() error {
		_, err := m.Join(t.Context(), cluster.Joining{Code: "x"}, cluster.Order{})
		return err
	}
	isConflict := func(err error, words string) {
		t.Helper()
		if !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, expected a conflict with %q", err, words)
		}
	}
	joins, release := make(chan struct{}), make(chan struct{})
	f.change("n2", func(m *machine) {
		m.joins = func(_ context.Context, q membership.Question, _ func(membership.Event)) error {
			if q.Code == "" { // the probe
				return failed()
			}
			close(joins)
			<-release
			return nil
		}
		m.holds = make(chan struct{})
	})
	m = f.members(t, "n2")
	begin := func(verb string) error { return f.locals["n2"].Begin(t.Context(), verb, "ann", question) }

	// A stop is under way.
	testkit.Eventually(t, 5*time.Second, func() error { return begin(nodes.Stop) }) // the probe may not have ended
	testkit.Eventually(t, 5*time.Second, func() error {
		if err := join(); err == nil || !strings.Contains(err.Error(), "by another request") { // that of the probe
			isConflict(err, "being started or stopped (stop all)")
			return nil
		}
		return errors.New("the probe has not ended")
	})
	_, err := f.locals["n2"].Obey(t.Context(), nodes.Leave, "ann", question)
	isConflict(err, "being started or stopped (stop all)")
	close(f.machines["n2"].holds)
	testkit.Eventually(t, 5*time.Second, func() error {
		if r, err := f.locals["n2"].Report(t.Context()); err != nil || r.Doing != "" {
			return errors.New("it has not stopped")
		}
		return nil
	})

	// A job is about to start something.
	f.knows("n2", cluster.Job{ID: "bbbbbbbbbbbbbbbbbbbb", Kind: cluster.Startup, Object: "cluster", Author: "bob", Node: "n2"})
	isConflict(join(), "the cluster is being started (job bbbbbbbbbbbbbbbbbbbb of bob at n2)")
	f.knows("n2", cluster.Job{ID: "cccccccccccccccccccc", Kind: cluster.Leave, Object: "node/n1", Author: "bob", Node: "n2"})

	// The node joins.
	all := make(chan error, 1)
	go func() { all <- join() }()
	<-joins
	for _, verb := range []string{nodes.Start, nodes.Stop} {
		isConflict(begin(verb), "it is joining a cluster")
	}
	f.all.put(f.all.forgotten, "n2", true) // no cluster has it
	isConflict(f.crews["n2"].Apart(t.Context(), cluster.Action{Kind: cluster.Startup}, ""), "it is joining a cluster")
	f.all.put(f.all.forgotten, "n2", false)
	if _, err := f.machines["n2"].set(t.Context(), true, ""); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-all; err != nil {
		t.Error(err)
	}
	testkit.Eventually(t, 5*time.Second, func() error { return begin(nodes.Start) })
}
