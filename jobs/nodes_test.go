package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/jobs"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// nodesOf stands in for the agents of all nodes, and notes what a runner asks of them.
type nodesOf struct {
	mu      sync.Mutex
	asked   []string
	hangs   bool // what is asked for does not come about
	refused error
	slow    time.Duration          // a look ahead, since an agent hangs; half of it a check
	silent  bool                   // the agents of other nodes do not answer
	lost    string                 // nor does that of this node
	hung    string                 // that of this node takes connections, and does not answer
	apart   func(job string) error // nil: nothing is in the way

	quorum *quorum // of which each node that goes down takes one; nil: nobody counts
}

// A quorum is how many nodes a cluster may lose.
type quorum struct {
	mu     sync.Mutex
	spare  int
	down   map[string]bool // the nodes that were asked to go
	before int             // that are not up anyway
}

func (n *nodesOf) Spares(_ context.Context, node string, going []string) error {
	if n.quorum == nil {
		return nil
	}
	n.quorum.mu.Lock()
	defer n.quorum.mu.Unlock()
	if n.quorum.before+len(going)+1 > n.quorum.spare {
		return &lb.ConflictError{ID: "node/" + node, Reason: "without it and " + strings.Join(going, ", ") + " there is no quorum"}
	}
	return nil
}

func (n *nodesOf) note(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, text)
}

func (n *nodesOf) notes() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(slices.Clone(n.asked), ", ")
}

func (n *nodesOf) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

func (n *nodesOf) Foresee(ctx context.Context, _ cluster.Action) (cluster.Consequences, []string, error) {
	n.mu.Lock()
	slow := n.slow
	n.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return cluster.Consequences{}, nil, context.Cause(ctx)
	}
	return cluster.Consequences{Actions: []cluster.Consequence{{Action: "stop", Resource: "vip", Node: "n1"}, {Action: "shut down", Node: "n1"}}}, []string{"n1: systemctl stop pacemaker corosync"}, nil
}

func (n *nodesOf) Check(context.Context, cluster.Action) error {
	n.mu.Lock()
	slow := n.slow
	n.mu.Unlock()
	<-time.After(slow / 2)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refused
}

func (n *nodesOf) Apart(_ context.Context, _ cluster.Action, job string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.apart == nil {
		return nil
	}
	return n.apart(job)
}

func (n *nodesOf) Carry(ctx context.Context, a cluster.Action, _ cluster.Job) (cluster.Status, error) {
	n.note(a.Kind + " for " + a.Author)
	if n.quorum != nil {
		n.quorum.mu.Lock()
		n.quorum.down[a.Node] = true
		n.quorum.mu.Unlock()
	}
	n.mu.Lock()
	hangs := n.hangs
	n.mu.Unlock()
	if hangs {
		<-ctx.Done()
		if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) {
			return cluster.Status{}, err
		}
		return cluster.Status{}, &cluster.Error{Tool: "the nodes", Kind: cluster.KindTimedOut, Nodes: []string{"n2"}, Said: "not as asked: n2"}
	}
	return cluster.Status{}, nil
}

func (n *nodesOf) Look(_ context.Context, a cluster.Action) error {
	n.note("look at " + a.Kind)
	return nil
}

func (n *nodesOf) Names() []string { return []string{"n1", "n2", "n3"} }

func (n *nodesOf) Answers(ctx context.Context, node string) bool {
	n.mu.Lock()
	silent, hangs := n.silent || node == n.lost, node == n.hung
	n.mu.Unlock()
	if hangs {
		select {
		case <-time.After(13 * time.Second): // to connect, and to answer
		case <-ctx.Done():
		}
	}
	return !silent && !hangs
}

