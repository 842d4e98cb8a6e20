package nodes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/membership"
	"thalassa/nodes"
)

// membershipOf is what root on a machine does about its membership.
type membershipOf struct {
	off     bool
	atWork  int                                                                                 // how many leaves, forgets and joins find root at work
	unseen  bool                                                                                // the others see it as off, though Pacemaker runs
	unclean bool                                                                                // as the others see it while Pacemaker does not run there
	busy    bool                                                                                // as while an invitation is open
	refuses error                                                                               // of leave and forget
	joins   func(ctx context.Context, q membership.Question, tell func(membership.Event)) error // also invites
}

func (a *machines) is(set map[string]bool, name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return set[name]
}

func (a *machines) put(set map[string]bool, name string, to bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set[name] = to
}

// noted are the notes with a word.
func (a *machines) noted(word string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.notes), func(note string) bool { return !strings.Contains(note, word) })
}

// serves is set while a node invites or forgets.
const serves = "some node serves others"

// Do does what thalassa-membership does, without corosync.
func (m *machine) Do(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
	m.mu.Lock()
	of := m.membershipOf
	if q.Verb != membership.VerbCheck && q.Verb != membership.VerbSync && of.atWork > 0 {
		m.atWork--
	}
	m.mu.Unlock()
	if of.off {
		return membership.ErrOff
	}
	if q.Verb == membership.VerbCheck {
		if of.busy {
			return atWork()
		}
		return nil
	}
	if q.Verb != membership.VerbSync && of.atWork > 0 {
		return atWork()
	}
	note := m.name + " " + q.Verb + " " + strings.Join(q.Gone, " ")
	if q.Down {
		note += " down"
	}
	m.all.note(note)
	switch q.Verb {
	case membership.VerbLeave, membership.VerbForget:
		if of.refuses != nil {
			return of.refuses
		}
		if q.Verb == membership.VerbForget {
			return m.forget(ctx, q, tell)
		}
		_, err := m.set(ctx, false, "")
		return err
	case membership.VerbSync:
		m.all.put(m.all.syncing, m.name, true)
		defer m.all.put(m.all.syncing, m.name, false)
		for m.all.is(m.all.syncing, serves) {
			if wake.Pause(ctx, time.Millisecond) != nil {
				return context.Cause(ctx)
			}
		}
		return nil
	}
	if q.Verb == membership.VerbInvite {
		m.all.put(m.all.syncing, serves, true)
		defer m.all.put(m.all.syncing, serves, false)
	}
	return of.joins(ctx, q, tell)
}

