package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/safefile"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// Bounds limit an Archive. When one is passed, the oldest transitions are removed.
type Bounds struct {
	Bytes   int64         // of the inputs as they are kept (256 MiB)
	Number  int           // of transitions (10,000)
	Age     time.Duration // since a transition (90 days)
	perItem int64         // of one input (maxFile)
	// retained limits what the index has in memory, see weightOf; 0: it is not limited, because
	// the inputs are of this cluster. Open refuses more by a contentError; decisions that are
	// found out later are not kept.
	retained int64
}

func (b Bounds) withDefaults() Bounds {
	if b.Bytes <= 0 {
		b.Bytes = 256 << 20
	}
	if b.Number <= 0 {
		b.Number = 10_000
	}
	if b.Age <= 0 {
		b.Age = 90 * 24 * time.Hour
	}
	b.perItem = maxFile
	return b
}

// indexName is the file of an archive that says what its inputs say, a Transition a line.
// Of several lines of a transition, the last counts. What it lacks is read from the inputs.
const indexName = "index.jsonl"

// An Archive is a directory of inputs with an index. It is its only writer. Its methods are
// safe for concurrent use.
type Archive struct {
	dir    string
	bounds Bounds

	mu    sync.Mutex
	list  []entry // by ID, the oldest first
	bytes int64
	lines int   // of the index, to see when it is worth writing anew
	kept  int64 // of Bounds.retained
	full  bool  // Bounds.retained was reached
	// latest is the input that was read last, with all that it has: the next one is mostly
	// compared with it.
	latest cluster.Transition
}

// An entry is a transition with the size of its file.
type entry struct {
	cluster.Transition

	Size int64 `json:"size"`
	// Form is indexForm, or the entry is made anew from its input.
	Form int `json:"form"`

	vain  int       // how often the decisions could not be found out since the archive was opened
	again time.Time // when they are to be looked for again
}

// indexForm grows when an entry says more than it did.
const indexForm = 2

// Open opens the archive in a directory, which it makes if there is none. An index that is
// damaged or lacks something is completed from the inputs. What cannot be read as an input
// stays where it is, and does not count.
func Open(dir string, bounds Bounds) (*Archive, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the history of the cluster: %w", err)
	}
	a := &Archive{dir: dir, bounds: bounds.withDefaults()}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the history of the cluster: %w", err)
	}
	known := a.readIndex()
	for _, f := range files { // by name, which is by time
		id, ok := strings.CutSuffix(f.Name(), suffix)
		if !ok || !isID(id) {
			continue
		}
		e, ok := known[id]
		if !ok {
			if e, ok = a.reread(id); !ok {
				continue
			}
		}
		info, err := f.Info()
		if err != nil {
			continue // it has just been removed
		}
		e.Size = info.Size()
		a.list = append(a.list, e)
		a.bytes += e.Size
		if fits, err := a.retain(entry{}, e); err != nil {
			return nil, err
		} else if !fits {
			return nil, errTooMuch()
		}
	}
	a.latest = cluster.Transition{} // which may have much more than the list
	return a, a.writeIndex()
}

// retain reports whether there is room in memory for an entry in place of another, and takes it.
func (a *Archive) retain(old, e entry) (bool, error) {
	if a.bounds.retained == 0 {
		return true, nil
	}
	n := int64(0)
	for sign, e := range map[int64]entry{-1: old, 1: e} {
		line, err := json.Marshal(e)
		if err != nil {
			return false, fmt.Errorf("writing the history of the cluster: %w", err)
		}
		n += sign * weightOf(line)
	}
	if a.kept+n > a.bounds.retained {
		a.full = true
		return false, nil
	}
	a.kept += n
	return true, nil
}

// suffix ends the names of the files of inputs. They may be compressed or not.
const suffix = ".input"

