package nodes

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/membership"
	"thalassa/services"
)

// A removal takes nodes out of the configuration of all others, which is done by this node.
type removal struct {
	*Crew

	nodes  []string
	down   bool   // somebody has made sure that they are off
	object string // of errors
}

// known are those of the nodes that are members of the cluster.
func (r removal) known() []string { return r.knownIn(r.cfg.View()) }

func (r removal) knownIn(v cluster.Status) []string {
	all := namesOf(v.Members())
	return slices.DeleteFunc(slices.Clone(r.nodes), func(node string) bool { return !slices.Contains(all, node) })
}

// isGone reports whether the cluster runs here and does not know the nodes.
func (r removal) isGone() bool { return isRunning(r.cfg.View()) && len(r.known()) == 0 }

// others are the members that stay, without this node.
func (r removal) others(v cluster.Status) []string {
	return slices.DeleteFunc(namesOf(v.Members()), func(node string) bool { return slices.Contains(r.nodes, node) || node == r.Self() })
}

// othersAreThere refuses while a node that stays cannot get the new corosync.conf.
func (r removal) othersAreThere(v cluster.Status) error {
	off := slices.DeleteFunc(offline(v), func(node string) bool { return slices.Contains(r.nodes, node) })
	if len(off) == 0 {
		return nil
	}
	reason := "every node that stays needs the new corosync.conf, and this is not online: " + strings.Join(off, ", ")
	if slices.ContainsFunc(r.nodes, func(node string) bool { return v.NodeNamed(node).IsOnline() }) {
		reason += "; start it, or have it leave first"
	} else {
		all, word := slices.Concat(r.nodes, off), ""
		if r.down || slices.ContainsFunc(all, func(node string) bool { return v.NodeNamed(node).State == "unclean" }) {
			word = " --down"
		}
		reason += "; start it, or forget all that are gone together: thalassa cluster forget " + strings.Join(all, " ") + word + " --agent …"
	}
	return &lb.ConflictError{ID: r.object, Reason: reason}
}

// stayersCan refuses unless the agent of each node that stays, and of those beside, can have done what
// it has to do.
func (r removal) stayersCan(ctx context.Context, beside ...string) error {
	if _, err := r.cfg.Local.Key(ctx); err != nil {
		return &lb.UnavailableError{What: "this node's agent cannot ask those of other nodes, which takes the key of the cluster from thalassa-node.socket: " + err.Error()}
	}
	return r.canChange(ctx, change{kind: cluster.Leave, asked: slices.Concat([]string{r.Self()}, r.others(r.cfg.View()), beside)})
}

// forget has root on this node forget the nodes, and the agents of the others get the new
// corosync.conf. failed begins the error. Each time before root is asked, mayGo may refuse it.
func (r removal) forget(ctx context.Context, q Question, failed string, mayGo func(context.Context) error) error {
	var err error
	var silent reasons
	for failures := 0; failures < forgetTries && !r.isGone(); {
		if err := mayGo(ctx); err != nil {
			return err
		}
		if gone := r.known(); len(gone) > 0 {
			err = r.withSync(ctx, membership.Question{Verb: membership.VerbForget, Gone: gone, Down: r.down}, q.By, r.nodes, silent.note)
		} else {
			err = errors.New("this node does not take part in the cluster any more, and the node that forgets others has to; start Pacemaker on it")
		}
		pause := pollEvery // root may be at what an agent has asked for before it started again
		if !isBusy(err) {
			failures++
			pause = againAfter
		}
		if err == nil || ctx.Err() != nil || wake.Pause(ctx, pause) != nil {
			break
		}
	}
	if err != nil && !r.isGone() {
		return &lb.ConflictError{ID: r.object, Reason: failed + ": " + err.Error() + silent.String() + "; send the request again"}
	}
	return nil
}

// settled waits until the cluster does not know the nodes, and has nothing left to do.
func (r removal) settled(ctx context.Context) (cluster.Status, error) {
	for !r.isGone() {
		if wake.Pause(ctx, lookAgain) != nil {
			return cluster.Status{}, r.timedOut(ctx, errors.New("the cluster still shows "+strings.Join(r.known(), ", ")))
		}
	}
	return r.cfg.settle(ctx)
}

// timedOut is an error, as one about the time if that is over.
func (r removal) timedOut(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) {
		return &cluster.Error{Tool: "node " + strings.Join(r.nodes, ", "), Kind: cluster.KindTimedOut, Said: err.Error()}
	} else if cause != nil {
		return cause
	}
	return err
}

// look returns nil if the nodes are gone.
func (r removal) look() error {
	if !r.isGone() {
		return &cluster.Error{Tool: "node " + strings.Join(r.nodes, ", "), Kind: cluster.KindTimedOut, Said: "the cluster still has it"}
	}
	return nil
}

