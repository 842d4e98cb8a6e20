package history

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/safefile"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// ImportBounds limit Imports.
type ImportBounds struct {
	Number int           // of imports (10)
	Bytes  int64         // on disk, of all together (1 GiB)
	Each   int64         // on disk, of one (256 MiB)
	Age    time.Duration // since the import (90 days)
	// Expanded is how much of a file is expanded, in bytes (1 GiB). Its compressed inputs may have
	// as much when they are expanded.
	Expanded int64
	// Beside is how many bytes the jobs of an export have, and its events: at most 16 MiB, which is
	// the default.
	Beside int64
}

func (b ImportBounds) withDefaults() ImportBounds {
	if b.Number <= 0 {
		b.Number = 10
	}
	if b.Bytes <= 0 {
		b.Bytes = 1 << 30
	}
	if b.Each <= 0 {
		b.Each = 256 << 20
	}
	if b.Age <= 0 {
		b.Age = 90 * 24 * time.Hour
	}
	if b.Expanded <= 0 {
		b.Expanded = 1 << 30
	}
	if b.Beside <= 0 || b.Beside > maxBeside {
		b.Beside = maxBeside
	}
	return b
}

// MaxImported is the size of the largest file that is imported, in bytes.
const MaxImported = 256 << 20

const (
	// importName is the file of an import that says what it is: a keptImport.
	importName = "import.json"
	// madePrefix and gonePrefix begin the names of folders that are being made or removed. What
	// is left of them is removed by Open.
	madePrefix, gonePrefix = ".new-", ".gone-"
	// lookForOld is how often old imports, inputs and lines are looked for: their age is counted in days.
	lookForOld = time.Hour
	// maxAbout limits importName, in bytes.
	maxAbout = 1 << 20
)

// importForm is the form of the ID of an import.
var importForm = regexp.MustCompile(`^[0-9a-f]{12}$`)

// A keptImport is what is kept about an import beside its transitions.
type keptImport struct {
	cluster.ImportedHistory

	Token time.Duration `json:"token,omitempty"`
}

// Imports are the pasts that came in files: each has a folder of its own with an Archive, lines of
// logs, and what the file tells beside. Only the agent's user can read them. Whoever uploads a
// file is not trusted: see readTarball. The methods are safe for concurrent use.
type Imports struct {
	dir    string
	bounds ImportBounds
	tools  pacemaker.Config
	now    func() time.Time

	turn chan struct{} // held by who adds one
	news wake.Poke     // one was added

	mu   sync.Mutex
	list map[string]keptImport
	open map[string]Past
}

// OpenImports opens the imports in a directory, which it makes if there is none. What a killed
// program has left half-done is removed. Pasts are looked at with tools.
func OpenImports(dir string, tools pacemaker.Config, now func() time.Time, bounds ImportBounds) (*Imports, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening imported histories: %w", err)
	}
	s := &Imports{dir: dir, bounds: bounds.withDefaults(), tools: tools, now: now, turn: make(chan struct{}, 1), news: wake.NewPoke(), list: map[string]keptImport{}, open: map[string]Past{}}
	folders, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening imported histories: %w", err)
	}
	for _, f := range folders {
		switch name := f.Name(); {
		case strings.HasPrefix(name, madePrefix), strings.HasPrefix(name, gonePrefix):
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("removing what is left of an import: %w", err)
			}
		case importForm.MatchString(name):
			if about, err := readAbout(filepath.Join(dir, name)); err == nil && about.ID == name {
				s.list[name] = about
			}
		}
	}
	return s, s.removeOld()
}

// removeOld removes the imports that are too old: they have secrets.
func (s *Imports) removeOld() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems error
	for id, about := range s.list {
		if s.isOld(about) {
			problems = errors.Join(problems, s.remove(id))
		}
	}
	return problems
}

func readAbout(dir string) (about keptImport, err error) {
	data, err := safefile.Read(filepath.Join(dir, importName), maxAbout)
	if err != nil {
		return about, err
	}
	return about, json.Unmarshal(data, &about)
}

// Run removes old imports, and finds out what the scheduler decided in the transitions of imports
// that do not tell it, until ctx ends, which is not an error. Nobody waits for it.
func (s *Imports) Run(ctx context.Context, logger *slog.Logger) error {
	ctx = pacemaker.InBackground(ctx)
	decideAll(ctx, logger, func() (Past, cluster.Transition, bool) {
		for {
			wait := lookForOld
			if err := s.removeOld(); err != nil {
				logger.WarnContext(ctx, "an old imported history is not removed", "error", err)
			}
			for _, about := range s.List() {
				p, err := s.Past(about.ID)
				if err != nil {
					continue // it has just been removed, or whoever looks at it is told
				}
				t, ok, in := p.undecided()
				if ok {
					return p, t, true
				}
				if in > 0 {
					wait = min(wait, in)
				}
			}
			select {
			case <-s.news:
			case <-time.After(wait):
			case <-ctx.Done():
				return Past{}, cluster.Transition{}, false
			}
		}
	})
	return nil
}

