package history

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/safefile"
	"thalassa/internal/wake"
	"thalassa/pacemaker"
)

const (
	// lookEvery is the pause between two looks at Pacemaker's directory. A look is one
	// stat(2) while nothing is new.
	lookEvery = time.Second
	// writtenWithin is how long an input that cannot be read may be one that Pacemaker is
	// still writing: it writes into the file itself.
	writtenWithin = 10 * time.Second
	// decideShare is the share of the time that the scheduler may take for the decisions of
	// past transitions, which nobody waits for.
	decideShare = 5
	// decideAgain is the pause after the scheduler could not be asked about a transition; it doubles
	// each time, up to decideAgainAtMost: the scheduler may have been late because the machine was
	// busy, and it may be that it will never answer.
	decideAgain, decideAgainAtMost = time.Minute, 24 * time.Hour
)

// Inputs is where Pacemaker keeps the inputs of its scheduler (PE_STATE_DIR).
const Inputs = "/var/lib/pacemaker/pengine"

// A Recorder copies the inputs of this node's Pacemaker into an Archive, and finds out what
// the scheduler decided. Make it with NewRecorder. Run is called once.
type Recorder struct {
	Past Past
	// Inputs is the directory of Pacemaker's inputs.
	Inputs string
	// Kept are lines of other nodes, which are removed when they are as old as inputs may be; nil: there
	// are none.
	Kept   *KeptLines
	Now    func() time.Time
	Logger *slog.Logger

	looked time.Time            // the directory's time at the last look
	again  bool                 // something was incomplete then
	seen   map[string]fileState // by name
	told   string               // the last problem that was told
	news   wake.Poke            // own has changed
	swept  time.Time            // when what is old was removed

	mu   sync.Mutex
	own  []ownInput // the newest inputs of this node, the latest last
	said bool       // the other nodes know of own
}

// An ownInput is an input that Pacemaker on this node has kept.
type ownInput struct {
	name string
	size int    // in bytes
	data []byte // nil: it is larger than mostShared
	kept time.Time
}

// mostOwn is how many inputs the other nodes are told of, if mostShared allows that. A failover has a
// dozen within the seconds between two talks, and a node that comes back hears only of these.
const mostOwn = 32

// NewRecorder returns the Recorder of this node, which keeps the inputs of a directory in the
// archive of a Past.
func NewRecorder(p Past, inputs string, now func() time.Time, logger *slog.Logger) *Recorder {
	return &Recorder{Past: p, Inputs: inputs, Now: now, Logger: logger, seen: map[string]fileState{}, news: wake.NewPoke(), said: true}
}

// note keeps an input of this node for the others.
func (r *Recorder) note(o ownInput) {
	if r.Now().Sub(o.kept) > shareNews {
		return
	}
	if o.size > mostShared {
		o.data = nil
	}
	r.mu.Lock()
	r.own, r.said = append(r.own, o), false
	r.own = r.own[max(0, len(r.own)-mostOwn):]
	r.mu.Unlock()
	r.news.Send()
}

// recent are the newest inputs of this node; changed: the other nodes do not know them yet,
// and are told now.
func (r *Recorder) recent() (list []ownInput, changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed, r.said = !r.said, true
	return slices.Clone(r.own), changed
}

// unsaid says that the other nodes could not be told.
func (r *Recorder) unsaid() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = false
}

// A fileState tells whether a file is another one than before.
type fileState struct {
	changed time.Time
	size    int64
}

// Run copies what is there, and then what comes, and removes what is too old, until ctx ends, which is not an error.
func (r *Recorder) Run(ctx context.Context) error {
	var deciding sync.WaitGroup
	deciding.Go(func() { r.decide(pacemaker.InBackground(ctx)) })
	defer deciding.Wait()
	for {
		r.removeOld(ctx)
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.tell(ctx, err)
		}
		if wake.Pause(ctx, lookEvery) != nil {
			return nil
		}
	}
}

// removeOld removes what is too old, each lookForOld: a node that has left its cluster adds nothing.
func (r *Recorder) removeOld(ctx context.Context) {
	now := r.Now()
	if since := now.Sub(r.swept); since >= 0 && since < lookForOld {
		return
	}
	r.swept = now
	err := r.Past.removeOld(now)
	if r.Kept != nil {
		err = errors.Join(err, r.Kept.removeOld(now.Add(-r.Past.bounds.Age)))
	}
	if err != nil {
		r.Logger.WarnContext(ctx, "history of the cluster: what is too old is not removed", "error", err)
	}
}

