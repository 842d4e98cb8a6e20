package nodes_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/services"
)

// kill takes nodes away as a power cut does: the agent is gone, too.
func (f *fleet) kill(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		f.servers[name].Close()
		if _, err := f.machines[name].set(t.Context(), false, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// forgets carries out an action, twice, as after a restart of the agent.
func (f *fleet) forgets(t *testing.T, a cluster.Action, commands ...string) {
	t.Helper()
	_, got, err := f.crews["n1"].Foresee(t.Context(), a)
	if err != nil || !slices.Equal(got, commands) {
		t.Fatalf("%q, %v; expected %q", got, err, commands)
	}
	if err := f.crews["n1"].Check(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		v, err := f.crews["n1"].Carry(ctx, a, cluster.Job{ID: "a", Begun: time.Now()})
		cancel()
		if err != nil || len(v.Nodes) != 3-len(a.Nodes) {
			t.Fatalf("%+v, %v", v.Nodes, err)
		}
	}
	if err := f.crews["n1"].Look(t.Context(), a); err != nil {
		t.Error(err)
	}
	if err := f.crews["n1"].Check(t.Context(), a); err != nil {
		t.Errorf("when they are gone: %v", err)
	}
	if _, _, err := f.crews["n1"].Foresee(t.Context(), a); !errors.As(err, new(*lb.NotFoundError)) || !strings.Contains(err.Error(), "forgotten already") {
		t.Errorf("asked for anew: %v", err)
	}
}

// One dead node of three is forgotten, and the others get the new file.
func TestForgetADeadNode(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.kill(t, "n3")
	f.forgets(t, cluster.Action{Kind: cluster.Forget, Nodes: []string{"n3"}, Author: "ann"}, "n1: thalassa cluster forget n3", "n2: thalassa cluster sync")
	if got := f.all.noted(" forget "); !slices.Equal(got, []string{"n1 forget n3"}) {
		t.Errorf("asked for %q", got)
	}
}

// Two dead nodes of three have taken the quorum. With somebody's word, they are forgotten together.
func TestForgetSeveralWithoutQuorum(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.kill(t, "n2", "n3")
	f.change("n3", func(m *machine) { m.unclean = true })
	f.all.put(f.all.forgotten, "quorum", true)
	a := cluster.Action{Kind: cluster.Forget, Nodes: []string{"n2", "n3"}, Down: true}
	seen, _, err := f.crews["n1"].Foresee(t.Context(), a)
	if text := strings.Join(seen.Text, "; "); err != nil || !strings.Contains(text, "relies on your word that n2, n3 is off") || !strings.Contains(text, "will take out node n2, n3") && !strings.Contains(text, "will take out node n3") {
		t.Errorf("%s, %v", text, err)
	}
	f.forgets(t, a, "n1: thalassa cluster forget n2 n3 --down")
	if got := f.all.noted(" forget "); !slices.Equal(got, []string{"n1 forget n2 n3 down"}) {
		t.Errorf("asked for %q", got)
	}
}

// A node that may run is not forgotten: nothing is asked of root.
func TestForgetIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		nodes  []string
		down   bool
		change func(f *fleet)
		words  string
	}{
		"online":     {[]string{"n3"}, true, func(*fleet) {}, "it is online, expected one that is offline; thalassa cluster leave n3"},
		"unknown":    {[]string{"n8", "n9"}, false, func(f *fleet) { f.kill(t, "n3") }, "node/n8"},
		"itself":     {[]string{"n1"}, true, func(*fleet) {}, "the node of this agent"},
		"one of two": {[]string{"n3"}, false, func(f *fleet) { f.kill(t, "n2", "n3") }, "forget all that are gone together: thalassa cluster forget n3 n2 --agent"},
		"one of two, and the other may run": {[]string{"n3"}, false, func(f *fleet) {
			f.kill(t, "n2", "n3")
			f.change("n2", func(m *machine) { m.unclean = true })
		}, "thalassa cluster forget n3 n2 --down --agent"},
		"one of two, with a word": {[]string{"n3"}, true, func(f *fleet) { f.kill(t, "n2", "n3") }, "thalassa cluster forget n3 n2 --down --agent"},
		"its agent says it runs, at its last address": {[]string{"n3"}, true, func(f *fleet) {
			f.change("n3", func(m *machine) { m.unseen = true })
			f.silent(t, "n3", 7)
		}, "its agent answers, and Pacemaker runs there (" + services.Pacemaker + ")"},
		"unclean":                    {[]string{"n3"}, false, func(f *fleet) { f.kill(t, "n3"); f.change("n3", func(m *machine) { m.unclean = true }) }, "confirm that with down"},
		"without quorum":             {[]string{"n3"}, false, func(f *fleet) { f.kill(t, "n3"); f.all.put(f.all.forgotten, "quorum", true) }, "no quorum"},
		"an agent that stays is off": {[]string{"n3"}, false, func(f *fleet) { f.kill(t, "n3"); f.servers["n2"].Close() }, "n2: "},
		"its agent says it runs": {[]string{"n3"}, true, func(f *fleet) {
			f.change("n3", func(m *machine) { m.unseen = true })
		}, "its agent answers, and Pacemaker runs there (" + services.Pacemaker + ")"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			c.change(f)
			a := cluster.Action{Kind: cluster.Forget, Nodes: c.nodes, Down: c.down}
			_, _, err := f.crews["n1"].Foresee(t.Context(), a)
			if err == nil {
				err = f.crews["n1"].Check(t.Context(), a)
			}
			isRefusal := errors.As(err, new(*lb.ConflictError)) || errors.As(err, new(*lb.NotFoundError))
			if !isRefusal || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, expected %q", err, c.words)
			}
			if got := f.all.noted(" forget "); len(got) > 0 {
				t.Errorf("done: %v", got)
			}
		})
	}
}

