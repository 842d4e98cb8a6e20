package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/safefile"
)

// A disk that takes nothing is told with the path, and is no incident.
func TestFailuresOfDisks(t *testing.T) {
	t.Parallel()
	at := func(cause error) error {
		return fmt.Errorf("committing revisions: %w", &fs.PathError{Op: "write", Path: "/var/lib/thalassa/db", Err: cause})
	}
	for _, c := range []struct {
		err    error
		status int
		code   string
		want   []string
	}{
		{at(syscall.ENOSPC), http.StatusInsufficientStorage, "disk_full", []string{"/var/lib/thalassa/db", "disk is full"}},
		{at(syscall.EDQUOT), http.StatusInsufficientStorage, "disk_full", []string{"/var/lib/thalassa/db", "disk is full"}},
		{at(syscall.EROFS), http.StatusServiceUnavailable, "unavailable", []string{"/var/lib/thalassa/db", "read-only"}},
		{fmt.Errorf("/x: %w", safefile.ErrHangs), http.StatusServiceUnavailable, "unavailable", []string{"a disk hangs"}},
	} {
		f := diskFailure(c.err)
		if f == nil || f.Status != c.status || f.Code != c.code || f.Header.Get("Retry-After") == "" {
			t.Errorf("%v: %+v, expected %d %s", c.err, f, c.status, c.code)
			continue
		}
		for _, words := range c.want {
			if !strings.Contains(f.Message, words) {
				t.Errorf("%v: %q has no %q", c.err, f.Message, words)
			}
		}
	}
	for _, err := range []error{at(syscall.EACCES), errors.New("other")} {
		if f := diskFailure(err); f != nil {
			t.Errorf("%v: %+v, expected none", err, f)
		}
	}
}
