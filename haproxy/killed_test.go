package haproxy_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// TestKilledInAReload: that somebody has ended HAProxy says nothing about the
// configuration. HAProxy runs again with the former one.
func TestKilledInAReload(t *testing.T) {
	each(t, func(fx *fixture) {
		fx.apply("one")
		err := fx.inReload(fx.Process, "two", func(master int) { fx.signal(master, syscall.SIGKILL) })
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

// inReload freezes HAProxy's master, begins a reload by a Process, and returns its result
// after kill has ended something.
func (fx *fixture) inReload(p *haproxy.Process, word string, kill func(master int)) error {
	fx.t.Helper()
	master := fx.state().MasterPID
	testkit.Freeze(fx.t, master)
	applied := make(chan error, 1)
	go func() {
		_, err := p.Apply(fx.t.Context(), fx.config(word), word)
		applied <- err
	}()
	testkit.Eventually(fx.t, patience, func() error {
		if !strings.Contains(fx.file(fx.cfg.ConfigPath), word) {
			return errors.New("the reload has not begun")
		}
		return nil
	})
	kill(master)
	return <-applied
}

func (fx *fixture) signal(pid int, sig syscall.Signal) {
	fx.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		fx.t.Fatal(err)
	}
}

// TestAdoptedKilledInAReload: nobody tells how a HAProxy has ended that another program
// has started. Its end says nothing about the configuration.
func TestAdoptedKilledInAReload(t *testing.T) {
	each(t, func(fx *fixture) {
		fx.apply("one")
		adopter := fx.another(func(c *haproxy.Config) { c.Mode = haproxy.External })
		err := fx.inReload(adopter, "two", func(master int) { fx.signal(master, syscall.SIGKILL) })
		if !errors.As(err, new(*lb.UnavailableError)) {
			fx.t.Errorf("got %v", err)
		}
		fx.apply("one")
	})
}

// TestWorkerKilledInAReload: HAProxy ends if somebody kills the worker that serves, and
// has not read the new file then.
func TestWorkerKilledInAReload(t *testing.T) {
	each(t, func(fx *fixture) {
		fx.apply("one")
		worker := fx.state().WorkerPID
		err := fx.inReload(fx.Process, "two", func(master int) {
			fx.signal(worker, syscall.SIGKILL)
			fx.signal(master, syscall.SIGCONT)
		})
		// The master may be faster with the reload than with the end of the worker.
		if err != nil && !errors.As(err, new(*lb.UnavailableError)) {
			fx.t.Errorf("got %v", err)
		}
		fx.apply("two")
	})
}
