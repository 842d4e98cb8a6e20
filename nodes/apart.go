package nodes

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/membership"
)

// Nodes are started and stopped, or nodes join and leave, and never both: whoever joins or leaves
// needs all others, and those get a new corosync.conf. What is under way says each node itself: the
// job that its agent knows, what its agent has asked root for, and whether root is at work, also for
// an agent that has started again since. A job is known to its own agent before it looks, so that of
// two that begin at the same moment, at least one sees the other.

// A Going is a job that starts, stops or takes out nodes now.
type Going struct {
	Job    string `json:"job"`
	Kind   string `json:"kind"`
	Object string `json:"object"` // node/NAME or cluster
	// Nodes are those of a forget.
	Nodes []string `json:"nodes,omitempty"`
	By    string   `json:"by"`
	// Carrier is the node whose agent carries it out, and knows best whether it goes on.
	Carrier string `json:"carrier"`
}

// goingOf is a job as other nodes hear of it.
func goingOf(j cluster.Job) Going {
	return Going{Job: j.ID, Kind: j.Kind, Object: j.Object, Nodes: j.Nodes, By: j.Author, Carrier: j.Node}
}

// maxGoing bounds Membership.Jobs.
const maxGoing = 16

// String is a sentence about the job, without its end.
func (g Going) String() string {
	node, isNode := strings.CutPrefix(g.Object, "node/")
	what := "the cluster is being "
	if isNode {
		what = "node " + node + " is being "
	}
	switch g.Kind {
	case cluster.Leave:
		what = "node " + node + " is leaving the cluster"
	case cluster.Forget:
		what = strings.TrimSuffix("gone nodes are being forgotten: "+strings.Join(g.Nodes, ", "), ": ")
	case cluster.Startup:
		what += "started"
	default:
		what += "shut down"
	}
	return what + " (job " + g.Job + " of " + g.By + " at " + g.Carrier + ")"
}

// look is how the membership of this node is, and what it knows of jobs.
func (l *Local) look(ctx context.Context) (Report, error) {
	r := l.acts.look(ctx)
	l.mu.Lock()
	jobs := l.jobs
	l.mu.Unlock()
	if jobs == nil {
		return r, nil
	}
	list, err := jobs()
	if err != nil {
		return Report{}, err
	}
	for _, j := range list[:min(len(list), maxGoing)] {
		r.Membership.Jobs = append(r.Membership.Jobs, goingOf(j))
	}
	return r, nil
}

// work says what is under way; empty: nothing.
func (m Membership) work() string {
	switch m.Doing {
	case "":
		if m.Busy {
			return m.Problem
		}
		return ""
	case membership.VerbInvite:
		return "an invitation is open, so that nodes can join; DELETE /cluster/invitations of its agent (thalassa cluster invite --end) ends it"
	case membership.VerbJoin:
		return "it is joining a cluster"
	case membership.VerbLeave:
		return "it is leaving the cluster"
	case membership.VerbForget:
		return "it removes a node that has left"
	case membership.VerbSync:
		return "it gets a new corosync.conf, since a node joins or leaves"
	}
	return "it is at work: " + m.Doing
}

// A sight is what a node says when it is looked at.
type sight struct {
	Membership

	err error // it has not said anything
}

// problem is why root there cannot do something now; nil: it can. syncs: a sync is no reason.
func (s sight) problem(syncs bool) error {
	switch {
	case s.err != nil:
		return s.err
	case s.Problem != "":
		return errors.New(s.Problem)
	case s.Doing == "", syncs && s.Doing == membership.VerbSync:
		return nil
	}
	return errors.New(s.work())
}

// lookAt looks at a node. A sync may end in a moment, which is waited for unless it may go on. One that
// the cluster shows as gone has less time: it may be without power, and its agent, if it is there, knows
// what it does.
func lookAt(ctx context.Context, c *Crew, node string, syncs bool) sight {
	if v := c.cfg.View(); isRunning(v) && !v.NodeNamed(node).IsOnline() {
		short, cancel := context.WithTimeout(ctx, connectWithin)
		defer cancel()
		ctx = short
	}
	limited, cancel := context.WithTimeout(ctx, doneWithin)
	defer cancel()
	for {
		m, err := c.askMember(ctx, node, Look, Question{})
		if err != nil || syncs || m.Doing != membership.VerbSync || wake.Pause(limited, pollEvery) != nil {
			return sight{m, err}
		}
	}
}