// List are the imports, the newest first.
func (s *Imports) List() []cluster.ImportedHistory {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []cluster.ImportedHistory{}
	for _, about := range s.list {
		if !s.isOld(about) {
			out = append(out, about.ImportedHistory)
		}
	}
	slices.SortFunc(out, func(a, b cluster.ImportedHistory) int {
		if c := b.Imported.Compare(a.Imported); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

func (s *Imports) isOld(about keptImport) bool { return s.now().Sub(about.Imported) > s.bounds.Age }

// Past is that of an import. One that there is not is an *lb.NotFoundError.
func (s *Imports) Past(id string) (Past, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	about, known := s.list[id]
	if !known || s.isOld(about) {
		return Past{}, missingImport(id)
	}
	if p, ok := s.open[id]; ok {
		return p, nil
	}
	p, err := openPast(filepath.Join(s.dir, id), about, s.tools)
	if err == nil {
		s.open[id] = p
	}
	return p, err
}

func missingImport(id string) error {
	if !importForm.MatchString(id) {
		id = "?"
	}
	return &lb.NotFoundError{ID: "cluster/history/imports/" + id}
}

// Remove removes an import wholly. One that there is not is an *lb.NotFoundError.
func (s *Imports) Remove(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.list[id]; !known {
		return missingImport(id)
	}
	return s.remove(id)
}

// remove removes an import. The caller holds mu. After a crash, Open removes the rest.
func (s *Imports) remove(id string) error {
	gone := filepath.Join(s.dir, gonePrefix+id)
	if err := os.Rename(filepath.Join(s.dir, id), gone); err != nil {
		return fmt.Errorf("removing an imported history: %w", err)
	}
	delete(s.list, id)
	delete(s.open, id)
	if err := errors.Join(safefile.Sync(s.dir), os.RemoveAll(gone)); err != nil {
		return fmt.Errorf("removing an imported history: %w", err)
	}
	return nil
}

// Add imports a file, which by has sent. added is false if the same file is there already. Nothing
// is kept of a file that cannot be imported, which is an *lb.InvalidError that names the entry at
// fault; too many imports are an *lb.ConflictError. One file is imported at a time.
func (s *Imports) Add(ctx context.Context, file io.Reader, by string) (about cluster.ImportedHistory, added bool, err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return about, false, ctx.Err()
	}
	room, err := s.room()
	if err != nil {
		return about, false, err
	}
	dir, err := os.MkdirTemp(s.dir, madePrefix) // 0700
	if err != nil {
		return about, false, fmt.Errorf("importing a history: %w", err)
	}
	defer func() {
		if err != nil || !added {
			_ = os.RemoveAll(dir) // or Open does
		}
	}()
	sum := sha256.New()
	k := newCollector(dir, room, s.bounds.Expanded, s.bounds.Beside)
	if err := errors.Join(readTarball(ctx, io.TeeReader(file, sum), s.bounds.Expanded, k.entry), k.closeLog()); err != nil {
		return about, false, err
	}
	id := hex.EncodeToString(sum.Sum(nil))[:12]
	if known, ok := s.known(id); ok {
		return known.ImportedHistory, false, nil
	}
	kept := keptImport{ImportedHistory: cluster.ImportedHistory{ID: id, Imported: s.now().UTC().Round(0), By: by}}
	if err := k.complete(&kept); err != nil {
		return about, false, err
	}
	err = s.keep(dir, kept)
	s.news.Send()
	return kept.ImportedHistory, true, err
}

// room is how many bytes another import may have on disk. Old ones are removed first.
func (s *Imports) room() (int64, error) {
	if err := s.removeOld(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.bounds.Bytes
	for id := range s.list {
		size, err := sizeOf(filepath.Join(s.dir, id)) // decisions have been added since
		if err != nil {
			return 0, err
		}
		left -= size
	}
	if len(s.list) >= s.bounds.Number || left <= 0 {
		return 0, &lb.ConflictError{ID: "cluster/history/imports", Reason: fmt.Sprintf("there are %d imports, of %d MiB: remove one first", len(s.list), (s.bounds.Bytes-left)>>20)}
	}
	return min(left, s.bounds.Each), nil
}

func (s *Imports) known(id string) (keptImport, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	about, ok := s.list[id]
	return about, ok
}

// keep makes the folder of an import one that counts. It is on disk before its name is.
func (s *Imports) keep(dir string, about keptImport) error {
	data, err := json.Marshal(about)
	if err == nil {
		err = safefile.Replace(filepath.Join(dir, importName), data, nil)
	}
	if err == nil {
		err = syncAll(dir)
	}
	if err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(dir, filepath.Join(s.dir, about.ID)); err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	s.list[about.ID] = about
	if err := safefile.Sync(s.dir); err != nil {
		return errors.Join(fmt.Errorf("importing a history: %w", err), s.remove(about.ID))
	}
	return nil
}

// syncAll flushes a folder and the files in it to disk.
func syncAll(dir string) error {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		err = errors.Join(err, safefile.Sync(filepath.Join(dir, f.Name())))
	}
	return errors.Join(err, safefile.Sync(dir))
}
