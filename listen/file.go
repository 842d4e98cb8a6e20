package listen

import (
	"io/fs"
	"os"

	"thalassa/internal/safefile"
)

// maxFile bounds the files of certificates and keys: bytes.
const maxFile = 1 << 20

// readFile reads a regular file.
func readFile(path string) ([]byte, error) { return safefile.Read(path, maxFile) }

// writeFile replaces a file in one step.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	return safefile.Replace(path, data, func(f *os.File) error { return f.Chmod(mode) })
}
