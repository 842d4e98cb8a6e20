package pacemaker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/corosync"
	"thalassa/lb"
)

const (
	// pairsUpTo is up to how many nodes each pair is computed without being asked for.
	pairsUpTo = 6
	// maxLosses bounds how many answers are kept.
	maxLosses = 500
	// turnWithin is how long a simulation waits for another one.
	turnWithin = time.Minute
	// settleBefore is how long a changing cluster may go on before the failure of its nodes is
	// computed nevertheless.
	settleBefore = 15 * time.Second
	// quietBefore is how long nothing of it must have changed before that, or twice as long as
	// the last results took, up to settleBefore. Many changes come one after the other, and
	// each agent runs the scheduler a dozen times for each.
	quietBefore = 2 * time.Second
)

// A Foresight tells what the cluster would do: after a change, and if nodes fail. Its methods
// are safe for concurrent use. Run is called once.
type Foresight struct {
	cluster *Cluster
	watcher *Watcher
	now     func() time.Time
	turn    chan struct{} // held by who simulates the failure of nodes

	mu   sync.Mutex
	kept losses
}

// losses are what is known about one state of the cluster.
type losses struct {
	key      string
	epoch    cluster.Epoch
	members  []string // those that may fail
	all      []string // those that have votes
	list     []cluster.Loss
	at       time.Time
	baseline *cluster.Status // what runs if nothing fails
	votes    corosync.Votes
	counted  bool // corosync has said so
}

// NewForesight returns one for the cluster of a watcher. It starts nothing.
func NewForesight(c *Cluster, w *Watcher, now func() time.Time) *Foresight {
	return &Foresight{cluster: c, watcher: w, now: now, turn: make(chan struct{}, 1)}
}

// Foresee answers a question. It changes nothing. Errors: those of config.Apply,
// *lb.InvalidError about cib and inject, *lb.NotFoundError, *cluster.Error.
func (f *Foresight) Foresee(ctx context.Context, q config.Question) (config.Foreseen, error) {
	out := config.Foreseen{Changes: []string{}, Warnings: []string{}, Objects: []config.Difference{}}
	from, err := f.asked(ctx, q)
	if err != nil {
		return out, err
	}
	after := from
	if len(q.Edits) > 0 {
		to, err := from.next(func(configuration *cibxml.Element) error {
			return config.Apply(configuration, from.Epoch.Configuration(), q.Edits)
		})
		if err != nil {
			return out, err
		}
		if to != nil {
			warnings, err := f.cluster.verify(ctx, from, to)
			if err != nil {
				return out, err
			}
			out.Warnings = append(out.Warnings, warnings...)
			out.Changes = changedObjects(from.Configuration(), to.Configuration())
			out.Objects = config.Differences(from.Configuration(), to.Configuration())
			after = to
		}
	}
	out.Predicted, err = Foresee(ctx, f.cluster, after, q.Scenario)
	return out, err
}

// asked is the CIB of a question.
func (f *Foresight) asked(ctx context.Context, q config.Question) (*CIB, error) {
	if len(q.CIB) == 0 {
		return f.cluster.Query(ctx)
	}
	// Made from what was understood of it: no document type, no entities.
	cib, err := ParseCIB(q.CIB)
	if err == nil {
		cib, err = ParseCIB(cib.root.Bytes())
	}
	if err != nil {
		var fe lb.FieldErrors
		fe.Add("cib", "is not a CIB: "+err.Error(), "a CIB as XML, as cibadmin -Q writes it")
		return nil, fe.Err()
	}
	return cib, nil
}

// Losses are what is known about the failure of nodes.
func (f *Foresight) Losses() cluster.Losses {
	key := keyOf(f.watcher.View())
	f.mu.Lock()
	defer f.mu.Unlock()
	out := cluster.Losses{Epoch: f.kept.epoch, Time: f.kept.at, List: slices.Clone(f.kept.list)}
	out.Computing = f.kept.next() >= 0 || f.kept.key == "" || key != "" && key != f.kept.key // it is about to begin
	if out.List == nil {
		out.List = []cluster.Loss{}
	}
	out.Summarize()
	return out
}

