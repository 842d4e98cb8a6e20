package history

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// A Recorder holds what clients asked and were answered. Its methods may be called from
// any goroutine. New makes one.
type Recorder struct {
	start time.Time

	mu      sync.Mutex
	records map[string][]*Call // by object
	deaths  []int64            // times at which what was under way ended
}

// A Call is one operation of a client.
type Call struct {
	recorder *Recorder
	client   int
	op       Operation
	answer   Answer
	from, to int64 // nanoseconds since the start; to is 0 until it has returned
}

// New returns an empty Recorder.
func New() *Recorder {
	return &Recorder{start: time.Now(), records: map[string][]*Call{}}
}

func (r *Recorder) now() int64 { return int64(time.Since(r.start)) }

// Begin records the call of an operation, which the client makes next.
func (r *Recorder) Begin(client int, object string, op Operation) *Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &Call{recorder: r, client: client, op: op, from: r.now(), answer: Answer{Outcome: Unknown}}
	r.records[object] = append(r.records[object], c)
	return c
}

// End records the return of the operation. An Unknown one may take effect until the next
// Died.
func (c *Call) End(a Answer) {
	r := c.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	c.answer, c.to = a, r.now()
}

// Died records that everything has ended that could still carry out an operation which was
// called before.
func (r *Recorder) Died() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaths = append(r.deaths, r.now())
}

// operations is the record of an object for the checker. An unknown read says nothing.
func (r *Recorder) operations(object string) []porcupine.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []porcupine.Operation
	for _, c := range r.records[object] {
		to := c.to
		if c.answer.Outcome == Unknown {
			if c.op.Kind == Read {
				continue
			}
			to = r.died(c.from)
		}
		out = append(out, porcupine.Operation{ClientId: c.client, Input: c.op, Call: c.from, Output: c.answer, Return: to})
	}
	return out
}

// died is the first death after a time, or the end of all times.
func (r *Recorder) died(from int64) int64 {
	for _, at := range r.deaths {
		if at > from {
			return at
		}
	}
	return math.MaxInt64
}

// Check returns an error for each object whose record is not linearizable, or for which
// that could not be found out within patience. It writes a page about the first of them to
// explain, unless that is nil.
func (r *Recorder) Check(patience time.Duration, explain io.Writer) error {
	r.mu.Lock()
	objects := slices.Sorted(maps.Keys(r.records))
	r.mu.Unlock()
	var errs []error
	for _, name := range objects {
		model, ops := object(), r.operations(name)
		result := porcupine.CheckOperationsTimeout(model, ops, patience)
		if result == porcupine.Ok {
			continue
		}
		errs = append(errs, fmt.Errorf("%s: the order of %d operations is %s", name, len(ops), result))
		if explain != nil && len(errs) == 1 {
			_, info := porcupine.CheckOperationsVerbose(model, ops, patience)
			errs = append(errs, porcupine.Visualize(model, info, explain))
		}
	}
	return errors.Join(errs...)
}

// CheckRevisions returns an error unless the numbers of changes ascend with time: a change
// of any object that begins after another one has returned has a greater number.
func (r *Recorder) CheckRevisions() error {
	latest := int64(math.MaxInt64) // when the first of those with a greater number returned
	for _, c := range slices.Backward(r.Changes()) {
		if c.from > latest {
			return fmt.Errorf("revision %d of %s began after a change with a greater number had returned", c.Revision, c.Object)
		}
		latest = min(latest, c.to)
	}
	return nil
}

// A Change is a change that its client was told of.
type Change struct {
	Object   string
	Value    Value // after it
	Revision uint64
	from, to int64
}

// Changes returns the changes that are done, by revision.
func (r *Recorder) Changes() []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Change
	for object, calls := range r.records {
		for _, c := range calls {
			if c.op.Kind != Read && c.answer.Outcome == Done {
				out = append(out, Change{Object: object, Value: c.answer.Value, Revision: c.answer.Revision, from: c.from, to: c.to})
			}
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Compare(a.Revision, b.Revision) })
	return out
}

// Count returns the number of operations by kind and outcome, such as "put done".
func (r *Recorder) Count() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]int{}
	for _, calls := range r.records {
		for _, c := range calls {
			out[string(c.op.Kind)+" "+string(c.answer.Outcome)]++
		}
	}
	return out
}
