package jobs

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync"

	"thalassa/cluster"
	"thalassa/lb"
)

// maxRunning is how many jobs a node carries out at the same time.
const maxRunning = 16

var (
	errStopping = errors.New("the agent stops")
	errCanceled = errors.New("the job was canceled")
)

// tasks are the jobs that run on this node. Methods may be called concurrently, after begin.
type tasks struct {
	ledger  *ledger
	carry   carrier
	running sync.WaitGroup

	// mu is locked before the mutex of the ledger.
	mu   sync.Mutex
	base context.Context //nolint:containedctx // of Run, for the jobs
	byID map[string]*task
}

func newTasks(l *ledger, c carrier) *tasks {
	return &tasks{ledger: l, carry: c, byID: map[string]*task{}}
}

// begin sets the context whose end stops all tasks.
func (k *tasks) begin(base context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.base = base
}

// enter makes the task one that runs here, unless its job is known.
func (k *tasks) enter(t *task) (running *task, former record, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	rec, known := k.ledger.get(t.rec.ID)
	same := k.byID[t.rec.ID]
	if same != nil {
		rec, known = record{Request: same.rec.Request}, true
	}
	switch {
	case known && rec.Request != t.rec.Request:
		return nil, rec, &lb.ConflictError{ID: "Idempotency-Key", Reason: "job " + t.rec.ID + " has had this key with another request"}
	case same != nil:
		return same, rec, nil
	case known && !rec.isInterrupted():
		return nil, rec, nil
	case len(k.byID) >= maxRunning:
		return nil, rec, &lb.UnavailableError{What: strconv.Itoa(maxRunning) + " jobs of the cluster are running on this node, which is the most"}
	}
	t.rec.Attempts = rec.Attempts + 1
	k.launch(t)
	return t, rec, nil
}

// takeOver finishes a job of another node, or of a former start of this one, here. It reports
// whether it has begun.
func (k *tasks) takeOver(rec record, self string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, _ := k.ledger.get(rec.ID)
	if k.base.Err() != nil || k.byID[rec.ID] != nil || now.Over() {
		return false
	}
	t := newTask(k.base, cluster.Order{Author: rec.Author})
	t.rec, t.resumed = rec, true
	t.rec.Taken = rec.Taken || rec.isOfNodes() && rec.Node != self
	t.rec.Node, t.rec.CanceledBy = self, now.CanceledBy
	t.rec.Version++
	t.rec.Foretold = maps.Clone(rec.Foretold)
	k.launch(t)
	return true
}

// launch runs a task. The caller holds the mutex.
func (k *tasks) launch(t *task) {
	k.byID[t.rec.ID] = t
	t.base = k.base
	k.running.Go(func() {
		ctx, cancel := context.WithCancelCause(t.ctx)
		defer cancel(nil)
		defer context.AfterFunc(t.base, func() { cancel(errStopping) })()
		t.cancel = cancel
		if t.resumed && t.rec.CanceledBy != "" { // what is half done is taken back, and nothing else
			cancel(errCanceled)
		}
		close(t.cancelable)
		k.carry.carryOut(ctx, t)
		k.mu.Lock()
		delete(k.byID, t.rec.ID)
		k.mu.Unlock()
		close(t.done)
		k.ledger.changed.Broadcast()
	})
}

// elsewhere are the jobs that are not over, and do not run here.
func (k *tasks) elsewhere() []record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ledger.filter(func(rec record) bool { return !rec.Over() && k.byID[rec.ID] == nil })
}

// heed stops the tasks of jobs that somebody has canceled.
func (k *tasks) heed(list []record) {
	for _, rec := range list {
		k.mu.Lock()
		t := k.byID[rec.ID]
		canceled := k.ledger.job(rec.ID).CanceledBy != ""
		k.mu.Unlock()
		if t != nil && canceled {
			t.stop()
		}
	}
}

// get returns the task of a job; nil: it does not run here.
func (k *tasks) get(id string) *task {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byID[id]
}
