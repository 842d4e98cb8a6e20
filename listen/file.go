package listen

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"thalassa/internal/safefile"
)

// maxFile bounds the files of certificates and keys: bytes.
const maxFile = 1 << 20

// readFile reads a regular file.
func readFile(path string) ([]byte, error) { return safefile.Read(path, maxFile) }

// writeFile writes a file beside its place, syncs it and renames it.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	staged := path + ".new"
	if err := os.Remove(staged); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a crash
		return err
	}
	f, err := safefile.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(staged, path)
	}
	if err != nil {
		_ = os.Remove(staged) // or the next attempt does
		return err
	}
	return safefile.Sync(filepath.Dir(path))
}
