package nodes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/corosync"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/services"
)

// A Crew is the agents of all nodes. Methods may be called concurrently.
type Crew struct {
	cfg  Config
	http *http.Client
}

// A Directory knows the nodes of the cluster, as *Roster does.
type Directory interface {
	Self() string
	Nodes() []string
	URLs(node string) []string
}

// A Config is what a Crew needs.
type Config struct {
	Local  *Local
	Roster Directory
	// View is the status of the cluster.
	View func() cluster.Status
	// Votes are how corosync counts a quorum. Default: each node has one vote, and each of two has
	// quorum alone.
	Votes func(ctx context.Context) corosync.Votes
	// Predict asks Pacemaker's scheduler about an action.
	Predict func(ctx context.Context, a cluster.Action) (cluster.Consequences, error)
	// Settled waits until the cluster has nothing left to do.
	Settled func(ctx context.Context, within time.Duration) (cluster.Status, error)
	Now     func() time.Time
	Logger  *slog.Logger
}

// New makes a Crew. It starts nothing.
func New(cfg Config) *Crew {
	if cfg.Votes == nil {
		cfg.Votes = func(context.Context) corosync.Votes { return corosync.Votes{TwoNode: true} }
	}
	return &Crew{cfg: cfg, http: newTransport()}
}

// Self is the name of this node in the cluster, also while the cluster is down.
func (c *Crew) Self() string { return c.cfg.Roster.Self() }

const (
	// pollEvery is the pause between two questions about what is under way.
	pollEvery = 500 * time.Millisecond
	// lookAgain is that between two looks at the view.
	lookAgain = 100 * time.Millisecond
	// againAfter is the pause after a failure, before the same is asked for again.
	againAfter = 5 * time.Second
	// reachWithin is how long an agent may take to say what it is at.
	reachWithin = 10 * time.Second
	// presentWithin is how long an agent may take to be there: somewhat longer than to start again. One
	// that hangs takes connections, and does not answer.
	presentWithin = 5 * time.Second
	// DefaultWait is how long a startup or shutdown may take.
	DefaultWait = 5 * time.Minute
)

// memberNames are the members, as a view shows them; those that were last seen, if it shows none.
func (c Config) memberNames(v cluster.Status) []string {
	if isRunning(v) {
		return namesOf(v.Members())
	}
	return c.Roster.Nodes()
}

// targets are the nodes that an action is about. The error is an *lb.NotFoundError,
// *lb.UnavailableError.
func (c *Crew) targets(a cluster.Action) ([]string, error) {
	all := c.cfg.memberNames(c.cfg.View())
	switch {
	case len(all) == 0:
		return nil, &lb.UnavailableError{What: "the nodes of the cluster are not known: the agent has not seen the cluster run since it was installed"}
	case a.Node == "":
		slices.Sort(all)
		return all, nil
	case !slices.Contains(all, a.Node):
		return nil, &lb.NotFoundError{ID: "node/" + a.Node}
	}
	return []string{a.Node}, nil
}

// Foresee is what a startup, a shutdown or a change of the members will do, and which commands do the same on each node.
// It changes nothing. Errors: *lb.NotFoundError, *lb.ConflictError, *lb.UnavailableError.
func (c *Crew) Foresee(ctx context.Context, a cluster.Action) (out cluster.Consequences, commands []string, err error) {
	switch a.Kind {
	case cluster.Leave:
		out, commands, err = c.departure(a).foresee(ctx)
	case cluster.Forget:
		out, commands, err = c.forgetting(a).foresee(ctx)
	default:
		out, commands, err = c.foresee(ctx, a)
	}
	if err == nil {
		err = c.Apart(ctx, a, "")
	}
	if err != nil {
		return cluster.Consequences{}, nil, err
	}
	return out, commands, nil
}

// foresee is Foresee of a startup or shutdown.
func (c *Crew) foresee(ctx context.Context, a cluster.Action) (out cluster.Consequences, commands []string, err error) {
	targets, err := c.targets(a)
	if err != nil {
		return out, nil, err
	}
	for _, node := range targets {
		commands = append(commands, node+": "+Command(a.Kind))
	}
	v := c.cfg.View()
	out.Actions = []cluster.Consequence{}
	switch {
	case a.Kind == cluster.Startup:
		for _, node := range targets {
			if !isRunning(v) || !v.NodeNamed(node).IsOnline() {
				out.Actions = append(out.Actions, cluster.Consequence{Action: "start", Node: node})
			}
		}
	case !isRunning(v) && a.Node != "":
		return out, nil, c.elsewhere(ctx, a.Node)
	case !isRunning(v): // what is left of it is stopped
	case a.Node == "":
		out.Actions = stops(v)
	default:
		if err := keepsQuorum(v, c.cfg.Votes(ctx), a.Node, nil); err != nil {
			return out, nil, err
		}
		if out, err = c.cfg.Predict(ctx, cluster.Action{Kind: cluster.Standby, Node: a.Node}); err != nil {
			return out, nil, err
		}
	}
	if a.Kind == cluster.Shutdown {
		for _, node := range targets {
			out.Actions = append(out.Actions, cluster.Consequence{Action: "shut down", Node: node})
		}
	}
	out.Text = cluster.Summarize(out.Actions)
	return out, commands, nil
}

