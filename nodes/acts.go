package nodes

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/membership"
)

// Root changes the membership of this node, as *membership.Root does.
type Root interface {
	Do(ctx context.Context, q membership.Question, tell func(membership.Event)) error
}

// A Membership is what a node does about its membership.
type Membership struct {
	// Doing is the verb of membership that is under way for an agent; not check.
	Doing string `json:"doing,omitempty"`
	// Job is that of the last leave. Left: the node is in no cluster any more. Failed is why it has
	// not left.
	Job    string `json:"job,omitempty"`
	Left   bool   `json:"left,omitempty"`
	Failed string `json:"failed,omitempty"`
	// Problem is why root cannot be asked; empty: it can. Busy: root is at work, for whomever.
	Problem string `json:"problem,omitempty"`
	Busy    bool   `json:"busy,omitempty"`
	// Jobs are those that this node knows to start, stop or take out nodes now, in answers to look.
	Jobs []Going `json:"jobs,omitempty"`
}

// acts are what root does on this node for agents of other nodes, one at a time. Methods may be
// called concurrently.
type acts struct {
	root    Root
	log     *slog.Logger
	running sync.WaitGroup

	hasLeft func() // called some minutes after this node has left

	mu   sync.Mutex
	base context.Context //nolint:containedctx // of Local.Run, for what is under way
	now  Membership
}

// askedWithin is how long a node that has left answers those of its former cluster.
const askedWithin = 5 * time.Minute

// begin sets the context whose end ends a sync.
func (a *acts) begin(base context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.base = base
}

// report is how it is now.
func (a *acts) report() Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.shown()
}

// shown is report. The caller holds the mutex.
func (a *acts) shown() Report {
	now := a.now
	return Report{Membership: &now}
}

// look is how it is now, and whether root can be asked.
func (a *acts) look(ctx context.Context) Report {
	r := a.report()
	if r.Membership.Doing == "" {
		if err := a.root.Do(ctx, membership.Question{Verb: membership.VerbCheck}, func(membership.Event) {}); err != nil {
			r.Membership.Problem, r.Membership.Busy = err.Error(), isBusy(err)
		}
	}
	return r
}

// sync begins to get new corosync.confs, unless something is under way.
func (a *acts) sync(ctx context.Context, by string) Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now.Doing == "" && a.base != nil && a.base.Err() == nil {
		a.log.InfoContext(ctx, "membership of the cluster", "doing", membership.VerbSync, "by", by)
		a.run(membership.Question{Verb: membership.VerbSync}, func(err error) {
			if err != nil && a.base.Err() == nil { // the node that invites asks again
				a.log.InfoContext(a.base, "no new corosync.conf", "error", err)
			}
		})
	}
	return a.shown()
}

// leave begins to leave for a job, unless that job has had an answer. A sync ends by itself when the
// node that has asked for it is done.
func (a *acts) leave(ctx context.Context, by, job string) Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now.Doing == "" && a.now.Job != job && a.base != nil && a.base.Err() == nil {
		a.log.InfoContext(ctx, "membership of the cluster", "doing", membership.VerbLeave, "by", by, "job", job)
		a.now = Membership{Job: job}
		a.run(membership.Question{Verb: membership.VerbLeave}, func(err error) {
			switch {
			case err == nil:
				a.now.Left = true
				a.log.InfoContext(a.base, "membership of the cluster", "done", membership.VerbLeave)
			case a.base.Err() != nil: // root goes on, and the next agent asks it again
			case errors.Is(err, membership.ErrBroken) || isBusy(err): // the next question goes on with it
				a.now.Job = ""
			default:
				a.now.Failed = err.Error()
				a.log.ErrorContext(a.base, "membership of the cluster", "done", membership.VerbLeave, "error", err)
			}
		})
	}
	return a.shown()
}

// note notes what root is asked for by this agent itself, unless something else is under way. The
// function notes what it has become; empty: its end.
func (a *acts) note(verb string) (become func(verb string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now.Doing != "" {
		return func(string) {}
	}
	a.now.Doing = verb
	return func(verb string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.now.Doing = verb
	}
}

// movesServices refuses while this node joins or leaves a cluster, which starts and stops its services.
// The error is an *lb.ConflictError.
func (a *acts) movesServices() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now.Doing != membership.VerbJoin && a.now.Doing != membership.VerbLeave {
		return nil
	}
	return &lb.ConflictError{ID: "cluster", Reason: "nothing is started or stopped here: " + Membership{Doing: a.now.Doing}.work()}
}

// isBusy reports whether another command of root is at work on this node.
func isBusy(err error) bool {
	_, is := errors.AsType[*membership.BusyError](err)
	return is
}

// run asks root, and notes the end. The caller holds the mutex.
func (a *acts) run(q membership.Question, end func(error)) {
	a.now.Doing = q.Verb
	a.running.Go(func() {
		err := a.root.Do(a.base, q, func(membership.Event) {})
		a.mu.Lock()
		a.now.Doing = ""
		end(err)
		isOut := q.Verb == membership.VerbLeave && err == nil
		a.mu.Unlock()
		if isOut && wake.Pause(a.base, askedWithin) == nil { // by the node that has it leave
			a.hasLeft()
		}
	})
}

// leave has this node leave for a job, as far as no later one has come.
func (l *Local) leave(ctx context.Context, by string, q Question) (Report, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.refuse(q)
	if err == nil {
		err = l.idle() // what starts or stops services has begun before
	}
	if err == nil {
		l.accept(q)
	}
	if later, isLater := errors.AsType[*laterError](err); isLater {
		r := l.acts.report()
		r.Later = later.job
		return r, nil
	}
	if err != nil {
		return Report{}, err
	}
	return l.acts.leave(ctx, by, q.Job), nil
}

// forgetKey forgets the key of a cluster that this node has left for another one. The next question
// reads it at once.
func (l *Local) forgetKey() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.key, l.keyAt = nil, time.Time{}
}