// Run computes what the failure of each node would do, and of each two up to six nodes, one
// after the other, after each change of the configuration or of the nodes. It ends with ctx,
// which is not an error.
func (f *Foresight) Run(ctx context.Context) error {
	ctx = InBackground(ctx)
	var seen string
	var quiet, patience <-chan time.Time
	var spent, cost time.Duration // on the results of this state, and on those of the last ones
	for ctx.Err() == nil {
		changed := f.watcher.Changed()
		v := f.watcher.View()
		key := keyOf(v)
		if key != seen {
			spent, cost = 0, max(spent, cost/2)
			quiet, patience = time.After(max(quietBefore, 2*cost)), time.After(settleBefore)
			if seen == "" {
				quiet = nil
			}
			seen = key
		}
		if key != "" && (v.Settled && v.State != cluster.StateChanging && quiet == nil || f.isBegun(key)) {
			f.begin(v, key)
			begun := f.now()
			more := f.step(ctx)
			spent += f.now().Sub(begun)
			if more {
				continue
			}
			patience = nil
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-quiet:
			quiet = nil
		case <-patience:
			patience = nil
			if key != "" {
				f.begin(v, key)
			}
		}
	}
	return nil
}

func (f *Foresight) isBegun(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept.key == key
}

// keyOf is what a result depends on: the configuration, and the states of the nodes. Empty:
// the cluster is not known.
func keyOf(v cluster.Status) string {
	if len(v.Nodes) == 0 || v.State == "" || v.State == cluster.StateOffline || v.State == cluster.StateNone {
		return ""
	}
	parts := []string{v.Epoch.Configuration(), strconv.FormatBool(v.Quorum)}
	for _, n := range v.Nodes {
		parts = append(parts, n.Name+"="+n.State)
	}
	for _, t := range v.Tickets {
		parts = append(parts, fmt.Sprint(t.ID, t.Granted, t.Standby))
	}
	return strings.Join(parts, " ")
}

// step computes one loss that is not known yet; false: all are.
func (f *Foresight) step(ctx context.Context) (more bool) {
	f.mu.Lock()
	i := f.kept.next()
	var nodes []string
	if i >= 0 {
		nodes = f.kept.list[i].Nodes
	}
	f.mu.Unlock()
	if i < 0 {
		return false
	}
	_, _ = f.lose(ctx, nodes) // what went wrong is in the list
	return true
}

// begin forgets what is about another state of the cluster.
func (f *Foresight) begin(v cluster.Status, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept.key == key {
		return
	}
	f.kept = losses{key: key, epoch: v.Epoch, list: []cluster.Loss{}}
	for _, n := range v.Nodes {
		if n.Type != "member" && n.Type != "" {
			continue
		}
		f.kept.all = append(f.kept.all, n.Name)
		if slices.Contains([]string{"online", "standby", "maintenance", "pending"}, n.State) {
			f.kept.members = append(f.kept.members, n.Name)
		}
	}
	slices.Sort(f.kept.members)
	for _, n := range f.kept.members {
		f.kept.list = append(f.kept.list, unknownLoss(n))
	}
	for i, a := range f.kept.members {
		for _, b := range f.kept.members[i+1:] {
			if len(f.kept.members) <= pairsUpTo && len(f.kept.members) > 2 {
				f.kept.list = append(f.kept.list, unknownLoss(a, b))
			}
		}
	}
}

func unknownLoss(nodes ...string) cluster.Loss { return cluster.Loss{Nodes: nodes, Lost: []string{}} }

// next is the index of the first that is not computed; -1: there is none.
func (l losses) next() int {
	return slices.IndexFunc(l.list, func(x cluster.Loss) bool { return !x.Known && x.Problem == "" })
}

// Lose tells what the failure of nodes at the same time would do. Errors: *lb.InvalidError,
// *lb.NotFoundError for a node that is not a member of the cluster, *lb.UnavailableError while
// the cluster is not known, *cluster.Error.
func (f *Foresight) Lose(ctx context.Context, nodes []string) (cluster.Loss, error) {
	v := f.watcher.View()
	key := keyOf(v)
	if key == "" {
		return cluster.Loss{}, &lb.UnavailableError{What: "the state of the cluster is not known yet"}
	}
	nodes = slices.Clone(nodes)
	slices.Sort(nodes)
	nodes = slices.Compact(nodes)
	f.begin(v, key)
	f.mu.Lock()
	members, known := f.kept.members, f.kept.find(nodes)
	f.mu.Unlock()
	for _, n := range nodes {
		if !slices.Contains(members, n) {
			return cluster.Loss{}, &lb.NotFoundError{ID: "node/" + n}
		}
	}
	if len(nodes) == 0 || len(nodes) >= len(members) && len(members) > 1 {
		var fe lb.FieldErrors
		fe.Add("nodes", fmt.Sprintf("has %d of %d nodes", len(nodes), len(members)), "one node or more, but not all")
		return cluster.Loss{}, fe.Err()
	}
	if known.Known {
		return known, nil
	}
	return f.lose(ctx, nodes)
}