// runnerOf runs the jobs of a node in a cluster that is down, until stop is called.
func runnerOf(t *testing.T, self, state string, store jobs.Store, others *board, n *nodesOf) (r *jobs.Runner, stop func()) {
	t.Helper()
	r = jobs.New(jobs.Config{
		Steps: pacemaker.NewSteps(nil), Exchange: place{others, self, func() { time.Sleep(others.slow) }}, Store: store, Nodes: n, Changed: others.changed.Next,
		View: func() cluster.Status {
			return cluster.Status{Self: self, State: state, Nodes: []cluster.Node{{Name: "n1", State: "online"}, {Name: "n2", State: "online"}}}
		},
		Fresh: func(context.Context, cluster.Epoch) {}, Record: func(context.Context, activity.Event) {}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return r, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func shutdown() (cluster.Action, cluster.Order) {
	return cluster.Action{Kind: cluster.Shutdown, Author: "ann"}, cluster.Order{Author: "ann", Key: "key-12345678", Body: []byte("shutdown")}
}

// A shutdown goes on after a restart of its agent, within its time, and says who has wanted it.
func TestShutdownGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, others := &disk{docs: map[string][]byte{}}, &board{texts: map[string]string{}, rings: map[string]string{}}
		first := &nodesOf{hangs: true}
		r, stop := runnerOf(t, "n1", cluster.StateOffline, kept, others, first)
		a, o := shutdown()
		j, err := r.Begin(t.Context(), a, o)
		if err != nil || j.State != cluster.JobRunning || len(j.Commands) != 1 {
			t.Fatalf("%+v, %v", j, err)
		}
		synctest.Wait()
		stop()
		second := &nodesOf{}
		r, stop = runnerOf(t, "n1", cluster.StateOffline, kept, others, second)
		defer stop()
		j, err = r.Job(t.Context(), j.ID)
		if err != nil || j.State != cluster.JobDone || len(j.Actual) != 1 || j.Actual[0].Action != "shut down" || first.notes() != "shutdown for ann" || second.notes() != "shutdown for ann" {
			t.Errorf("%+v, %v; asked: %q, then %q", j, err, first.notes(), second.notes())
		}
		if _, again, err := r.Do(t.Context(), a, o); err != nil || again.ID != j.ID || second.notes() != "shutdown for ann" {
			t.Errorf("sent again: %+v, %v, %q", again, err, second.notes())
		}
		if down := r.ShutDown("n2"); down == nil || down.By != "ann" || down.Job != j.ID || down.Node != "" {
			t.Errorf("%+v", down)
		}
		if _, _, err := r.Do(t.Context(), cluster.Action{Kind: cluster.Startup}, cluster.Order{Author: "bob"}); err != nil {
			t.Error(err)
		}
		if down := r.ShutDown("n2"); down != nil {
			t.Errorf("after the startup: %+v", down)
		}
	})
}

// A forget of several nodes has all of them in its document, and is found by each, also after a restart
// of its agent, and at another one.
func TestForgetIsFoundByEachOfItsNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, others := &disk{docs: map[string][]byte{}}, &board{texts: map[string]string{}, rings: map[string]string{}}
		r, stop := runnerOf(t, "n1", cluster.StateOK, kept, others, &nodesOf{})
		nodes := []string{"n3", "n4"}
		_, j, err := r.Do(t.Context(), cluster.Action{Kind: cluster.Forget, Nodes: nodes}, cluster.Order{Author: "ann"})
		if err != nil || j.Object != "cluster" || !slices.Equal(j.Nodes, nodes) || j.About() != "nodes n3, n4" {
			t.Fatalf("%+v, %v", j, err)
		}
		stop()
		r, stop = runnerOf(t, "n1", cluster.StateOK, kept, others, &nodesOf{})
		defer stop()
		for object, want := range map[string]int{"node/n3": 1, "node/n4": 1, "cluster": 1, "node/n1": 0, "n3": 0} {
			list, err := r.Jobs(t.Context(), cluster.JobQuery{Object: object})
			if err != nil || len(list) != want || want == 1 && !slices.Equal(list[0].Nodes, nodes) {
				t.Errorf("%s: %+v, %v", object, list, err)
			}
		}
	})
}