// forget waits for the member that stays, as corosync.conf has to be written there.
func (m *machine) forget(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
	m.all.put(m.all.syncing, serves, true)
	defer m.all.put(m.all.syncing, serves, false)
	tell(membership.Event{Step: "sync", State: "waiting", Node: m.name})
	for !slices.Contains(q.Gone, "n2") && !m.all.is(m.all.syncing, "n2") {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	for _, node := range q.Gone {
		m.all.put(m.all.forgotten, node, true)
	}
	return nil
}

func (f *fleet) change(name string, do func(m *machine)) {
	f.machines[name].mu.Lock()
	defer f.machines[name].mu.Unlock()
	do(f.machines[name])
}

func atWork() error {
	return &membership.BusyError{ConflictError: lb.ConflictError{ID: "cluster", Reason: "another command sets up the cluster on this node right now"}}
}

func failed() error { return &membership.FailedError{Problem: "step corosync: exit status 1"} }

// A node leaves through its agent, and the others forget it, of which each gets the new file.
func TestLeave(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := cluster.Action{Kind: cluster.Leave, Node: "n3", Author: "ann", Wait: 20 * time.Second}
	seen, commands, err := f.crews["n1"].Foresee(t.Context(), a)
	if want := []string{"n3: thalassa cluster leave", "n1: thalassa cluster forget n3", "n2: thalassa cluster sync"}; err != nil || !slices.Equal(commands, want) {
		t.Errorf("%v, %v", commands, err)
	}
	if text := strings.Join(seen.Text, "; "); !strings.Contains(text, "move vip") || !strings.Contains(text, "will take out node n3") {
		t.Errorf("foreseen: %s", text)
	}
	if err := f.crews["n1"].Check(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := f.crews["n1"].Look(t.Context(), a); err == nil {
		t.Error("it has left before it was asked")
	}
	for range 2 { // the second time, somebody goes on with the job
		ctx, cancel := context.WithTimeout(t.Context(), a.Wait)
		v, err := f.crews["n1"].Carry(ctx, a, cluster.Job{ID: "a", Begun: time.Now()})
		cancel()
		if err != nil || len(v.Nodes) != 2 {
			t.Fatalf("%+v, %v", v.Nodes, err)
		}
	}
	if got := f.all.noted("leave"); len(got) != 1 || got[0] != "n3 leave " {
		t.Errorf("leave: %v", got)
	}
	if got := f.all.noted("forget"); len(got) != 1 || got[0] != "n1 forget n3" {
		t.Errorf("forget: %v", got)
	}
	if err := f.crews["n1"].Look(t.Context(), a); err != nil {
		t.Error(err)
	}
}

// A node whose agent is gone is forgotten, and is not waited for.
func TestGoneNodeIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.servers["n3"].Close()
	if _, err := f.machines["n3"].set(t.Context(), false, ""); err != nil {
		t.Fatal(err)
	}
	a := cluster.Action{Kind: cluster.Leave, Node: "n3", Wait: 20 * time.Second}
	if err := f.crews["n1"].Check(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if _, err := f.crews["n1"].Carry(t.Context(), a, cluster.Job{ID: "a", Begun: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if got := f.all.noted("leave"); len(got) != 0 {
		t.Errorf("leave: %v", got)
	}
}

// A node that already shows as offline, while its services are still being stopped, leaves as soon as they
// are: it is not only forgotten, or it would come back when it boots.
func TestANodeThatStillStopsLeaves(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if _, err := f.machines["n3"].set(t.Context(), false, ""); err != nil {
		t.Fatal(err)
	}
	holds := make(chan struct{})
	f.change("n3", func(m *machine) { m.holds = holds })
	stops := nodes.Question{Job: "aaaaaaaaaaaaaaaaaaaa", Begun: time.Now().UnixMilli(), Until: time.Now().Add(time.Minute).UnixMilli()}
	testkit.Eventually(t, 5*time.Second, func() error { return f.locals["n3"].Begin(t.Context(), nodes.Stop, "ann", stops) })
	time.AfterFunc(time.Second, func() { close(holds) })
	a := cluster.Action{Kind: cluster.Leave, Node: "n3", Wait: 20 * time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), a.Wait)
	defer cancel()
	if _, err := f.crews["n1"].Carry(ctx, a, cluster.Job{ID: "a", Begun: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if left, forgotten := f.all.noted("n3 leave"), f.all.noted("n1 forget n3"); len(left) != 1 || len(forgotten) != 1 {
		t.Errorf("left: %q, forgotten: %q", left, forgotten)
	}
}

// What would take the quorum, or could not come to its end, is refused before anything is changed.
func TestLeaveIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		node   string
		change func(f *fleet)
		words  string
	}{
		"another node is down": {"n3", func(f *fleet) { _, _ = f.machines["n2"].set(t.Context(), false, "") }, "n2"},
		"unknown":              {"n9", nil, "node/n9"},
		"itself":               {"n1", nil, "ask the agent of another node (n2)"},
		"the switch is off":    {"n3", func(f *fleet) { f.change("n2", func(m *machine) { m.off = true }) }, "n2: " + membership.ErrOff.Error()},
		"its switch is off":    {"n3", func(f *fleet) { f.change("n3", func(m *machine) { m.off = true }) }, "thalassa-membership.socket"},
		"own switch is off":    {"n3", func(f *fleet) { f.change("n1", func(m *machine) { m.off = true }) }, "n1: "},
		"a node is at work": {"n3", func(f *fleet) {
			f.change("n2", func(m *machine) { m.busy = true })
		}, "n2: cluster: another command"},
		"an agent is gone": {"n3", func(f *fleet) { f.servers["n2"].Close() }, "n2: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			if c.change != nil {
				c.change(f)
			}
			a := cluster.Action{Kind: cluster.Leave, Node: c.node}
			_, _, err := f.crews["n1"].Foresee(t.Context(), a)
			if err == nil {
				err = f.crews["n1"].Check(t.Context(), a)
			}
			isRefusal := errors.As(err, new(*lb.ConflictError)) || errors.As(err, new(*lb.NotFoundError))
			if !isRefusal || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, expected %q", err, c.words)
			}
			if got := append(f.all.noted("leave"), f.all.noted("forget")...); len(got) > 0 {
				t.Errorf("done: %v", got)
			}
		})
	}
}

