package safefile

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"thalassa/internal/leftover"
)

// staleAfter is the age at which a temporary file is no longer being written.
const staleAfter = time.Minute

// Replace replaces the file at path in one step, and flushes it to disk: after
// an error or a crash, the former file is there. Only its owner can read the new one, until
// prepare, if it is not nil, changes that. What killed programs have left of earlier
// attempts is removed.
func Replace(path string, data []byte, prepare func(*os.File) error) error {
	dir, prefix := filepath.Dir(path), leftover.TempPrefix(path)
	leftover.Kind{Dir: dir, Prefixes: []string{prefix}, After: staleAfter}.Remove()
	f, err := os.CreateTemp(dir, prefix+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && prepare != nil {
		err = prepare(f)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // or the next attempt does
		return err
	}
	return Sync(dir)
}