// elsewhere is why the shutdown of one node is refused where the cluster does not run: whether the
// others keep their quorum, and where resources move, only a node can tell that takes part.
func (c *Crew) elsewhere(ctx context.Context, node string) error {
	limited, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	var mu sync.Mutex
	var up []string
	var all sync.WaitGroup
	for _, name := range c.cfg.Roster.Nodes() {
		if name == c.Self() {
			continue
		}
		all.Go(func() {
			if r, err := c.ask(limited, name, State, Question{}); err == nil && r.isUp() {
				mu.Lock()
				defer mu.Unlock()
				up = append(up, name)
			}
		})
	}
	all.Wait()
	ask := "ask the agent of a node that is online"
	if len(up) > 0 {
		ask += " (" + slices.Min(up) + ")"
	}
	return notSeen(node, ask)
}

// Command does on a node what an action asks its agent for.
func Command(kind string) string {
	if kind == cluster.Startup {
		return "systemctl start corosync pacemaker"
	}
	return "systemctl stop pacemaker corosync"
}

// stops are all instances that run.
func stops(v cluster.Status) []cluster.Consequence {
	out := []cluster.Consequence{}
	for _, r := range v.Resources {
		for _, node := range r.Nodes() {
			out = append(out, cluster.Consequence{Action: "stop", Resource: r.ID, Node: node, Reason: "the cluster is shut down"})
		}
	}
	return out
}

// Check refuses an action unless the agent of each of its nodes answers. Nothing has changed
// then.
func (c *Crew) Check(ctx context.Context, a cluster.Action) error {
	switch a.Kind {
	case cluster.Leave:
		return c.departure(a).check(ctx)
	case cluster.Forget:
		return c.forgetting(a).check(ctx)
	}
	if _, err := c.cfg.Local.Key(ctx); err != nil {
		return &lb.UnavailableError{What: "this node cannot start or stop services: " + err.Error()}
	}
	targets, err := c.targets(a)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, presentWithin)
	defer cancel()
	now := c.cfg.Now()
	left := c.until(limited, targets, State, Question{Begun: now.UnixMilli(), Until: a.Until(now).UnixMilli()}, func(string, Report) bool { return true })
	if err := superseded(targets, left); err != nil {
		return err
	}
	v := c.cfg.View()
	var missing []string
	for _, node := range targets {
		if left[node] == nil || isAsWanted(v, a, node) {
			continue
		}
		missing = append(missing, fmt.Sprintf("%s: %v", node, left[node]))
	}
	if len(missing) == 0 {
		return ctx.Err()
	}
	return &lb.ConflictError{ID: "cluster", Reason: fmt.Sprintf("the agents of some nodes do not answer, and nothing was changed (%s); on such a node type %q, or name another node to %s it alone",
		strings.Join(missing, "; "), Command(a.Kind), verbOf(a.Kind))}
}

// verbOf is what people call it.
func verbOf(kind string) string {
	if kind == cluster.Startup {
		return "start"
	}
	return "shut down"
}

// isAsWanted reports whether the cluster shows that a node is as an action wants it.
func isAsWanted(v cluster.Status, a cluster.Action, node string) bool {
	if !isRunning(v) {
		return false
	}
	n := v.NodeNamed(node)
	if a.Kind == cluster.Startup {
		return n.IsOnline()
	}
	return n.State == "offline"
}

// Carry carries out a startup, a shutdown or a change of the members, and returns when each of its nodes
// is as asked. It may be called again for the same action, also by another node. After a startup, or where the
// cluster still runs, the status is that of the cluster. The error is a *cluster.Error of kind
// KindTimedOut that names the nodes that are not as asked, or an *lb.ConflictError if a node has
// heard of a later job; then no node is asked for anything any more.
func (c *Crew) Carry(ctx context.Context, a cluster.Action, j cluster.Job) (cluster.Status, error) {
	q := Question{By: a.Author, Job: j.ID, Begun: j.Begun.UnixMilli(), Until: a.Until(j.Begun).UnixMilli()}
	switch a.Kind {
	case cluster.Leave:
		return c.departure(a).carry(ctx, q)
	case cluster.Forget:
		return c.forgetting(a).carry(ctx, q)
	}
	targets, err := c.targets(a)
	if err != nil {
		return cluster.Status{}, err
	}
	targets = c.present(ctx, a, targets)
	if a.Kind == cluster.Startup {
		return c.startUp(ctx, a, targets, q)
	}
	return c.shutDown(ctx, a, targets, q)
}

// present are the targets without those that need not be asked, and cannot: as the cluster sees
// them, they are as asked already.
func (c *Crew) present(ctx context.Context, a cluster.Action, targets []string) []string {
	v := c.cfg.View()
	return slices.DeleteFunc(slices.Clone(targets), func(node string) bool {
		return node != c.Self() && isAsWanted(v, a, node) && !c.Answers(ctx, node)
	})
}