// A node that does not leave is not forgotten, and one that is not forgotten is named.
func TestLeaveFails(t *testing.T) {
	t.Parallel()
	for node, words := range map[string]string{"n3": "it does not leave: step corosync", "n1": "the others have not forgotten it"} {
		f := newFleet(t)
		f.change(node, func(m *machine) { m.refuses = failed() })
		a := cluster.Action{Kind: cluster.Leave, Node: "n3", Wait: 20 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), a.Wait)
		_, err := f.crews["n1"].Carry(ctx, a, cluster.Job{ID: "a", Begun: time.Now()})
		cancel()
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, expected %q", err, words)
		}
		if got := f.all.noted("forget"); node == "n3" && len(got) > 0 {
			t.Errorf("forgotten: %v", got)
		}
	}
}

// members are those of a node, which run.
func (f *fleet) members(t *testing.T, name string) *nodes.Members {
	t.Helper()
	m := nodes.NewMembers(f.crews[name])
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	testkit.Eventually(t, 5*time.Second, func() error {
		_, err := m.Join(canceled(), cluster.Joining{}, cluster.Order{Key: "probe"})
		if errors.As(err, new(*lb.UnavailableError)) {
			return err
		}
		return nil
	})
	return m
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// An invitation has its code in one answer, has the other members get new files when it waits for
// them, and ends when it is told to.
func TestInvite(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	expires := time.Now().Add(time.Hour)
	joined := make(chan struct{})
	f.change("n1", func(m *machine) {
		m.joins = func(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
			if q.Verb == membership.VerbJoin { // the probe
				return failed()
			}
			tell(membership.Event{Step: "code", State: "waiting", Code: "THE-CODE", Expires: &expires, Text: "waiting"})
			tell(membership.Event{Step: "sync", State: "waiting", Text: "these nodes need it"})
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-joined:
				return nil
			}
		}
	})
	m := f.members(t, "n1")
	o := cluster.Order{Author: "ann", Key: "key-1234", Body: []byte("a")}
	one, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, o)
	if err != nil || one.Code != "THE-CODE" || !one.Expires.Equal(expires) || one.State != cluster.InvitationOpen || one.Author != "ann" || one.Node != "n1" {
		t.Fatalf("%+v, %v", one, err)
	}
	for _, other := range []string{"n2", "n3"} {
		testkit.Eventually(t, 10*time.Second, func() error {
			if !f.all.is(f.all.syncing, other) {
				return fmt.Errorf("%s gets no new file", other)
			}
			return nil
		})
	}
	again, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, o)
	if err != nil || again.Code != "" || again.State != cluster.InvitationOpen {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	if _, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{Author: o.Author, Key: o.Key, Body: []byte("b")}); err == nil || !strings.Contains(err.Error(), "Idempotency-Key") {
		t.Errorf("another request with the key: %v", err)
	}
	if _, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{Author: "bob", Key: o.Key, Body: o.Body}); err == nil || !strings.Contains(err.Error(), "one is open") {
		t.Errorf("the same request of somebody else: %v", err)
	}
	if _, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("a second invitation: %v", err)
	}
	if list := m.Invitations(); len(list) != 1 || list[0].Code != "" || len(list[0].Steps) != 2 || strings.Contains(fmt.Sprint(list), "THE-CODE") {
		t.Errorf("%+v", list)
	}
	if end, err := m.EndInvitation(t.Context()); err != nil || end.State != cluster.InvitationEnded {
		t.Errorf("%+v, %v", end, err)
	}
	if _, err := m.EndInvitation(t.Context()); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("ended twice: %v", err)
	}
	if two, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{}); err != nil || two.Code == "" {
		t.Errorf("after the end: %+v, %v", two, err)
	}
	close(joined)
	testkit.Eventually(t, 5*time.Second, func() error {
		if list := m.Invitations(); list[0].State != cluster.InvitationDone {
			return fmt.Errorf("%+v", list)
		}
		return nil
	})
}

