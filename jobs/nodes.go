package jobs

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"thalassa/cluster"
	"thalassa/internal/permit"
	"thalassa/lb"
	"thalassa/pacemaker"
)

const (
	// carrierSilence is how long the agent of a startup or shutdown may be silent before another one
	// goes on.
	carrierSilence = 30 * time.Second
	// carrierAnswers is how long an agent has to answer whether it is there. A machine without power
	// and an agent that hangs answer nothing.
	carrierAnswers = 3 * time.Second
)

func (t *task) isOfNodes() bool { return t.rec.isOfNodes() }

func (r record) isOfNodes() bool { return r.Action != nil && r.action().IsOfNodes() }

// isService reports whether the job is a startup or shutdown.
func (r record) isService() bool { return r.isOfNodes() && !cluster.IsOfMembers(r.Kind) }

// until is when the time of a startup or shutdown is over. Nothing is started or stopped after
// it, whoever goes on with the job: a cluster that was down for a day is not shut down again for
// a job that somebody has left.
func (r record) until() time.Time { return r.action().Until(r.Begun) }

// carryNodes carries out a startup or shutdown.
func (c carrier) carryNodes(ctx context.Context, t *task) {
	err := c.beginNodes(ctx, t)
	if err == nil && t.resumed {
		err = context.Cause(ctx) // it was canceled before it came here
	}
	if err == nil {
		err = c.askNodes(ctx, t)
	}
	if t.status.State != "" {
		c.cfg.Fresh(context.WithoutCancel(ctx), t.status.Epoch)
	}
	if err == nil {
		t.rec.Actual = slices.DeleteFunc(slices.Clone(t.rec.Predicted), func(c cluster.Consequence) bool {
			return c.Resource != "" // each node was seen as asked, and nothing else
		})
	}
	c.finish(context.WithoutCancel(ctx), t, err)
}

