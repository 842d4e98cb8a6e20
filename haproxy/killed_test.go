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
	each(t, func(fx *fixture) {
		fx.apply("one")
		master := fx.state().MasterPID
		testkit.Freeze(fx.t, master) // so that it is still in the reload
		applied := make(chan error, 1)
		go func() {
			_, err := fx.Apply(fx.t.Context(), fx.config("two"), "two")
			applied <- err
		}()
		testkit.Eventually(fx.t, patience, func() error {
			if !strings.Contains(fx.file(fx.cfg.ConfigPath), "two") {
				return errors.New("the reload has not begun")
			}
			return nil
		})
		if err := syscall.Kill(master, syscall.SIGKILL); err != nil {
			fx.t.Fatal(err)
		}
		err := <-applied
		if _, away := errors.AsType[*lb.UnavailableError](err); !away || !strings.Contains(err.Error(), "signal: killed") {
			fx.t.Errorf("got %v", err)
		}
		testkit.Eventually(fx.t, patience, func() error {
			if got, err := fx.get(); err != nil || got != "one" {
				return fmt.Errorf("a client got %q, %w", got, err)
			}
			return nil
		})
		fx.agree("one")
		fx.apply("two")
	})
}