// idForm is the form of a Transition's ID.
var idForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-(input|warning|error)-([0-9]{1,9})-[0-9a-f]{8}$`)

// idTime is the form of the time that an ID begins with.
const idTime = "20060102T150405Z"

func isID(id string) bool { return idForm.MatchString(id) }

// nameOf is the name that Pacemaker had given to the input of a transition.
func nameOf(id string) string {
	parts := idForm.FindStringSubmatch(id)
	if parts == nil {
		return ""
	}
	return map[string]string{"input": "pe-input-", "warning": "pe-warn-", "error": "pe-error-"}[parts[1]] + parts[2] + ".bz2"
}

func (a *Archive) path(id string) string { return filepath.Join(a.dir, id+suffix) }

// readIndex reads what can be read of the index.
func (a *Archive) readIndex() map[string]entry {
	out := map[string]entry{}
	f, err := safefile.Open(filepath.Join(a.dir, indexName))
	if err != nil {
		return out // there is none, or it cannot be read: it is made from the inputs
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxIndexLine)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && isID(e.ID) && e.Form == indexForm {
			out[e.ID] = e
		}
	}
	return out // what follows a line that is too long is read from the inputs
}

// reread reads the input of a transition that the index lacks, and comes after all that
// are in the list.
func (a *Archive) reread(id string) (entry, bool) {
	t, err := a.reading(id)
	if err != nil {
		return entry{}, false
	}
	a.onlyNews(&t, len(a.list))
	return entry{Transition: t, Form: indexForm}, true
}

// reading reads the input of a transition.
func (a *Archive) reading(id string) (cluster.Transition, error) {
	data, err := safefile.Read(a.path(id), a.bounds.perItem)
	if err != nil {
		return cluster.Transition{}, err
	}
	at, _ := time.Parse(idTime, id[:min(len(id), len(idTime))]) // for one without a date
	t, err := read(nameOf(id), data, at)
	t.ID = id
	return t, err
}

// onlyNews leaves what the transition before, which is at the place before in the list, does
// not have: operations, and versions of the configuration with the jobs that made them. One
// that cannot be read has no operations, and an unknown configuration.
func (a *Archive) onlyNews(t *cluster.Transition, place int) {
	var before cluster.Transition
	if place > 0 {
		if before = a.latest; before.ID != a.list[place-1].ID {
			before, _ = a.reading(a.list[place-1].ID)
		}
	}
	a.latest = *t
	t.Operations = news(t.Operations, before.Operations)
	if before.File == "" {
		t.Jobs, t.Versions = nil, 0
		return
	}
	t.Jobs, t.Versions = writers(t.Jobs, before.Jobs), versions(before.Epoch, t.Epoch)
}

// writeIndex writes the index anew. The caller holds mu, or is the only one.
func (a *Archive) writeIndex() error {
	var b bytes.Buffer
	for _, e := range a.list {
		if err := appendLine(&b, e); err != nil {
			return err
		}
	}
	if err := safefile.Replace(filepath.Join(a.dir, indexName), b.Bytes(), nil); err != nil {
		return fmt.Errorf("writing the history of the cluster: %w", err)
	}
	a.lines = len(a.list)
	return nil
}

// appendLine adds the line of an entry, which has the latest operations for which there is room.
func appendLine(b *bytes.Buffer, e entry) error {
	for {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("writing the history of the cluster: %w", err)
		}
		if len(line) < maxIndexLine || len(e.Operations)+len(e.Decisions) == 0 {
			b.Write(append(line, '\n'))
			return nil
		}
		e.Operations = e.Operations[(len(e.Operations)+1)/2:]
		e.Decisions = e.Decisions[:len(e.Decisions)/2]
	}
}

// note adds a line to the index. A line that is lost in a crash is made again from the input.
func (a *Archive) note(e entry) error {
	if a.lines > 2*len(a.list)+100 {
		return a.writeIndex()
	}
	var b bytes.Buffer
	if err := appendLine(&b, e); err != nil {
		return err
	}
	f, err := safefile.OpenFile(filepath.Join(a.dir, indexName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("writing the history of the cluster: %w", err)
	}
	a.lines++
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the history of the cluster: %w", err)
	}
	return nil
}

// Add keeps an input, with the name that Pacemaker has given to it and the time of its
// file. It returns the transition; added is false if the archive has it already, or if its
// bounds leave no room for one that old.
func (a *Archive) Add(name string, data []byte, kept, now time.Time) (t cluster.Transition, added bool, err error) {
	if int64(len(data)) > a.bounds.perItem {
		return t, false, fmt.Errorf("%s has more than %d bytes", name, a.bounds.perItem)
	}
	if t, err = read(name, data, kept); err != nil {
		return t, false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := a.search(t.ID)
	if found {
		return a.list[i].Transition, false, nil
	}
	size := int64(len(data))
	if now.Sub(t.Time) > a.bounds.Age || i == 0 && len(a.list) > 0 && (len(a.list) >= a.bounds.Number || a.bytes+size > a.bounds.Bytes) {
		return t, false, nil
	}
	if err := safefile.Replace(a.path(t.ID), data, nil); err != nil {
		return t, false, fmt.Errorf("keeping an input of the scheduler: %w", err)
	}
	a.onlyNews(&t, i)
	e := entry{Transition: t, Size: size, Form: indexForm}
	a.list = slices.Insert(a.list, i, e)
	a.bytes += size
	err = a.note(e)
	if i+1 < len(a.list) { // its follower has fewer news now
		err = errors.Join(err, a.follow(i+1))
	}
	return t, true, errors.Join(err, a.trim(now))
}

// follow compares a transition with a new one before it.
func (a *Archive) follow(i int) error {
	next, err := a.reading(a.list[i].ID)
	if err != nil {
		return nil //nolint:nilerr // it cannot be read: its news stay as they were
	}
	a.onlyNews(&next, i)
	a.list[i].Operations, a.list[i].Jobs, a.list[i].Versions = next.Operations, next.Jobs, next.Versions
	return a.note(a.list[i])
}

// trim removes the oldest beyond the bounds.
func (a *Archive) trim(now time.Time) error {
	n := 0
	for ; n < len(a.list); n++ {
		e := a.list[n]
		if len(a.list)-n <= a.bounds.Number && a.bytes <= a.bounds.Bytes && now.Sub(e.Time) <= a.bounds.Age {
			break
		}
		if err := os.Remove(a.path(e.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.list = slices.Delete(a.list, 0, n)
			return fmt.Errorf("removing an old input of the scheduler: %w", err)
		}
		a.bytes -= e.Size
	}
	a.list = slices.Delete(a.list, 0, n)
	return nil
}

// removeOld removes what is too old: inputs have secrets, and nothing may be added any more.
func (a *Archive) removeOld(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(a.list)
	err := a.trim(now)
	if len(a.list) < before {
		err = errors.Join(err, a.writeIndex())
	}
	return err
}

// search is the place of a transition in the list.
func (a *Archive) search(id string) (int, bool) {
	return slices.BinarySearchFunc(a.list, id, func(e entry, id string) int { return strings.Compare(e.ID, id) })
}

// decided notes what the scheduler decided.
func (a *Archive) decided(t cluster.Transition) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := a.search(t.ID)
	if !found {
		return nil // removed meanwhile
	}
	e := a.list[i]
	e.Decisions, e.Known = t.Decisions, true
	if fits, err := a.retain(a.list[i], e); err != nil || !fits {
		return err
	}
	a.list[i] = e
	return a.note(e)
}

// undecided is the newest transition of which the decisions are not known and are to be looked for
// now. Without one, next is when there is one; zero: never.
func (a *Archive) undecided(now time.Time) (t cluster.Transition, ok bool, next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.full {
		return t, false, next
	}
	for _, e := range slices.Backward(a.list) {
		switch {
		case e.Known:
		case !now.Before(e.again):
			return e.Transition, true, time.Time{}
		case next.IsZero() || e.again.Before(next):
			next = e.again
		}
	}
	return t, false, next
}

// undecidable notes that the decisions of a transition could not be found out: they are looked for
// again after a pause that grows.
func (a *Archive) undecidable(id string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i, found := a.search(id); found {
		e := &a.list[i]
		e.again = now.Add(min(decideAgain<<min(e.vain, 16), decideAgainAtMost))
		e.vain++
	}
}

// newest is the latest transition; false: there is none.
func (a *Archive) newest() (cluster.Transition, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 {
		return cluster.Transition{}, false
	}
	return a.list[len(a.list)-1].Transition, true
}

// transitions are all, the oldest first.
func (a *Archive) transitions() []cluster.Transition {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]cluster.Transition, len(a.list))
	for i, e := range a.list {
		out[i] = e.Transition
	}
	return out
}

// Input reads the input of a transition: as it is kept, and as a CIB, which has secrets. A
// transition that there is not is an *lb.NotFoundError.
func (a *Archive) Input(id string) (data []byte, cib *pacemaker.CIB, err error) {
	missing := &lb.NotFoundError{ID: "cluster/history/" + id}
	if !isID(id) {
		return nil, nil, missing
	}
	data, err = safefile.Read(a.path(id), a.bounds.perItem)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, missing
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the history of the cluster: %w", err)
	}
	_, cib, err = parse(nameOf(id), data)
	return data, cib, err
}