func (l losses) find(nodes []string) cluster.Loss {
	for _, x := range l.list {
		if slices.Equal(x.Nodes, nodes) {
			return x
		}
	}
	return cluster.Loss{}
}

// lose simulates the failure of nodes, and keeps the result. One is simulated at a time.
func (f *Foresight) lose(ctx context.Context, nodes []string) (cluster.Loss, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-time.After(turnWithin):
		return cluster.Loss{}, &lb.UnavailableError{What: "another simulation of the failure of nodes takes longer than " + turnWithin.String()}
	case <-ctx.Done():
		return cluster.Loss{}, ctx.Err()
	}
	f.mu.Lock()
	state := f.kept
	f.mu.Unlock()
	loss, state, err := f.simulate(ctx, state, nodes)
	if ctx.Err() != nil {
		return loss, ctx.Err()
	}
	if err != nil {
		loss.Problem = err.Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept.key != state.key { // it is about a former state
		return loss, err
	}
	f.kept.baseline, f.kept.votes, f.kept.counted, f.kept.at = state.baseline, state.votes, state.counted, f.now()
	if i := slices.IndexFunc(f.kept.list, func(x cluster.Loss) bool { return slices.Equal(x.Nodes, nodes) }); i >= 0 {
		f.kept.list = slices.Clone(f.kept.list)
		f.kept.list[i] = loss
	} else if len(f.kept.list) < maxLosses && err == nil {
		f.kept.list = append(slices.Clone(f.kept.list), loss)
	}
	if cluster.IsKind(err, cluster.KindTimedOut) { // the others would take as long
		f.kept.giveUp(loss.Problem)
	}
	return loss, err
}

// giveUp notes why what is not computed yet will not be.
func (l *losses) giveUp(why string) {
	l.list = slices.Clone(l.list)
	for i, loss := range l.list {
		if !loss.Known && loss.Problem == "" {
			l.list[i].Problem = why
		}
	}
}

// simulate simulates the failure of nodes in a state.
func (f *Foresight) simulate(ctx context.Context, state losses, nodes []string) (cluster.Loss, losses, error) {
	loss := unknownLoss(nodes...)
	cib, err := f.watcher.CIB()
	if err != nil {
		return loss, state, err
	}
	if state.baseline == nil {
		seen, err := f.cluster.predict(ctx, cib)
		if err != nil {
			return loss, state, err
		}
		state.baseline = &seen.After
		state.votes, state.counted = VotesIn(ctx, f.cluster)
	}
	left := except(state.members, nodes)
	loss.Quorum = state.votes.Quorate(left, state.members, state.all)
	args := []string{}
	for _, n := range nodes {
		args = append(args, "-f", n)
	}
	if !loss.Quorum {
		cib = cib.withQuorum(false)
	}
	seen, err := f.cluster.predict(ctx, cib, args...)
	if err != nil {
		return loss, state, err
	}
	judge(&loss, *state.baseline, seen.After)
	if !state.counted {
		loss.Reasons = append(loss.Reasons, "corosync has not answered, and its file is not readable: one vote for each node is assumed")
	}
	return loss, state, nil
}

// judge compares what runs without a loss and after it.
func judge(loss *cluster.Loss, before, after cluster.Status) {
	loss.Known = true
	for _, r := range before.Resources {
		was, promoted := running(r, nil)
		if was == 0 {
			continue
		}
		i := slices.IndexFunc(after.Resources, func(o cluster.Resource) bool { return o.ID == r.ID })
		left, stillPromoted := 0, 0
		if i >= 0 {
			left, stillPromoted = running(after.Resources[i], loss.Nodes)
		}
		switch {
		case left == 0 && strings.HasPrefix(r.Agent, "stonith:"):
			loss.Reasons = append(loss.Reasons, "the fence device "+r.ID+" runs nowhere")
		case left == 0:
			loss.Lost = append(loss.Lost, r.ID)
		case promoted > 0 && stillPromoted == 0:
			loss.Demoted = append(loss.Demoted, r.ID)
		}
	}
	for _, ip := range before.FloatingIPs {
		if slices.Contains(loss.Lost, ip.Resource) {
			loss.Addresses = append(loss.Addresses, addressOf(ip))
		}
	}
	loss.Survives = len(loss.Lost)+len(loss.Demoted) == 0
}

// running counts the instances of a resource that run, and those that are promoted, but not
// on some nodes.
func running(r cluster.Resource, but []string) (all, promoted int) {
	for _, p := range r.Places {
		if slices.Contains(but, p.Node) {
			continue
		}
		all++
		if p.Role == "promoted" {
			promoted++
		}
	}
	return all, promoted
}