// A join answers with what became of each step. The same request waits for the one that runs, and one
// whose root was killed may be sent again.
func TestJoin(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ends := make(chan error)
	f.change("n2", func(m *machine) {
		m.joins = func(_ context.Context, _ membership.Question, tell func(membership.Event)) error {
			for _, state := range []string{"begin", "done"} {
				tell(membership.Event{Node: "n2", Step: "authkey", State: state})
			}
			err := <-ends
			if err != nil {
				tell(membership.Event{Node: "n2", Step: "authkey", State: "undone"})
			}
			return err
		}
	})
	go func() { ends <- failed() }() // the probe
	m := f.members(t, "n2")
	testkit.Eventually(t, 5*time.Second, func() error {
		_, err := m.Join(canceled(), cluster.Joining{Code: "other"}, cluster.Order{Key: "other-key"})
		if errors.As(err, new(*lb.ConflictError)) {
			return err
		}
		return nil
	})
	j := cluster.Joining{Code: "other"}
	ask := func(j cluster.Joining, o cluster.Order) <-chan error {
		out := make(chan error, 1)
		go func() {
			got, err := m.Join(t.Context(), j, o)
			if err == nil && (got.Node != "n2" || len(got.Steps) != 1 || got.Steps[0].State != "done" || got.Cluster == nil || len(got.Cluster.Nodes) != 3) {
				err = fmt.Errorf("%+v", got)
			}
			out <- err
		}()
		return out
	}
	// end ends the runs that a request waits for: it may have come after the end of one.
	end := func(answer <-chan error, with error) error {
		for {
			select {
			case got := <-answer:
				return got
			case ends <- with:
			}
		}
	}
	if err := end(ask(j, cluster.Order{Key: "other-key"}), nil); err != nil {
		t.Fatal(err)
	}
	for err, words := range map[error]string{
		failed():               "joining: failed: step corosync: exit status 1; undone: authkey",
		membership.ErrBroken:   "send the same request again",
		membership.ErrOff:      "thalassa-membership.socket",
		membership.ErrNoAnswer: "no answer",
		&lb.ConflictError{ID: "cluster", Reason: "the code has expired"}: "the code has expired; undone: authkey",
	} {
		one, two := ask(j, cluster.Order{}), ask(j, cluster.Order{})
		for _, answer := range []<-chan error{one, two} {
			if got := end(answer, err); got == nil || !strings.Contains(got.Error(), words) {
				t.Errorf("%v, expected %q", got, words)
			}
		}
	}
}

// A node that has joined goes on with further nodes, and says so to the one that invites. The answer
// does not wait for that.
func TestJoinThatGoesOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	over := make(chan struct{})
	f.change("n2", func(m *machine) {
		m.joins = func(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
			if q.Code == "" { // the probe
				return failed()
			}
			tell(membership.Event{Node: "n2", Step: "member", State: "done"})
			tell(membership.Event{Node: "n2", Step: "sync", State: "waiting"})
			select {
			case <-over:
			case <-ctx.Done():
			}
			return nil
		}
	})
	m := f.members(t, "n2")
	look := func() string {
		r, err := f.locals["n2"].Obey(t.Context(), nodes.Look, "", nodes.Question{})
		if err != nil || r.Membership == nil {
			t.Fatalf("%+v, %v", r, err)
		}
		return r.Membership.Doing
	}
	testkit.Eventually(t, 5*time.Second, func() error {
		_, err := m.Join(t.Context(), cluster.Joining{Code: "x"}, cluster.Order{})
		return err
	})
	if got := look(); got != "sync" {
		t.Errorf("it does %q", got)
	}
	close(over)
	testkit.Eventually(t, 5*time.Second, func() error {
		if got := look(); got != "" {
			return fmt.Errorf("it does %q", got)
		}
		return nil
	})
}

