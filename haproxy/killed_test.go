package haproxy_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// TestKilledInAReload: that somebody has ended HAProxy says nothing about the
// configuration. HAProxy runs again with the former one.
func TestKilledInAReload(t *testing.T) {
	each(t, func(l *lab) {
		l.apply("one")
		master := l.state().MasterPID
		testkit.Freeze(l.t, master) // so that it is still in the reload
		applied := make(chan error, 1)
		go func() {
			_, err := l.Apply(l.t.Context(), l.config("two"), "two")
			applied <- err
		}()
		testkit.Eventually(l.t, patience, func() error {
			if !strings.Contains(l.file(l.cfg.ConfigPath), "two") {
				return errors.New("the reload has not begun")
			}
			return nil
		})
		if err := syscall.Kill(master, syscall.SIGKILL); err != nil {
			l.t.Fatal(err)
		}
		err := <-applied
		if _, away := errors.AsType[*lb.UnavailableError](err); !away || !strings.Contains(err.Error(), "signal: killed") {
			l.t.Errorf("got %v", err)
		}
		testkit.Eventually(l.t, patience, func() error {
			if got, err := l.get(); err != nil || got != "one" {
				return fmt.Errorf("a client got %q, %w", got, err)
			}
			return nil
		})
		l.agree("one")
		l.apply("two")
	})
}
