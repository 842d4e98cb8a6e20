package nodes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/membership"
)

const (
	// syncEvery is the pause between two looks whether a member has begun to get new files.
	syncEvery = 2 * time.Second
	// checkWithin is how long all nodes may take to say whether they can change their membership: one
	// that is at work says so after a few seconds.
	checkWithin = 30 * time.Second
	// doneWithin is how long a sync may still be shown after the invitation has ended.
	doneWithin = 5 * time.Second
	// forgetTries is how often a node is forgotten again after a failure.
	forgetTries = 3
)

// A departure is the leaving of a node, carried out by the agent of another one.
type departure struct {
	removal

	node string
}

func (c *Crew) departure(a cluster.Action) departure {
	return departure{removal{Crew: c, nodes: []string{a.Node}, object: a.Object()}, a.Node}
}

// state is what the cluster says of the node; empty: it does not know it.
func (d departure) state() string { return d.cfg.View().NodeNamed(d.node).State }

// foresee refuses what would take the quorum from the others, or could not be ended.
func (d departure) foresee(ctx context.Context) (out cluster.Consequences, commands []string, err error) {
	v := d.cfg.View()
	id := "node/" + d.node
	switch {
	case !isRunning(v):
		return out, nil, &lb.ConflictError{ID: id, Reason: "this node does not take part in the cluster, and the node that asks for a leave has to; ask the agent of one that is online"}
	case !slices.ContainsFunc(v.Members(), func(n cluster.Node) bool { return n.Name == d.node }):
		return out, nil, &lb.NotFoundError{ID: id}
	case d.node == d.Self():
		return out, nil, &lb.ConflictError{ID: id, Reason: d.notHere(v)}
	case d.state() == "unclean":
		return out, nil, &lb.ConflictError{ID: id, Reason: "it is unclean: it may have resources until it was fenced. If it is off, forget it with down (thalassa cluster forget " + d.node + " --down --agent …)"}
	case !v.Quorum:
		return out, nil, &lb.ConflictError{ID: id, Reason: "this part of the cluster has no quorum, and other nodes may run without this one. If they are off, forget them with down (thalassa cluster forget … --down --agent …)"}
	}
	if err := d.othersAreThere(v); err != nil {
		return out, nil, err
	}
	if d.state() != "offline" {
		if err := keepsQuorum(v, d.cfg.Votes(ctx), d.node, nil); err != nil {
			return out, nil, &lb.ConflictError{ID: id, Reason: "without it the other nodes have no quorum, and until they have forgotten it, it counts"}
		}
		if out, err = d.cfg.Predict(ctx, cluster.Action{Kind: cluster.Standby, Node: d.node}); err != nil {
			return out, nil, err
		}
	}
	if d.hasToLeave(ctx) {
		commands = append(commands, d.node+": thalassa cluster leave")
	}
	commands = append(commands, d.Self()+": thalassa cluster forget "+d.node)
	for _, other := range d.others(v) {
		commands = append(commands, other+": thalassa cluster sync")
	}
	out.Actions = append(out.Actions, cluster.Consequence{Action: "take out", Node: d.node})
	out.Text = cluster.Summarize(out.Actions)
	return out, commands, nil
}

// notHere is why a node does not see to its own leaving: it has to be forgotten by one that stays.
func (d departure) notHere(v cluster.Status) string {
	const command = "run sudo thalassa cluster leave on it"
	for _, n := range v.Members() {
		if n.Name != d.node && n.IsOnline() {
			return "it is the node of this agent, and one that stays has to forget it; ask the agent of another node (" + n.Name + "), or " + command
		}
	}
	return "it is the last node of the cluster that is online; " + command
}

// hasToLeave reports whether the node is asked to leave before it is forgotten: it is there, or its
// agent is and root can be asked.
func (d departure) hasToLeave(ctx context.Context) bool {
	if d.state() != "offline" {
		return true
	}
	m, err := d.askMember(ctx, d.node, Look, Question{})
	return err == nil && m.Problem == ""
}

// check refuses unless the agent of each node that has to do something can have it done.
func (d departure) check(ctx context.Context) error {
	if d.isGone() {
		return nil
	}
	if d.state() != "offline" {
		return d.stayersCan(ctx, d.node)
	}
	return d.stayersCan(ctx)
}

// askMember asks a node about its membership.
func (c *Crew) askMember(ctx context.Context, node, verb string, q Question) (Membership, error) {
	var r Report
	var err error
	if node == c.Self() {
		r, err = c.cfg.Local.Obey(ctx, verb, q.By, q)
	} else {
		r, err = c.ask(ctx, node, verb, q)
	}
	switch {
	case err != nil:
		return Membership{}, err
	case r.Later != "":
		return Membership{}, &laterError{r.Later}
	case r.Membership == nil:
		return Membership{}, errors.New("its agent knows nothing of memberships")
	}
	return *r.Membership, nil
}

