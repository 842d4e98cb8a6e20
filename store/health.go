package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

const (
	// slowAfter is how long a look at the file may take.
	slowAfter = 2 * time.Second
	// tellAfter is how long a write may take until Problem reports it.
	tellAfter = 1500 * time.Millisecond
)

// A writeState is how the last write went.
type writeState struct {
	disk *safefile.Health

	mu    sync.Mutex
	begun time.Time // the write under way; zero: there is none
}

// begin notes that a write begins. done notes its result.
func (w *writeState) begin() (done func(err error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = time.Now()
	return func(err error) {
		w.end()
		w.disk.Note(err)
	}
}

// end notes that a write ends without having reached the disk.
func (w *writeState) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = time.Time{}
}

// Problem is a sentence, which anybody may read, that says why the database does not take a write
// now; empty: it took the last one.
func (d *DB) Problem() string {
	if d.broken.Load() != nil {
		return "the database failed while it was in use: restart the agent"
	}
	if why := d.writes.problem(); why != "" {
		return why
	}
	if err := d.patience.Do(d.file.path, func(func() bool) error { return d.file.displaced() }); err != nil {
		return err.Error()
	}
	return ""
}

// problem says why the last write failed, or that one is taking long.
func (w *writeState) problem() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun.IsZero() && time.Since(w.begun) > tellAfter {
		return fmt.Sprintf("the disk of the database hangs: a write has waited for %s", time.Since(w.begun).Round(time.Second))
	}
	if why := w.disk.Problem(); why != "" {
		return "the database cannot be written: " + why
	}
	return ""
}

// An openFile is the file of the database, as it was opened.
type openFile struct {
	*os.File        // bolt's, locked
	path     string // that it was opened at
}

// displaced returns an *lb.UnavailableError where the path does not lead to the open file any more;
// nil: it does, or that cannot be found out. The file system may hang.
func (f openFile) displaced() error {
	own, err := f.Stat()
	if err != nil {
		return nil //nolint:nilerr // nobody can tell
	}
	there, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(own, there) {
		return &lb.UnavailableError{
			What: "the database was removed from " + f.path + ", and changes would be lost with the next start: put it back, or restart the agent",
		}
	}
	return nil
}
