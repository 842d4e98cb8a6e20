package testkit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Freeze stops a process and returns when all of its threads have stopped, some moments after the
// signal. SIGCONT continues it.
func Freeze(tb testing.TB, pid int) {
	tb.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		tb.Fatal(err)
	}
	Eventually(tb, 10*time.Second, func() error {
		threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*/stat"))
		if err != nil {
			return err
		}
		for _, path := range threads {
			stat, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			// "PID (NAME) STATE …" (proc_pid_stat(5)); the name may hold anything.
			if _, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")); !bytes.HasPrefix(rest, []byte("T")) {
				return fmt.Errorf("%s says %.5q", path, rest)
			}
		}
		return nil
	})
}