// leftShutdown is a shutdown that the agent of n1 has begun, and has stopped before its end.
func leftShutdown(t *testing.T, kept *disk, others *board) cluster.Job {
	t.Helper()
	r, stop := runnerOf(t, "n1", cluster.StateOffline, kept, others, &nodesOf{hangs: true})
	a, o := shutdown()
	j, err := r.Begin(t.Context(), a, o)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	stop()
	return j
}

// When its time is over, a shutdown stops nothing any more, whoever goes on with it.
func TestShutdownThatWasLeftStopsNothingLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, others := &disk{docs: map[string][]byte{}}, &board{texts: map[string]string{}, rings: map[string]string{}}
		j := leftShutdown(t, kept, others)
		time.Sleep(10 * time.Minute)
		late := &nodesOf{}
		r, stop := runnerOf(t, "n1", cluster.StateOK, kept, others, late)
		defer stop()
		if j, err := r.Job(t.Context(), j.ID); err != nil || j.State != cluster.JobDone || late.notes() != "look at shutdown" {
			t.Errorf("%+v, %v, asked: %q", j, err, late.notes())
		}
	})
}

// Another node goes on with a shutdown when the agent that has it does not answer, though the
// cluster is down, and not before.
func TestShutdownOfALostAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, others := &disk{docs: map[string][]byte{}}, &board{texts: map[string]string{}, rings: map[string]string{}}
		j := leftShutdown(t, kept, others)
		n := &nodesOf{}
		r, stop := runnerOf(t, "n2", cluster.StateOffline, kept, others, n)
		defer stop()
		time.Sleep(30 * time.Second)
		if n.notes() != "" {
			t.Errorf("while the agent answers: %q", n.notes())
		}
		n.set(func() { n.silent = true })
		j, err := r.Job(t.Context(), j.ID)
		if err != nil || j.State != cluster.JobDone || j.Node != "n2" || n.notes() != "shutdown for ann" {
			t.Errorf("%+v, %v, asked: %q", j, err, n.notes())
		}
	})
}

// A shutdown that is refused changes nothing, and one whose time is over names the nodes.
func TestShutdownThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		others := &board{texts: map[string]string{}, rings: map[string]string{}}
		n := &nodesOf{refused: errors.New("n3: its agent does not answer")}
		r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: map[string][]byte{}}, others, n)
		defer stop()
		a, o := shutdown()
		if _, j, err := r.Do(t.Context(), a, o); err == nil || !strings.Contains(err.Error(), "n3: its agent") || j.ID != "" || n.notes() != "" {
			t.Errorf("refused: %+v, %v, asked: %q", j, err, n.notes())
		}
		// An agent that hangs makes the look ahead late, and what it says is not waited for.
		n.set(func() { n.slow = 10 * time.Second })
		begun := time.Now()
		if _, _, err := r.Do(t.Context(), a, o); err == nil || !strings.Contains(err.Error(), "n3: its agent") || time.Since(begun) != 7*time.Second {
			t.Errorf("refused after %s: %v, expected 7 s", time.Since(begun), err)
		}
		n.set(func() { n.refused, n.hangs, n.slow = nil, true, 0 })
		a.Wait = time.Minute
		_, j, err := r.Do(t.Context(), a, o)
		if !cluster.IsKind(err, cluster.KindTimedOut) || j.State != cluster.JobTimedOut || !strings.Contains(j.Result, "not as asked: n2") || j.Ended.Sub(j.Begun) != time.Minute {
			t.Errorf("late: %+v, %v", j, err)
		}
	})
}