func (c *Crew) startUp(ctx context.Context, a cluster.Action, targets []string, q Question) (cluster.Status, error) {
	// Corosync first, everywhere: a Pacemaker that starts where others are not there yet fences them.
	left := c.until(ctx, targets, Start, q.of(services.Corosync), func(_ string, r Report) bool { return r.Services[services.Corosync].Running })
	if len(left) == 0 {
		left = c.until(ctx, targets, Start, q.of(services.Pacemaker), func(_ string, r Report) bool { return r.isUp() })
	}
	if err := c.late(ctx, a, targets, left); err != nil {
		return cluster.Status{}, err
	}
	for {
		v := c.cfg.View()
		if !isRunning(v) && !slices.Contains(targets, c.Self()) {
			return cluster.Status{}, nil // what the nodes say decides: the cluster is not seen from here
		}
		missing := slices.DeleteFunc(slices.Clone(targets), func(node string) bool { return isAsWanted(v, a, node) })
		if len(missing) == 0 {
			break
		}
		if wake.Pause(ctx, pollEvery) != nil {
			if context.Cause(ctx) != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return cluster.Status{}, context.Cause(ctx)
			}
			return cluster.Status{}, &cluster.Error{Tool: "the cluster", Kind: cluster.KindTimedOut, Nodes: missing, Said: "the services run, but the cluster does not show these nodes online: " + strings.Join(missing, ", ")}
		}
	}
	return c.cfg.settle(ctx)
}

func (c *Crew) shutDown(ctx context.Context, a cluster.Action, targets []string, q Question) (cluster.Status, error) {
	service := services.Pacemaker
	if a.Node != "" {
		service = "" // the others go on, and need not wait for anything
	}
	// All at the same moment: else resources would move to nodes that stop next.
	left := c.until(ctx, targets, Stop, q.of(service), func(_ string, r Report) bool { return r.isDown(service) })
	if len(left) == 0 && a.Node == "" {
		left = c.until(ctx, targets, Stop, q.of(services.Corosync), func(_ string, r Report) bool { return r.isDown("") })
	}
	if err := c.late(ctx, a, targets, left); err != nil {
		return cluster.Status{}, err
	}
	if a.Node == "" || a.Node == c.Self() {
		c.awaitOffline(ctx)
		return cluster.Status{}, nil
	}
	if !isRunning(c.cfg.View()) {
		return cluster.Status{}, nil
	}
	return c.cfg.settle(ctx)
}

// settle waits until the cluster has nothing left to do, as long as ctx allows.
func (c Config) settle(ctx context.Context) (cluster.Status, error) {
	within := DefaultWait
	if at, ok := ctx.Deadline(); ok {
		within = time.Until(at)
	}
	return c.Settled(ctx, max(within, time.Second))
}

// awaitOffline waits until the view shows that Pacemaker has ended here.
func (c *Crew) awaitOffline(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	for isRunning(c.cfg.View()) && wake.Pause(limited, lookAgain) == nil {
	}
}

// Look returns nil if the services of each node are as an action asks, and changes nothing. The
// error is as that of Carry.
func (c *Crew) Look(ctx context.Context, a cluster.Action) error {
	switch a.Kind {
	case cluster.Leave:
		return c.departure(a).look()
	case cluster.Forget:
		return c.forgetting(a).look()
	}
	targets, err := c.targets(a)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	left := c.until(limited, targets, State, Question{}, func(_ string, r Report) bool {
		return a.Kind == cluster.Startup && r.isUp() || a.Kind == cluster.Shutdown && r.isDown("")
	})
	if err := c.late(limited, a, targets, left); err != nil {
		return err
	}
	return ctx.Err()
}

// late is the error about the nodes that are not as asked when the time is over.
func (c *Crew) late(ctx context.Context, a cluster.Action, targets []string, left map[string]error) error {
	if err := superseded(targets, left); err != nil {
		return err
	}
	v := c.cfg.View()
	var missing, names []string
	for _, node := range targets {
		if err := left[node]; err != nil && !isAsWanted(v, a, node) {
			missing, names = append(missing, fmt.Sprintf("%s: %v", node, err)), append(names, node)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return &cluster.Error{
		Tool: "the nodes", Kind: cluster.KindTimedOut, Nodes: names,
		Said: fmt.Sprintf("not as asked: %s; on such a node type %q", strings.Join(missing, "; "), Command(a.Kind)),
	}
}

// Names are all nodes, also while the cluster is down.
func (c *Crew) Names() []string { return c.cfg.Roster.Nodes() }

// Answers reports whether the agent of a node answers.
func (c *Crew) Answers(ctx context.Context, node string) bool {
	_, err := c.ask(ctx, node, Ping, Question{})
	unreachable := (*UnreachableError)(nil)
	return !errors.As(err, &unreachable)
}
