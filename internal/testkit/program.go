package testkit

import (
	"os"
	"syscall"
)

// WriteProgram writes a program or script that is executed at once. Meanwhile this process starts no
// other: that would inherit the open file, and executing it would fail with "text file busy" until the
// other one has executed its own program.
func WriteProgram(path string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, 0o755) //nolint:gosec // a program
}