// A shutdown that is being carried out ends as soon as its agent hears of a later startup.
func TestALaterStartupEndsAShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		others := &board{texts: map[string]string{}, rings: map[string]string{}}
		n := &nodesOf{hangs: true}
		r, stop := runnerOf(t, "n1", cluster.StateOffline, &disk{docs: map[string][]byte{}}, others, n)
		defer stop()
		a, o := shutdown()
		j, err := r.Begin(t.Context(), a, o)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		n.set(func() { n.hangs = false })
		if _, _, err := r.Do(t.Context(), cluster.Action{Kind: cluster.Startup}, cluster.Order{Author: "bob"}); err != nil {
			t.Error(err)
		}
		j, err = r.Job(t.Context(), j.ID)
		if err != nil || j.State != cluster.JobFailed || j.Code != "conflict" || !strings.Contains(j.Result, "was begun after it") || j.Ended.Sub(j.Begun) > 11*time.Second {
			t.Errorf("%+v, %v", j, err)
		}
	})
}

// A shutdown that was canceled stops nothing any more: neither after a restart of its agent, nor
// by another one that takes it over. Where its agent cannot hear of it, it is not canceled.
func TestCanceledShutdown(t *testing.T) {
	t.Parallel()
	for self, by := range map[string]string{"n1": "a restart", "n2": "another agent"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				doc := `{"id":"aaaaaaaaaaaaaaaaaaaa","kind":"shutdown","state":"running","author":"ann","node":"n1","attempts":1,"version":2,"written":1,"canceledBy":"bob","begun":"` +
					time.Now().Format(time.RFC3339) + `","action":{}}`
				n := &nodesOf{silent: true}
				r, stop := runnerOf(t, self, cluster.StateOffline, &disk{docs: map[string][]byte{"aaaaaaaaaaaaaaaaaaaa": []byte(doc)}}, &board{texts: map[string]string{}, rings: map[string]string{}}, n)
				defer stop()
				j, err := r.Job(t.Context(), "aaaaaaaaaaaaaaaaaaaa")
				if err != nil || j.State != cluster.JobCanceled || j.CanceledBy != "bob" || n.notes() != "" {
					t.Errorf("%+v, %v, asked: %q", j, err, n.notes())
				}
			})
		})
	}
}

// While the cluster is down, a job is canceled at its own agent alone.
func TestCancelThatNobodyHears(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, others := &disk{docs: map[string][]byte{}}, &board{texts: map[string]string{}, rings: map[string]string{}}
		n1, stop1 := runnerOf(t, "n1", cluster.StateOffline, kept, others, &nodesOf{hangs: true})
		defer stop1()
		a, o := shutdown()
		j, err := n1.Begin(t.Context(), a, o)
		if err != nil {
			t.Fatal(err)
		}
		n2, stop2 := runnerOf(t, "n2", cluster.StateOffline, &disk{docs: maps.Clone(kept.docs)}, others, &nodesOf{})
		defer stop2()
		if _, err := n2.Cancel(t.Context(), j.ID, "bob"); err == nil || !strings.Contains(err.Error(), "cancel it at the agent there") {
			t.Errorf("through another agent: %v", err)
		}
		if got, _ := n2.Known(j.ID); got.CanceledBy != "" {
			t.Errorf("it is noted: %+v", got)
		}
		if _, err := n1.Cancel(t.Context(), j.ID, "bob"); err != nil {
			t.Error(err)
		}
		if j, err = n1.Job(t.Context(), j.ID); err != nil || j.State != cluster.JobCanceled {
			t.Errorf("%+v, %v", j, err)
		}
	})
}