// A step that fails is named, and the nodes are still there.
func TestForgetFails(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.kill(t, "n3")
	f.change("n1", func(m *machine) { m.refuses = failed() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := f.crews["n1"].Carry(ctx, cluster.Action{Kind: cluster.Forget, Nodes: []string{"n3"}}, cluster.Job{ID: "a", Begun: time.Now()})
	if !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "not forgotten: step corosync: exit status 1; send the request again") {
		t.Error(err)
	}
}

// silent gives an agent addresses that come first, and at which nothing answers any more.
func (f *fleet) silent(t *testing.T, name string, addresses int) {
	t.Helper()
	for range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		f.former[name] = append(f.former[name], "https://"+l.Addr().String())
	}
}

// An agent is asked at its last address though nothing answers at the others, and does what it is asked
// for once.
func TestSilentAddresses(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, name := range []string{"n1", "n2", "n3"} {
		f.silent(t, name, 7)
	}
	if !f.crews["n1"].Answers(t.Context(), "n2") {
		t.Error("n2 does not answer")
	}
	f.change("n2", func(m *machine) { m.busy = true })
	if err := f.crews["n1"].Apart(t.Context(), cluster.Action{Kind: cluster.Shutdown}, ""); err == nil || !strings.Contains(err.Error(), "n2: ") {
		t.Errorf("n2 is at work: %v", err)
	}
	f.change("n2", func(m *machine) { m.busy = false })
	if err := f.carry(t, "n1", cluster.Action{Kind: cluster.Shutdown, Node: "n3"}, 20*time.Second); err != nil {
		t.Error(err)
	}
	if got := strings.Join(f.all.noted("n3 "), ", "); got != "n3 corosync false, n3 pacemaker false" {
		t.Errorf("done: %s", got)
	}
}

// A request that has ended after one of its nodes goes on when it is sent again.
func TestForgetTheRest(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.kill(t, "n2", "n3")
	f.all.put(f.all.forgotten, "n2", true)
	a := cluster.Action{Kind: cluster.Forget, Nodes: []string{"n2", "n3"}, Down: true}
	seen, commands, err := f.crews["n1"].Foresee(t.Context(), a)
	if text := strings.Join(seen.Text, "; "); err != nil || !strings.Contains(text, "passes over n2") || !strings.Contains(text, "will take out node n3") || !slices.Equal(commands, []string{"n1: thalassa cluster forget n3 --down"}) {
		t.Fatalf("%s, %q, %v", text, commands, err)
	}
	f.all.put(f.all.syncing, "n2", true) // nobody is there to get the new file
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	v, err := f.crews["n1"].Carry(ctx, a, cluster.Job{ID: "a", Begun: time.Now()})
	if err != nil || len(v.Nodes) != 1 {
		t.Errorf("%+v, %v", v.Nodes, err)
	}
}

// Before root is asked, each time, a node that runs again is seen. So it is by who goes on with the job
// of another one.
func TestForgetLooksAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.change("n3", func(m *machine) { m.unseen = true })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := f.crews["n1"].Carry(ctx, cluster.Action{Kind: cluster.Forget, Nodes: []string{"n3"}, Down: true}, cluster.Job{ID: "a", Begun: time.Now()})
	if !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "it is not off") || len(f.all.noted(" forget ")) > 0 {
		t.Errorf("%v, done: %q", err, f.all.noted(" forget "))
	}
}

// If Pacemaker stops on the node that forgets, the job says so.
func TestForgetWithoutPacemaker(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.kill(t, "n3")
	if _, err := f.machines["n1"].set(t.Context(), false, services.Pacemaker); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := f.crews["n1"].Carry(ctx, cluster.Action{Kind: cluster.Forget, Nodes: []string{"n3"}}, cluster.Job{ID: "a", Begun: time.Now()})
	if err == nil || !strings.Contains(err.Error(), "this node does not take part in the cluster any more") || len(f.all.noted(" forget ")) > 0 {
		t.Errorf("%v, done: %q", err, f.all.noted(" forget "))
	}
}

// A node that cannot leave since root is at something else there is not just late.
func TestLeaveSaysWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.inviting("n3", ended)
	if _, err := f.members(t, "n3").Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{}); err != nil {
		t.Fatal(err)
	}
	f.change("n3", func(m *machine) { m.unseen = true })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := f.crews["n1"].Carry(ctx, cluster.Action{Kind: cluster.Leave, Node: "n3", Wait: 2 * time.Second}, cluster.Job{ID: "a", Begun: time.Now()})
	if !cluster.IsKind(err, cluster.KindTimedOut) || !strings.Contains(err.Error(), "it has not left yet: an invitation is open") {
		t.Error(err)
	}
}