// beginNodes has the job kept by the other nodes. Until then nothing has changed.
func (c carrier) beginNodes(ctx context.Context, t *task) error {
	if c.cfg.Nodes == nil {
		return &lb.UnavailableError{What: "this agent cannot start or stop the services of the cluster"}
	}
	if t.resumed {
		return c.pass(ctx, t)
	}
	a := t.rec.action()
	checking, stop := context.WithCancel(ctx)
	defer stop()
	checked := make(chan error, 1)
	go func() { checked <- c.cfg.Nodes.Check(checking, a) }()
	foreseen, commands, err := c.foresee(ctx, a, checked)
	if err == nil {
		err = c.spares(ctx, t.rec, c.ledger.going(t.rec, c.cfg.Now()))
	}
	if err == nil {
		err = <-checked
	}
	if err == nil {
		err = cmp.Or(permit.Check(ctx), context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	v := c.cfg.View()
	t.rec.Written, t.rec.Looks = 1, true // whoever knows the job goes on with it
	if err := c.announce(ctx, t, pacemaker.Step{Epoch: v.Epoch, Commands: commands, Before: v, Predicted: foreseen}); err != nil {
		return err
	}
	return c.pass(ctx, t)
}

// foreseeLonger is how much longer than the check of the agents a look ahead may take that is to say
// more than the check does: an agent that hangs makes both late.
const foreseeLonger = 2 * time.Second

// foresee looks ahead, and gives up a while after the check of the agents has refused the action. What
// the check says stays in the channel otherwise.
func (c carrier) foresee(ctx context.Context, a cluster.Action, checked chan error) (out cluster.Consequences, commands []string, err error) {
	limited, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out, commands, err = c.cfg.Nodes.Foresee(limited, a)
	}()
	select {
	case <-ended:
		return out, commands, err
	case refused := <-checked:
		checked <- refused
		if refused == nil {
			break
		}
		select {
		case <-ended:
		case <-time.After(foreseeLonger):
			stop(refused)
		}
	}
	<-ended
	if err == nil || limited.Err() == nil {
		return out, commands, err
	}
	return out, commands, context.Cause(limited)
}

// askNodes asks the agents of all nodes of the job until its time is over.
func (c carrier) askNodes(ctx context.Context, t *task) error {
	if err := c.ledger.superseded(t.rec); err != nil {
		return err
	}
	left := t.rec.until().Sub(c.cfg.Now())
	if left <= 0 {
		return c.cfg.Nodes.Look(ctx, t.rec.action())
	}
	left = min(left, t.rec.until().Sub(t.rec.Begun)) // the clock of another node may be ahead
	limited, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	during, stop := context.WithCancelCause(limited)
	defer stop(nil)
	go c.ledger.awaitLater(during, t.rec, stop)
	var err error
	t.status, err = c.cfg.Nodes.Carry(during, t.rec.action(), t.rec.Job)
	return err
}

// awaitLater stops a job once there is a later startup or shutdown, until ctx ends.
func (l *ledger) awaitLater(ctx context.Context, rec record, stop context.CancelCauseFunc) {
	for ctx.Err() == nil {
		next := l.changed.Next()
		if err := l.superseded(rec); err != nil {
			stop(err)
			return
		}
		select {
		case <-next:
		case <-ctx.Done():
		}
	}
}

// superseded is the error of a job that a later startup or shutdown has followed; nil: none has.
func (l *ledger) superseded(rec record) error {
	if newer := l.laterOfNodes(rec); newer != "" {
		return &lb.ConflictError{ID: "job/" + rec.ID, Reason: "job " + newer + " was begun after it"}
	}
	return nil
}

// laterOfNodes is a startup or shutdown that was begun after another one, and was not refused; empty:
// there is none. A leaving is not followed by them: they are refused while it goes on.
func (l *ledger) laterOfNodes(than record) string {
	for _, rec := range l.filter(func(rec record) bool {
		return rec.isService() && than.isService() && rec.mayAsk() && rec.ID != than.ID && rec.Begun.After(than.Begun) && (rec.Action.Node == "" || than.Action.Node == "" || rec.Action.Node == than.Action.Node)
	}) {
		return rec.ID
	}
	return ""
}

// watchNodes goes on with startups and shutdowns, also while the cluster is down: with those of
// this node at once, with those of another one when its agent is lost, and this one is to. It does
// not wait for the agents of others.
func (r *Runner) watchNodes(ctx context.Context, open []record, self string) {
	if r.cfg.Nodes == nil {
		return
	}
	var others []record
	for _, rec := range open {
		switch {
		case !rec.isOfNodes():
		case rec.Node == self:
			r.goOn(ctx, rec, self)
		default:
			others = append(others, rec)
		}
	}
	select {
	case r.asking <- struct{}{}:
		r.askers.Go(func() {
			defer func() { <-r.asking }()
			r.inherit(ctx, others, self)
		})
	default: // the last look is under way
	}
}

// goOn goes on with a startup or shutdown, unless somebody else has.
func (r *Runner) goOn(ctx context.Context, rec record, self string) {
	if !isDown(r.cfg.View()) { // somebody may have gone on with it
		_ = r.share.listen(ctx) // it complains
	}
	if now, _ := r.ledger.get(rec.ID); now.sum() != rec.sum() {
		return
	}
	if r.tasks.takeOver(rec, self) { //nolint:contextcheck // it has the one that begin has set
		r.cfg.Logger.InfoContext(ctx, "job taken over", "job", rec.ID, "from", rec.Node)
	}
}

// inherit goes on with the jobs of other nodes whose agents are lost. It runs once at a time.
func (r *Runner) inherit(ctx context.Context, open []record, self string) {
	maps.DeleteFunc(r.silent, func(id string, _ time.Time) bool {
		return !slices.ContainsFunc(open, func(rec record) bool { return rec.ID == id })
	})
	now, known := r.cfg.Now(), map[string]bool{}
	answers := func(node string) bool {
		if _, is := known[node]; !is {
			limited, cancel := context.WithTimeout(ctx, carrierAnswers)
			known[node] = r.cfg.Nodes.Answers(limited, node)
			cancel()
		}
		return known[node] || ctx.Err() != nil // this agent stops, and knows nothing of others
	}
	for _, rec := range open {
		if r.inherits(rec, self, now, answers) {
			delete(r.silent, rec.ID)
			r.goOn(ctx, rec, self)
		}
	}
}

// inherits reports whether this node goes on with a job of another one: its agent has been silent
// for a while before now, and so is that of each node that comes before this one.
func (r *Runner) inherits(rec record, self string, now time.Time, answers func(node string) bool) bool {
	if answers(rec.Node) { // it has the end to tell, whatever the clock here says
		delete(r.silent, rec.ID)
		return false
	}
	since, isSilent := r.silent[rec.ID]
	if !isSilent {
		r.silent[rec.ID] = now
	}
	if !isSilent || now.Sub(since) < carrierSilence {
		return false
	}
	if rec.action().TakesOut(self) { // it is the one that goes
		return false
	}
	return !slices.ContainsFunc(rec.ahead(self, r.cfg.Nodes.Names()), answers)
}

// ahead are the nodes that go on with a job before one of all nodes does: those that are known to
// have it, by their names.
func (r record) ahead(self string, all []string) []string {
	isCarrier := func(node string) bool { return node == r.Node || r.action().TakesOut(node) }
	list := slices.DeleteFunc(slices.Clone(r.Kept), isCarrier)
	if len(list) == 0 {
		list = slices.DeleteFunc(slices.Clone(all), isCarrier)
	}
	slices.Sort(list)
	if i := slices.Index(list, self); i >= 0 {
		return list[:i]
	}
	return list
}

// hasStopped reports whether a node is as a shutdown wants it, or is to be: one that has ended
// otherwise than done may go on running, unless others alone were not as asked when the time was over.
func (r record) hasStopped(node string) bool {
	return !r.Over() || r.State == cluster.JobDone || r.State == cluster.JobTimedOut && len(r.Missing) > 0 && !slices.Contains(r.Missing, node)
}

// ShutDown is the shutdown of a node that no startup has followed; nil: there is none.
func (r *Runner) ShutDown(node string) *cluster.ShutDown {
	var last record
	for _, rec := range r.ledger.filter(func(rec record) bool {
		return rec.isService() && rec.Written > 0 && (rec.Kind == cluster.Startup || rec.hasStopped(node)) && (rec.Action.Node == "" || rec.Action.Node == node)
	}) {
		if rec.Begun.After(last.Begun) {
			last = rec
		}
	}
	if last.Kind != cluster.Shutdown {
		return nil
	}
	return &cluster.ShutDown{By: last.Author, Time: last.Begun, Job: last.ID, Node: last.Action.Node}
}
