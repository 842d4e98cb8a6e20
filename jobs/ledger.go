package jobs

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

// A ledger has the records of the jobs of all nodes, in memory and on disk. Methods may be
// called concurrently.
type ledger struct {
	store   Store
	now     func() time.Time
	changed wake.Signal // a record, or a task has ended

	mu      sync.Mutex
	records map[string]record
	sizes   map[string]int
}

func newLedger(store Store, now func() time.Time) *ledger {
	return &ledger{store: store, now: now, records: map[string]record{}, sizes: map[string]int{}}
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
		if rec, err := parseRecord(doc); err == nil && rec.ID == id {
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

// cancel notes who has canceled a job, unless it is over or was canceled before.
func (l *ledger) cancel(id, author string) (rec record, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rec, known = l.records[id]
	if known && !rec.Over() && rec.CanceledBy == "" {
		rec.CanceledBy = cmp.Or(author, "somebody")
		l.records[id] = rec
	}
	return rec, known
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

// save stores records that are newer than the known ones.
func (l *ledger) save(ctx context.Context, list []record) error {
	docs := map[string][]byte{}
	l.mu.Lock()
	for _, rec := range list {
		rec.Job = rec.Bounded()
		if known, ok := l.records[rec.ID]; ok {
			rec = newer(rec, known)
		}
		doc, err := encodeRecord(rec)
		if err != nil {
			l.mu.Unlock()
			return err
		}
		l.records[rec.ID], l.sizes[rec.ID], docs[rec.ID] = rec, len(doc), doc
	}
	gone := l.expired()
	l.mu.Unlock()
	if err := l.store.Save(context.WithoutCancel(ctx), docs, gone); err != nil {
		return err
	}
	l.changed.Broadcast()
	return nil
}

// expired forgets the jobs that are not kept any more. The caller holds the mutex.
func (l *ledger) expired() []string {
	list := make([]cluster.Job, 0, len(l.records))
	for _, rec := range l.records {
		list = append(list, rec.Job)
	}
	gone := cluster.Expired(list, l.sizes, l.now())
	for _, id := range gone {
		delete(l.records, id)
		delete(l.sizes, id)
	}
	return gone
}