// carry has the node leave, and all others forget it, and returns when the cluster does not know it
// any more. It may be called again.
func (d departure) carry(ctx context.Context, q Question) (cluster.Status, error) {
	if d.node == d.Self() {
		return cluster.Status{}, &lb.ConflictError{ID: "node/" + d.node, Reason: d.notHere(d.cfg.View())}
	}
	if !d.isGone() {
		if err := d.out(ctx, q); err != nil {
			return cluster.Status{}, d.timedOut(ctx, err)
		}
		if err := d.forget(ctx, q, "it has left, and the others have not forgotten it", context.Cause); err != nil {
			return cluster.Status{}, d.timedOut(ctx, err)
		}
	}
	return d.settled(ctx)
}

// out returns when the node has left, or is off and it, or root there, cannot be asked.
func (d departure) out(ctx context.Context, q Question) error {
	if !d.hasToLeave(ctx) {
		return nil
	}
	asked := false
	for {
		verb := Look
		if !asked {
			verb = Leave
		}
		m, err := d.askMember(ctx, d.node, verb, q)
		later, isLater := errors.AsType[*laterError](err)
		switch {
		case isLater:
			return &lb.ConflictError{ID: "node/" + d.node, Reason: later.Error()}
		case err != nil && !isConflict(err) && d.state() == "offline": // it is off, or has left and has no key any more
			return nil
		case err == nil && m.Job == q.Job && m.Failed != "":
			return &lb.ConflictError{ID: "node/" + d.node, Reason: "it does not leave: " + m.Failed}
		case err == nil && m.Job == q.Job && m.Left:
			return d.awaitOff(ctx)
		}
		asked = err == nil && m.Job == q.Job
		if err == nil {
			err = errors.New(strings.TrimSuffix("it has not left yet: "+cmp.Or(m.Problem, m.work()), ": "))
		}
		if wake.Pause(ctx, pollEvery) != nil {
			return err
		}
	}
}

// awaitOff waits until the cluster shows that the node is off.
func (d departure) awaitOff(ctx context.Context) error {
	for state := d.state(); state != "offline" && state != ""; state = d.state() {
		if wake.Pause(ctx, lookAgain) != nil {
			return fmt.Errorf("it has left, and the cluster shows it as %s", state)
		}
	}
	return nil
}

// reasons are why nodes do not get the new corosync.conf. Methods may be called concurrently.
type reasons struct {
	mu sync.Mutex
	of map[string]string // by node
}

// note notes what syncOthers tells.
func (r *reasons) note(e membership.Event) {
	if e.Step != "sync" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.State == "failed" {
		if r.of == nil {
			r.of = map[string]string{}
		}
		r.of[e.Node] = e.Text
	} else {
		delete(r.of, e.Node)
	}
}

// String has each node with its reason, after a separator; empty: there are none.
func (r *reasons) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out strings.Builder
	for _, node := range slices.Sorted(maps.Keys(r.of)) {
		out.WriteString("; " + node + ": " + r.of[node])
	}
	return out.String()
}

// withSync asks root, and once that waits for other nodes, has their agents get the new corosync.conf
// until it has ended. Some nodes are left out. It tells the events of root, and why a node does not get
// the file; this may be at the same time.
func (c *Crew) withSync(ctx context.Context, q membership.Question, by string, without []string, tell func(membership.Event)) error {
	syncing, cancel := context.WithCancel(ctx)
	waits := wake.NewPoke()
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-syncing.Done():
		case <-waits:
			c.syncOthers(syncing, by, without, tell)
		}
	}()
	become := c.cfg.Local.acts.note(q.Verb)
	err := c.cfg.Local.acts.root.Do(ctx, q, func(e membership.Event) {
		if e.Step == "sync" && e.State == "waiting" {
			waits.Send()
		}
		tell(e)
	})
	become("")
	cancel()
	<-done
	return err
}

// syncOthers has all other nodes get new corosync.confs, and again what has ended too early, until
// ctx ends. It tells, as the step sync of that node, that one does not get it, and why, and that it
// does later.
func (c *Crew) syncOthers(ctx context.Context, by string, without []string, tell func(membership.Event)) {
	q := Question{By: by}
	said := map[string]string{}
	for ctx.Err() == nil {
		for _, node := range c.cfg.Roster.Nodes() {
			if node == c.Self() || slices.Contains(without, node) {
				continue
			}
			m, err := c.askMember(ctx, node, Look, q)
			if err == nil && m.Doing == "" && m.Problem == "" {
				m, err = c.askMember(ctx, node, Sync, q)
			}
			switch {
			case err == nil && m.Problem != "":
				err = errors.New(m.Problem)
			case err == nil && m.Doing != "" && m.Doing != membership.VerbSync:
				err = errors.New(m.work())
			}
			switch {
			case ctx.Err() != nil:
			case err == nil && said[node] != "":
				delete(said, node)
				tell(membership.Event{Step: "sync", State: "begin", Node: node, Text: "it gets the new corosync.conf"})
			case err != nil && said[node] != err.Error():
				said[node] = err.Error()
				tell(membership.Event{Step: "sync", State: "failed", Node: node, Text: "it does not get the new corosync.conf: " + err.Error()})
				c.cfg.Logger.WarnContext(ctx, "a node does not get the new corosync.conf", "node", node, "error", err)
			}
		}
		_ = wake.Pause(ctx, syncEvery) // its end is checked above
	}
}