// lookAll looks at nodes, all at the same time.
func lookAll(ctx context.Context, c *Crew, names []string, syncs bool) map[string]sight {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	var mu sync.Mutex
	out := map[string]sight{}
	var all sync.WaitGroup
	for _, node := range names {
		all.Go(func() {
			s := lookAt(ctx, c, node, syncs)
			mu.Lock()
			defer mu.Unlock()
			out[node] = s
		})
	}
	all.Wait()
	return out
}

// opposed are those jobs that must not come together with an action, or with an invitation. job is
// that of the action itself. What the agent of a job does not confirm is over.
func opposed(all map[string]sight, kind, job string) []string {
	var out []string
	for _, s := range all {
		for _, g := range s.Jobs {
			carrier, asked := all[g.Carrier]
			isKnown := slices.ContainsFunc(carrier.Jobs, func(o Going) bool { return o.Job == g.Job })
			if g.Job == job || asked && carrier.err == nil && !isKnown || isService(kind) && isService(g.Kind) {
				continue
			}
			out = append(out, g.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// isService reports whether an action starts or stops services, and does not change the members.
func isService(kind string) bool { return kind == cluster.Startup || kind == cluster.Shutdown }

// Apart refuses a startup or shutdown while a node joins or leaves, and a leaving while nodes are
// started or stopped, or others join or leave. job is that of the action itself, once it has one. The
// error is an *lb.ConflictError that names what is under way. Nodes that do not answer are not at work.
func (c *Crew) Apart(ctx context.Context, a cluster.Action, job string) error {
	limited, cancel := context.WithTimeout(ctx, reachWithin) // of which a node that is at work needs half
	defer cancel()
	names := c.cfg.memberNames(c.cfg.View())
	if !slices.Contains(names, c.Self()) { // it may be in no cluster yet, and join one
		names = append(slices.Clone(names), c.Self())
	}
	all := lookAll(limited, c, names, false)
	found := opposed(all, a.Kind, job)
	for node, s := range all {
		if text := s.work(); s.err == nil && text != "" {
			found = append(found, node+": "+text)
		}
	}
	if len(found) == 0 {
		return context.Cause(ctx)
	}
	slices.Sort(found)
	reason := "nothing is started or stopped while a node joins or leaves"
	if !isService(a.Kind) {
		reason = "no node leaves while nodes are started or stopped, or others join or leave"
	}
	return &lb.ConflictError{ID: a.Object(), Reason: reason + " (" + strings.Join(found, "; ") + "); wait for the end, or cancel it"}
}

// A change is one of the members of the cluster.
type change struct {
	kind  string   // leave or invite
	asked []string // the nodes on which root has to do something
	syncs bool     // a sync there may go on
}

// canChange refuses unless root can be asked on each node, is not at work there, and no job starts or
// stops nodes. The error is an *lb.ConflictError that names what is in the way.
func (c *Crew) canChange(ctx context.Context, g change) error {
	all := lookAll(ctx, c, g.asked, g.syncs)
	var problems []string
	for node, s := range all {
		if err := s.problem(g.syncs); err != nil {
			problems = append(problems, node+": "+err.Error())
		}
	}
	slices.Sort(problems)
	if g.kind == membership.VerbInvite { // Apart has looked for a leaving
		if own, err := c.cfg.Local.look(ctx); err == nil {
			all[c.Self()] = sight{Membership: *own.Membership}
		}
		problems = append(problems, opposed(all, g.kind, "")...)
	}
	if len(problems) == 0 {
		return nil
	}
	return &lb.ConflictError{ID: "cluster", Reason: "nothing was changed, because not every node can change its membership (" + strings.Join(problems, "; ") + ")"}
}