// A shutdown whose agent is lost goes on at one agent, after a while, and not because the time is
// over by the clock of another node while the agent of the job answers.
func TestOneAgentGoesOnWithAShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		doc := `{"id":"aaaaaaaaaaaaaaaaaaaa","kind":"shutdown","state":"running","author":"ann","node":"n1","attempts":1,"version":2,"written":1,"waitFor":600000000000,"begun":"` +
			begun.Format(time.RFC3339) + `","action":{}}`
		var asked []*nodesOf
		for _, self := range []string{"n2", "n3"} {
			n, others := &nodesOf{}, &board{texts: map[string]string{}, rings: map[string]string{}} // nothing is carried between them
			asked = append(asked, n)
			_, stop := runnerOf(t, self, cluster.StateOffline, &disk{docs: map[string][]byte{"aaaaaaaaaaaaaaaaaaaa": []byte(doc)}}, others, n)
			defer stop()
		}
		check := func(when, first, second string) {
			t.Helper()
			if asked[0].notes() != first || asked[1].notes() != second {
				t.Errorf("%s: %q, %q", when, asked[0].notes(), asked[1].notes())
			}
		}
		time.Sleep(time.Hour)
		check("its time is over, and its agent answers", "", "")
		for _, n := range asked {
			n.set(func() { n.lost = "n1" })
		}
		time.Sleep(25 * time.Second)
		check("silent for a while", "", "")
		time.Sleep(time.Minute)
		check("lost", "look at shutdown", "")
		asked[1].set(func() { asked[1].silent = true })
		time.Sleep(time.Minute)
		check("n2 is lost, too", "look at shutdown", "look at shutdown")
	})
}

// An agent that hangs is silent for half a minute, however long each question takes. Other jobs do not
// wait for it.
func TestShutdownOfAnAgentThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		docs, begun := map[string][]byte{}, time.Now()
		for i, of := range []string{"n1", "n1", "n1", "n2"} {
			id := strings.Repeat(string(rune('a'+i)), 20)
			docs[id] = fmt.Appendf(nil, `{"id":%q,"kind":"startup","state":"running","author":"by %s","node":%q,"attempts":1,"version":2,"written":1,"passed":true,"waitFor":600000000000,"begun":%q,"action":{"node":"x%d"}}`,
				id, of, of, begun.Format(time.RFC3339), i)
		}
		n := &nodesOf{hung: "n1"}
		_, stop := runnerOf(t, "n2", cluster.StateOffline, &disk{docs: docs}, &board{texts: map[string]string{}, rings: map[string]string{}}, n)
		defer stop()
		time.Sleep(2 * time.Second)
		if n.notes() != "startup for by n2" {
			t.Errorf("its own job after 2 s: %q", n.notes())
		}
		time.Sleep(27 * time.Second)
		if n.notes() != "startup for by n2" {
			t.Errorf("before half a minute: %q", n.notes())
		}
		time.Sleep(10 * time.Second)
		if got := strings.Count(n.notes(), "startup for by n1"); got != 3 {
			t.Errorf("%d jobs were gone on with after %s: %q", got, time.Since(begun), n.notes())
		}
	})
}

// A node that goes down weeks after a shutdown which it has outlived was not shut down by anybody.
func TestShutdownThatHasNotComeAbout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, kept, others := &nodesOf{hangs: true}, &disk{docs: map[string][]byte{}}, &board{texts: map[string]string{}, rings: map[string]string{}}
		r, stop := runnerOf(t, "n1", cluster.StateOffline, kept, others, n)
		defer func() { stop() }()
		a, o := shutdown()
		j, err := r.Begin(t.Context(), a, o)
		if err != nil {
			t.Fatal(err)
		}
		if down := r.ShutDown("n2"); down == nil || down.Job != j.ID {
			t.Errorf("while it runs: %+v", down)
		}
		if j, err = r.Job(t.Context(), j.ID); err != nil || j.State != cluster.JobTimedOut {
			t.Fatalf("%+v, %v", j, err)
		}
		for _, again := range []string{"", " after a restart"} {
			if down := r.ShutDown("n2"); down != nil {
				t.Errorf("the node that was not as asked%s: %+v", again, down)
			}
			if down := r.ShutDown("n1"); down == nil || down.Job != j.ID {
				t.Errorf("a node that was%s: %+v", again, down)
			}
			if again == "" {
				stop()
				r, stop = runnerOf(t, "n1", cluster.StateOffline, kept, others, n)
				synctest.Wait()
			}
		}
	})
}