// Root may be at what an agent has asked for before it started again. Then it is asked again.
func TestRootIsAtWork(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.change("n3", func(m *machine) { m.atWork = 2 })
	f.change("n1", func(m *machine) { m.atWork = 5 })
	a := cluster.Action{Kind: cluster.Leave, Node: "n3", Wait: 30 * time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), a.Wait)
	defer cancel()
	if v, err := f.crews["n1"].Carry(ctx, a, cluster.Job{ID: "a", Begun: time.Now()}); err != nil || len(v.Nodes) != 2 {
		t.Errorf("%+v, %v", v.Nodes, err)
	}

	g := newFleet(t)
	joins := 0
	g.change("n2", func(m *machine) {
		m.joins = func(context.Context, membership.Question, func(membership.Event)) error { joins++; return nil }
	})
	m := g.members(t, "n2")
	g.change("n2", func(m *machine) { m.atWork = 2 })
	testkit.Eventually(t, 10*time.Second, func() error { // the probe may not have ended
		_, err := m.Join(t.Context(), cluster.Joining{Code: "x"}, cluster.Order{})
		return err
	})
	if joins < 1 {
		t.Errorf("asked %d times", joins)
	}
}

// A node that is off, and on which root cannot be asked, is only forgotten.
func TestOfflineNodeWithoutRoot(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := cluster.Action{Kind: cluster.Leave, Node: "n3", Wait: 20 * time.Second}
	if _, err := f.machines["n3"].set(t.Context(), false, ""); err != nil {
		t.Fatal(err)
	}
	const leave, forget, sync = "n3: thalassa cluster leave", "n1: thalassa cluster forget n3", "n2: thalassa cluster sync"
	if _, commands, err := f.crews["n1"].Foresee(t.Context(), a); err != nil || !slices.Equal(commands, []string{leave, forget, sync}) {
		t.Errorf("its agent answers: %q, %v", commands, err)
	}
	f.change("n3", func(m *machine) { m.off = true })
	if _, commands, err := f.crews["n1"].Foresee(t.Context(), a); err != nil || !slices.Equal(commands, []string{forget, sync}) {
		t.Errorf("off: %q, %v", commands, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), a.Wait)
	defer cancel()
	if _, err := f.crews["n1"].Carry(ctx, a, cluster.Job{ID: "a", Begun: time.Now()}); err != nil {
		t.Error(err)
	}
}

// Two nodes that are gone keep each other from leaving. They are forgotten together.
func TestTwoAreGone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, name := range []string{"n2", "n3"} {
		if _, err := f.machines[name].set(t.Context(), false, ""); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := f.crews["n1"].Foresee(t.Context(), cluster.Action{Kind: cluster.Leave, Node: "n3"})
	if err == nil || !strings.Contains(err.Error(), "thalassa cluster forget n3 n2 --agent") {
		t.Error(err)
	}
}

// inviting lets a node invite, until the context of it ends, with then as its error.
func (f *fleet) inviting(name string, then func() error) {
	f.change(name, func(m *machine) {
		m.joins = func(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
			if q.Verb == membership.VerbJoin { // the probe
				return failed()
			}
			tell(membership.Event{Step: "code", State: "waiting", Code: "THE-CODE", Text: "waiting"})
			tell(membership.Event{Step: "sync", State: "waiting", Node: name, Text: "these nodes need it"})
			<-ctx.Done()
			return then()
		}
	})
}

func ended() error { return membership.ErrEnded }

