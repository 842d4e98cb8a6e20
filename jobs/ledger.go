package jobs

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

// A ledger has the records of the jobs of all nodes. What is in memory is on disk, but for what is
// owed. Methods may be called concurrently.
type ledger struct {
	store   Store
	now     func() time.Time
	changed wake.Signal // a record, or a task has ended
	saving  sync.Mutex  // held while records are being stored, before mu

	mu      sync.Mutex
	records map[string]record
	sizes   map[string]int
	owed    map[string]bool // ends of jobs that the disk lacks
}

func newLedger(store Store, now func() time.Time) *ledger {
	return &ledger{
		store: store, now: now,
		records: map[string]record{}, sizes: map[string]int{}, owed: map[string]bool{},
	}
}

// load reads the stored records.
func (l *ledger) load(ctx context.Context, logger *slog.Logger) error {
	docs, err := l.store.Load(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, doc := range docs {
		if rec, err := readRecord(doc); err == nil && rec.ID == id {
			l.records[id], l.sizes[id] = rec, len(doc)
		} else {
			logger.ErrorContext(ctx, "job not readable", "job", id, "error", err)
		}
	}
	return nil
}

// get returns the record of a job.
func (l *ledger) get(id string) (rec record, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rec, known = l.records[id]
	return rec, known
}

func (l *ledger) job(id string) cluster.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records[id].Job
}

// list are the jobs that a query selects, the newest first.
func (l *ledger) list(q cluster.JobQuery) []cluster.Job {
	l.mu.Lock()
	out := make([]cluster.Job, 0, len(l.records))
	for _, rec := range l.records {
		if (q.State == "" || rec.State == q.State) && (q.Author == "" || rec.Author == q.Author) &&
			(q.Object == "" || rec.IsAbout(q.Object)) && (q.Before.IsZero() || rec.Begun.Before(q.Before)) {
			out = append(out, rec.Job)
		}
	}
	l.mu.Unlock()
	slices.SortFunc(out, func(a, b cluster.Job) int { return cmp.Or(b.Begun.Compare(a.Begun), cmp.Compare(a.ID, b.ID)) })
	return out[:min(len(out), cmp.Or(q.Limit, 100))]
}

// filter returns the records that are chosen, in no order.
func (l *ledger) filter(is func(record) bool) []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []record
	for _, rec := range l.records {
		if is(rec) {
			out = append(out, rec)
		}
	}
	return out
}

// cancel stores who has canceled a job, unless it is over or was canceled before.
func (l *ledger) cancel(ctx context.Context, id, author string) (rec record, known bool, err error) {
	err = l.change(ctx, func() []record {
		rec, known = l.records[id]
		if !known || rec.Over() || rec.CanceledBy != "" {
			return nil
		}
		rec.CanceledBy = cmp.Or(author, "somebody")
		return []record{rec}
	})
	return rec, known, err
}

// own are the sums of this node, see sums.
func (l *ledger) own() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return sums(l.records)
}

// isNews reports whether a record is newer than the known one.
func (l *ledger) isNews(rec record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.records[rec.ID]
	return !ok || newer(rec, known).sum() != known.sum()
}

// save stores records that are newer than the known ones. After an error, nothing is known that was not
// known before: other nodes must not believe that this one keeps it.
func (l *ledger) save(ctx context.Context, list []record) error {
	return l.change(ctx, func() []record { return list })
}

// change stores records, and what is owed, and has them known then. by is called with the mutex held.
func (l *ledger) change(ctx context.Context, by func() []record) error {
	l.saving.Lock() // what is newer in memory is newer on disk
	defer l.saving.Unlock()
	l.mu.Lock()
	list := slices.Clone(by())
	for id := range l.owed {
		list = append(list, l.records[id])
	}
	next, docs := map[string]record{}, map[string][]byte{}
	for _, rec := range list {
		for _, known := range []map[string]record{l.records, next} {
			if former, ok := known[rec.ID]; ok {
				rec = newer(rec, former)
			}
		}
		rec, doc, err := rec.fitted()
		if err != nil {
			l.mu.Unlock()
			return err
		}
		next[rec.ID], docs[rec.ID] = rec, doc
	}
	gone := l.expired(next, docs)
	l.mu.Unlock()
	if len(docs) == 0 {
		return nil
	}
	if err := l.store.Save(context.WithoutCancel(ctx), docs, gone); err != nil {
		return err
	}
	l.keep(next, docs, gone)
	l.changed.Broadcast()
	return nil
}

// keep has in memory what is on disk now.
func (l *ledger) keep(next map[string]record, docs map[string][]byte, gone []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, rec := range next {
		if former := l.records[id]; l.owed[id] && former.sum() != rec.sum() {
			rec = newer(rec, former) // it has ended meanwhile
		} else {
			delete(l.owed, id)
		}
		l.records[id], l.sizes[id] = rec, len(docs[id])
	}
	for _, id := range gone {
		delete(l.records, id)
		delete(l.sizes, id)
		delete(l.owed, id)
	}
}

// owe has the end of a job of this node known, though it could not be stored: the job has ended, and
// must not be gone on with. It is stored by pay.
func (l *ledger) owe(rec record) {
	rec.Job = rec.Bounded()
	l.mu.Lock()
	if former, ok := l.records[rec.ID]; ok {
		rec = newer(rec, former)
	}
	l.records[rec.ID], l.owed[rec.ID] = rec, true
	l.mu.Unlock()
	l.changed.Broadcast()
}

// pay stores what is owed, and returns how many jobs that were.
func (l *ledger) pay(ctx context.Context) (int, error) {
	l.mu.Lock()
	n := len(l.owed)
	l.mu.Unlock()
	if n == 0 {
		return 0, nil
	}
	return n, l.save(ctx, nil)
}

// expired are the jobs that are not kept any more, with others in place of what is known. The caller
// holds the mutex.
func (l *ledger) expired(next map[string]record, docs map[string][]byte) []string {
	list, sizes := make([]cluster.Job, 0, len(l.records)+len(next)), maps.Clone(l.sizes)
	for id, rec := range l.records {
		if _, isNext := next[id]; !isNext {
			list = append(list, rec.Job)
		}
	}
	for id, rec := range next {
		list = append(list, rec.Job)
		sizes[id] = len(docs[id])
	}
	return cluster.Expired(list, sizes, l.now())
}
