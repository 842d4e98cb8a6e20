package auth

import (
	"sync"
	"time"
)

// A reloaded is what a file says, read again when the file has changed, at most once a
// second. If the file has become unusable, what it said before stays valid and the error
// is logged once. All methods may be called concurrently.
type reloaded[T any] struct {
	path string
	load func(path string) (T, fileVersion, error)
	// changed logs a file that was read again, and unusable one that could not be.
	// mended: it was unusable before.
	changed  func(former, value T, mended bool)
	unusable func(err error)

	mu      sync.Mutex
	value   T         // valid now; replaced, never written to
	checked time.Time // time of the last check of the file
	reading bool      // a caller is checking the file
	shown   string    // the problem as of that check

	// Of the last reading of the file; used by the caller that set reading.
	read    fileVersion
	problem string // logged already; empty: none
}

// current is the valid value, after a check of the file unless the last one is more
// recent than the given time. Meanwhile other callers get the former value.
func (r *reloaded[T]) current(recent time.Duration) T {
	now := time.Now()
	r.mu.Lock()
	value := r.value
	due := !r.reading && now.Sub(r.checked) >= recent
	if due {
		r.reading = true
	}
	r.mu.Unlock()
	if !due {
		return value
	}
	value = r.refreshed(value)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.value, r.checked, r.reading, r.shown = value, now, false, r.problem
	return value
}

// refreshed reads the file if it has changed, and gives the value that is valid from now
// on.
func (r *reloaded[T]) refreshed(former T) T {
	if statFile(r.path) == r.read {
		return former
	}
	value, at, err := r.load(r.path)
	at.shared = false // statFile does not know it
	r.read = at
	if err != nil {
		if err.Error() != r.problem {
			r.unusable(err)
		}
		r.problem = err.Error()
		return former
	}
	r.changed(former, value, r.problem != "")
	r.problem = ""
	return value
}

// trouble says why the file is unusable; empty if it is usable.
func (r *reloaded[T]) trouble() string {
	r.current(checkEvery)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shown
}