// tell logs a problem when it is another one than before.
func (r *Recorder) tell(ctx context.Context, err error) {
	if text := err.Error(); text != r.told {
		r.told = text
		r.Logger.WarnContext(ctx, "history of the cluster: inputs of Pacemaker's scheduler are not kept", "error", err)
	}
}

// look copies new inputs. That Pacemaker has no directory yet is no error.
func (r *Recorder) look(ctx context.Context) error {
	info, err := os.Stat(r.Inputs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.ModTime().Equal(r.looked) && !r.again {
		return nil
	}
	files, err := os.ReadDir(r.Inputs)
	if err != nil {
		return err
	}
	r.looked, r.again = info.ModTime(), false
	fresh := r.changed(files)
	slices.SortFunc(fresh, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	var problems error
	for _, f := range fresh {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the agent stops
		}
		if err := r.copy(f); err != nil {
			problems = err // the last one is enough
		}
	}
	return problems
}

// changed are the inputs that are new or others than before.
func (r *Recorder) changed(files []fs.DirEntry) []fs.FileInfo {
	var out []fs.FileInfo
	there := map[string]bool{}
	for _, f := range files {
		if !isInput(f.Name()) || !f.Type().IsRegular() {
			continue
		}
		there[f.Name()] = true
		info, err := f.Info()
		if err == nil && r.seen[f.Name()] != (fileState{info.ModTime(), info.Size()}) {
			out = append(out, info)
		}
	}
	for name := range r.seen {
		if !there[name] {
			delete(r.seen, name)
		}
	}
	return out
}

// copy copies one input. One that is being written is left for the next look.
func (r *Recorder) copy(f fs.FileInfo) error {
	data, err := safefile.ReadOwned(filepath.Join(r.Inputs, f.Name()), maxFile)
	if err == nil {
		var added bool
		if _, added, err = r.Past.Add(f.Name(), data, f.ModTime(), r.Now()); added {
			r.note(ownInput{f.Name(), len(data), data, f.ModTime()})
		}
	}
	if errors.Is(err, errPartial) && r.Now().Sub(f.ModTime()) < writtenWithin || safefile.IsDisk(err) {
		r.again = true
		return ifDisk(err)
	}
	r.seen[f.Name()] = fileState{f.ModTime(), f.Size()}
	return err
}

// ifDisk is an error of a disk; nil: it is another.
func ifDisk(err error) error {
	if safefile.IsDisk(err) {
		return err
	}
	return nil
}

// decide asks the scheduler about the transitions of which it is not known what it decided.
func (r *Recorder) decide(ctx context.Context) {
	decideAll(ctx, r.Logger, func() (Past, cluster.Transition, bool) {
		for {
			if t, ok, _ := r.Past.undecided(); ok {
				return r.Past, t, true
			}
			if wake.Pause(ctx, lookEvery) != nil {
				return Past{}, cluster.Transition{}, false
			}
		}
	})
}

// undecided is that of the Archive, if the scheduler can be asked. Without one, in is how long it
// takes until there is one; zero: there will be none.
func (p Past) undecided() (t cluster.Transition, ok bool, in time.Duration) {
	if p.Elsewhere != nil && p.Elsewhere.Masked {
		return t, false, 0
	}
	t, ok, next := p.Archive.undecided(time.Now())
	if !next.IsZero() {
		in = max(time.Until(next), time.Millisecond)
	}
	return t, ok, in
}

// decideAll asks the scheduler about transitions, one at a time, until there is none or ctx ends.
// next waits for one that is to be asked about.
func decideAll(ctx context.Context, logger *slog.Logger, next func() (Past, cluster.Transition, bool)) {
	for {
		p, t, ok := next()
		if !ok {
			return
		}
		begun := time.Now()
		_, err := p.Decide(ctx, t.ID)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.undecidable(t.ID, time.Now())
			logger.DebugContext(ctx, "history of the cluster: the decisions of a transition are not known", "transition", t.ID, "error", err)
		}
		if wake.Pause(ctx, max(lookEvery/20, decideShare*time.Since(begun))) != nil {
			return
		}
	}
}
