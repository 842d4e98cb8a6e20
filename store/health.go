package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"thalassa/internal/safefile"
)

// slowAfter is how long a write may take until Problem tells it.
const slowAfter = 2 * time.Second

// A writeState is how the last write went.
type writeState struct {
	disk *safefile.Health

	mu    sync.Mutex
	begun time.Time // the write under way; zero: there is none
}

// begin notes that a write begins. done notes what became of it.
func (w *writeState) begin() (done func(err error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = time.Now()
	return func(err error) {
		w.end()
		w.disk.Note(err)
	}
}

// end notes that a write ends without the disk.
func (w *writeState) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = time.Time{}
}

// Problem is a sentence for everybody that says why the database does not take a write
// now; empty: it took the last one.
func (d *DB) Problem() string {
	w := &d.writes
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case d.broken.Load() != nil:
		return "the database failed while it was in use: restart the agent"
	case !w.begun.IsZero() && time.Since(w.begun) > slowAfter:
		return fmt.Sprintf("the disk of the database hangs: a write has waited for %s", time.Since(w.begun).Round(time.Second))
	}
	if why := w.disk.Problem(); why != "" {
		return "the database cannot be written: " + why
	}
	return d.displaced()
}

// displaced says that the path does not lead to the open file any more; empty: it does, or
// nobody can tell.
func (d *DB) displaced() string {
	own, err := d.file.Stat()
	if err != nil {
		return ""
	}
	there, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(own, there) {
		return "the database was removed from " + d.path + ", and changes would be lost with the next start: put it back, or restart the agent"
	}
	return ""
}