// No code is made while another member cannot get a new corosync.conf. The same request may be sent
// again then.
func TestInviteIsRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.inviting("n1", ended)
	m := f.members(t, "n1")
	o := cluster.Order{Key: "key-1234", Body: []byte("a")}
	refused := func(words string) {
		t.Helper()
		_, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, o)
		if !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, expected %q", err, words)
		}
	}
	f.change("n2", func(m *machine) { m.off = true })
	f.change("n3", func(m *machine) { m.busy = true })
	refused("n2: " + membership.ErrOff.Error() + "; n3: cluster: another command")
	f.change("n2", func(m *machine) { m.off = false })
	f.change("n3", func(m *machine) { m.busy = false })
	if _, err := f.machines["n2"].set(t.Context(), false, ""); err != nil {
		t.Fatal(err)
	}
	refused("not online: n2")
	if _, err := f.machines["n2"].set(t.Context(), true, ""); err != nil {
		t.Fatal(err)
	}
	if got := f.all.noted("invite"); len(got) > 0 {
		t.Errorf("done: %v", got)
	}
	if one, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, o); err != nil || one.Code == "" {
		t.Errorf("%+v, %v", one, err)
	}
	f.change("n2", func(m *machine) { m.off = true })
}

// An invitation on another node that has begun at the same moment is seen at the end.
func TestTwoInvitations(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.inviting("n1", ended)
	f.change("n1", func(one *machine) {
		joins := one.joins
		one.joins = func(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
			f.change("n2", func(m *machine) { m.busy = q.Verb == membership.VerbInvite })
			return joins(ctx, q, tell)
		}
	})
	m := f.members(t, "n1")
	_, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{})
	if !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "n2: ") {
		t.Error(err)
	}
	if list := m.Invitations(); len(list) != 1 || list[0].State != cluster.InvitationFailed || !strings.Contains(list[0].Result, "n2: ") {
		t.Errorf("%+v", list)
	}
}

// Why a member does not get the new corosync.conf is among the steps.
func TestStepsOfMembers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	release := make(chan struct{})
	f.change("n1", func(m *machine) {
		m.joins = func(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
			if q.Verb == membership.VerbJoin { // the probe
				return failed()
			}
			tell(membership.Event{Step: "code", State: "waiting", Code: "THE-CODE"})
			<-release
			tell(membership.Event{Step: "sync", State: "waiting", Node: "n1"})
			<-ctx.Done()
			return membership.ErrEnded
		}
	})
	m := f.members(t, "n1")
	if _, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{}); err != nil {
		t.Fatal(err)
	}
	f.change("n2", func(m *machine) { m.off = true })
	close(release)
	shows := func(state, words string) {
		t.Helper()
		testkit.Eventually(t, 15*time.Second, func() error {
			steps := m.Invitations()[0].Steps
			if !slices.ContainsFunc(steps, func(s cluster.MembershipStep) bool {
				return s.Node == "n2" && s.Step == "sync" && s.State == state && strings.Contains(s.Text, words)
			}) {
				return fmt.Errorf("%+v", steps)
			}
			return nil
		})
	}
	shows("failed", membership.ErrOff.Error())
	f.change("n2", func(m *machine) { m.off = false })
	shows("begin", "gets the new corosync.conf")
}

// An invitation that needs no code, as the node of an earlier one has joined, says so.
func TestInvitationWithoutCode(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.change("n1", func(m *machine) {
		m.joins = func(_ context.Context, q membership.Question, tell func(membership.Event)) error {
			if q.Verb == membership.VerbJoin { // the probe
				return failed()
			}
			tell(membership.Event{Step: "node", State: "kept", Node: "n9", Text: "the node is online"})
			return nil
		}
	})
	m := f.members(t, "n1")
	got, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{})
	if err != nil || got.Node != "n1" || got.Code != "" || got.State != cluster.InvitationDone || !strings.Contains(got.Result, "there is no code") || len(got.Steps) != 1 || got.Steps[0].Node != "n9" {
		t.Errorf("%+v, %v", got, err)
	}
}

// An invitation whose end leaves something behind has not just ended.
func TestInvitationLeavesSomething(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.inviting("n1", failed)
	m := f.members(t, "n1")
	if _, err := m.Invite(t.Context(), cluster.Inviting{For: time.Hour, Nodes: 1}, cluster.Order{}); err != nil {
		t.Fatal(err)
	}
	if end, err := m.EndInvitation(t.Context()); err != nil || end.State != cluster.InvitationFailed || !strings.Contains(end.Result, "step corosync") {
		t.Errorf("%+v, %v", end, err)
	}
}
