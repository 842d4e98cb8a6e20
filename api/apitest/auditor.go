package apitest

import (
	"context"
	"slices"
	"sync"

	"thalassa/audit"
)

// An Auditor keeps records in memory.
type Auditor struct {
	mu   sync.Mutex
	list []audit.Record
}

// Add keeps a record under the next number.
func (a *Auditor) Add(r audit.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Seq = uint64(len(a.list)) + 1
	a.list = append(a.list, r)
}

// Records are the newest records of a name, or of all.
func (a *Auditor) Records(_ context.Context, q audit.Query) ([]audit.Record, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := slices.DeleteFunc(slices.Clone(a.list), func(r audit.Record) bool {
		return q.Name != "" && r.Name != q.Name || r.Time.Before(q.Since) || q.Before > 0 && r.Seq >= q.Before
	})
	slices.Reverse(out)
	return out[:min(len(out), q.Limit)], nil
}
