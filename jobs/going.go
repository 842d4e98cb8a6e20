package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"thalassa/cluster"
	"thalassa/internal/permit"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// Nodes that go down at the same time may take the quorum together. So a job that takes one node
// down counts the nodes of the others. Each is kept by another node before it counts, so that of
// two that begin at the same moment, at least one hears of the other.

const (
	// stillShown is how long a node may still be shown as online when its shutdown is done.
	stillShown = 30 * time.Second
	// turnWithin is the maximum wait for a decision about jobs that have begun later. Such a job is
	// refused when it hears of the earlier one. One that has not heard of it goes on.
	turnWithin = 10 * time.Second
	// hearAgain is the pause between two looks.
	hearAgain = 200 * time.Millisecond
)

// takesDown reports whether a job takes one node out of the cluster, for a while or for good.
func (r record) takesDown() bool {
	return r.isOfNodes() && r.Kind != cluster.Startup && r.Action.Node != ""
}

// going are the other jobs that take down another node now, or have a moment ago.
func (l *ledger) going(than record, now time.Time) []record {
	if !than.takesDown() {
		return nil
	}
	list := l.filter(func(rec record) bool {
		isNow := !rec.Over() && now.Before(rec.until()) || rec.State == cluster.JobDone && now.Sub(rec.Ended) < stillShown
		return rec.ID != than.ID && rec.takesDown() && rec.Action.Node != than.Action.Node && rec.Written > 0 && isNow
	})
	return slices.DeleteFunc(list, func(rec record) bool { return rec.Over() && l.laterOfNodes(rec) != "" }) // it may be back
}

// isBefore orders jobs that begin at the same moment. Every node comes to the same result.
func (r record) isBefore(o record) bool {
	return cmp.Or(r.Begun.Compare(o.Begun), cmp.Compare(r.ID, o.ID)) < 0
}

// spares refuses a job that takes the quorum together with others.
func (c carrier) spares(ctx context.Context, rec record, others []record) error {
	if !rec.takesDown() {
		return nil
	}
	var going []string
	for _, o := range others {
		going = append(going, o.Action.Node)
	}
	slices.Sort(going)
	return c.cfg.Nodes.Spares(ctx, rec.Action.Node, slices.Compact(going))
}

// mayAsk reports whether a job may ask nodes for something, or has: nobody refuses it any more.
func (r record) mayAsk() bool {
	ofFormer := !r.Looks && r.isService() && !r.takesDown() // it may have asked, and nobody has noted that
	return r.Written > 0 && (r.Passed || ofFormer)
}

// pass lets a job ask the nodes. It looks for what must not come together with it, now that others
// can see it, and one that takes a node down counts the jobs of the others. It notes that it has:
// whoever goes on with a job that has not done so does it then.
func (c carrier) pass(ctx context.Context, t *task) error {
	if t.resumed && t.rec.mayAsk() {
		t.wrote = true
		return nil
	}
	err := context.Cause(ctx)
	if err == nil && t.rec.takesDown() {
		if t.resumed { // it may have been lost before anybody kept it
			t.rec.Kept = append([]string{t.rec.Node}, c.share.tell(ctx, t.rec)...)
		}
		err = c.turn(ctx, t.rec)
	}
	if err == nil {
		err = c.cfg.Nodes.Apart(ctx, t.rec.action(), t.rec.ID)
	}
	if err = cmp.Or(err, permit.Check(ctx), context.Cause(ctx)); err != nil {
		t.rec.Written = 0
		return err
	}
	t.wrote = true
	t.rec.Passed = true
	t.rec.Version++
	if err := c.ledger.save(ctx, []record{t.rec}); err != nil {
		return err
	}
	c.share.tell(ctx, t.rec)
	return nil
}

// turn is spares for a job that other nodes keep. It waits for those that have begun after it, and
// is refused for those before. It is also refused, with an *lb.UnavailableError, if this node
// cannot hear of other jobs, or no other node keeps this one.
func (c carrier) turn(ctx context.Context, rec record) error {
	limited, cancel := context.WithTimeout(ctx, turnWithin)
	defer cancel()
	if err := c.isKnown(limited, rec); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	deaf := error(nil)
	for heard := false; ; {
		if !isDown(c.cfg.View()) {
			if deaf = c.share.listen(limited); deaf == nil {
				heard = true
			}
		}
		all := c.ledger.going(rec, c.cfg.Now())
		err := c.spares(limited, rec, all)
		if err == nil && (heard || isDown(c.cfg.View())) {
			return nil
		}
		ahead := slices.DeleteFunc(slices.Clone(all), func(o record) bool { return !o.Over() && !o.Passed && rec.isBefore(o) })
		if err != nil && (c.spares(limited, rec, ahead) != nil || !errors.As(err, new(*lb.ConflictError))) {
			return err
		}
		if err == nil {
			err = &lb.UnavailableError{What: fmt.Sprintf("this node cannot hear of other shutdowns (%v)", deaf)}
		}
		if wake.Pause(limited, hearAgain) != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
	}
}

// isKnown refuses a job that no other node keeps, though the agent of one answers. Agents that do
// not answer have no jobs.
func (c carrier) isKnown(ctx context.Context, rec record) error {
	if slices.ContainsFunc(rec.Kept, func(node string) bool { return node != rec.Node }) {
		return nil
	}
	for _, node := range c.share.others() {
		if c.cfg.Nodes.Answers(ctx, node) {
			return &lb.UnavailableError{What: "no other node has noted the job, not even " + node + ", whose agent answers"}
		}
	}
	if ctx.Err() != nil {
		return &lb.UnavailableError{What: "no other node has noted the job, and their agents do not answer in time"}
	}
	return nil
}