// A forgetting removes nodes that are gone, also several, of which each would keep the others from
// being forgotten.
type forgetting struct{ removal }

func (c *Crew) forgetting(a cluster.Action) forgetting {
	return forgetting{removal{Crew: c, nodes: a.Nodes, down: a.Down, object: a.Object()}}
}

// foresee refuses nodes that may run, and what could not be ended.
func (f forgetting) foresee(ctx context.Context) (out cluster.Consequences, commands []string, err error) {
	v := f.cfg.View()
	if !isRunning(v) {
		return out, nil, &lb.ConflictError{ID: f.object, Reason: "this node does not take part in the cluster, and the node that forgets others has to; ask the agent of one that is online"}
	}
	known := f.knownIn(v)
	if len(known) == 0 {
		return out, nil, &lb.NotFoundError{ID: "node/" + f.nodes[0], Hint: "it is no member of this cluster, or was forgotten already"}
	}
	for _, node := range f.nodes {
		if !slices.Contains(known, node) { // a former request may have ended after some of its nodes
			out.Text = append(out.Text, "passes over "+node+", which is no member of this cluster, or was forgotten already")
		}
	}
	f.nodes = known
	for _, node := range f.nodes {
		if err := f.mayBeForgotten(v, node); err != nil {
			return out, nil, err
		}
	}
	if !v.Quorum && !f.down {
		return out, nil, &lb.ConflictError{ID: f.object, Reason: "this part of the cluster has no quorum, and other nodes may run without this one. Make sure that " + strings.Join(f.nodes, ", ") + " is off, and confirm that with down"}
	}
	if err := cmp.Or(f.othersAreThere(v), f.areOff(ctx)); err != nil {
		return out, nil, err
	}
	command := f.Self() + ": thalassa cluster forget " + strings.Join(f.nodes, " ")
	if f.down {
		command += " --down"
		out.Text = append(out.Text, "relies on your word that "+strings.Join(f.nodes, ", ")+" is off: if it runs, both sides may run the same resources")
	}
	commands = append(commands, command)
	for _, other := range f.others(v) {
		commands = append(commands, other+": thalassa cluster sync")
	}
	for _, node := range f.nodes {
		out.Actions = append(out.Actions, cluster.Consequence{Action: "take out", Node: node})
	}
	out.Text = append(out.Text, cluster.Summarize(out.Actions)...)
	return out, commands, nil
}

// mayBeForgotten refuses a node that is there, or may have resources.
func (f forgetting) mayBeForgotten(v cluster.Status, node string) error {
	id := "node/" + node
	switch state := v.NodeNamed(node).State; {
	case node == f.Self():
		return &lb.ConflictError{ID: id, Reason: "it is the node of this agent"}
	case state == "offline" || state == "unclean" && f.down:
		return nil
	case state == "unclean":
		return &lb.ConflictError{ID: id, Reason: "it is unclean: it may have resources until it was fenced. If it is off, confirm that with down"}
	default:
		return &lb.ConflictError{ID: id, Reason: "it is " + state + ", expected one that is offline; thalassa cluster leave " + node + " takes it out"}
	}
}

// offWithin is how long the agents of nodes that are to be forgotten may take to say that they are not
// off: longer than all of their addresses together, see ask.
const offWithin = 5 * time.Second

// areOff refuses nodes whose agents say that Pacemaker runs there, whatever the cluster sees and
// somebody's word is.
func (f forgetting) areOff(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, offWithin)
	defer cancel()
	known := f.known()
	errs := make([]error, len(known))
	var all sync.WaitGroup
	for i, node := range known {
		all.Go(func() {
			r, err := f.ask(limited, node, State, Question{})
			if daemons := r.Services[services.Pacemaker].Daemons; err == nil && len(daemons) > 0 {
				errs[i] = &lb.ConflictError{ID: "node/" + node, Reason: "it is not off: its agent answers, and Pacemaker runs there (" + strings.Join(daemons, ", ") + "); it may have resources. Shut it down there first"}
			}
		})
	}
	all.Wait()
	return cmp.Or(errs...)
}

// check refuses unless each node that stays can get the new corosync.conf.
func (f forgetting) check(ctx context.Context) error {
	if f.isGone() {
		return nil
	}
	return f.stayersCan(ctx)
}

// carry removes the nodes, and returns when the cluster does not know them. It may be called again.
func (f forgetting) carry(ctx context.Context, q Question) (cluster.Status, error) {
	if !f.isGone() {
		if err := f.forget(ctx, q, "not forgotten", f.areOff); err != nil {
			return cluster.Status{}, f.timedOut(ctx, err)
		}
	}
	return f.settled(ctx)
}
