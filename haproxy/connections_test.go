package haproxy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// TestConnectionsOfFormerMembers: a request under way is told of when its server has
// left, in the worker that serves and in one that a reload has replaced, until it
// is over.
func TestConnectionsOfFormerMembers(t *testing.T) {
	each(t, func(fx *fixture) {
		hold := make(chan struct{})
		a, b := web(fx.t, "a", "127.0.0.1", hold), web(fx.t, "b", "127.0.0.1", nil)
		s := fx.raise(pool("live", a))
		answer := make(chan string, 1)
		go func() {
			body, err := fx.get()
			answer <- fmt.Sprint(body, err)
		}()
		left := func(want ...lb.ServerConnections) {
			fx.t.Helper()
			testkit.Eventually(fx.t, patience, func() error {
				list, err := fx.Connections(fx.t.Context(), "live")
				list = slices.DeleteFunc(list, func(c lb.ServerConnections) bool { return c.Address != a })
				if err != nil || !slices.Equal(list, want) {
					return fmt.Errorf("%+v (%w), want %+v", list, err, want)
				}
				return nil
			})
		}
		left(lb.ServerConnections{Address: a, Connections: 1})
		s.become(pool("live", b))
		left(lb.ServerConnections{Address: a, Connections: 1})
		other := pool("live", b)
		other.Balance = "leastconn"
		next, _ := s.next(other)
		s.reload(next)
		left(lb.ServerConnections{Address: a, Connections: 1}) // the worker that has it does not use it any more
		hold <- struct{}{}
		if got := <-answer; got != "a\n<nil>" {
			fx.t.Errorf("the request was answered %q", got)
		}
		left()
		if list, err := fx.Connections(fx.t.Context(), "none"); err != nil || len(list) != 0 {
			fx.t.Errorf("a backend that there is not has %+v, %v", list, err)
		}
	})
}

// TestReplacedWorkersKeepTheirServers as long as they have a client.
func TestReplacedWorkersKeepTheirServers(t *testing.T) {
	each(t, func(fx *fixture) {
		hold := make(chan struct{})
		a, b := web(fx.t, "a", "::1", hold), web(fx.t, "b", "127.0.0.1", nil)
		fixed := lb.ResolvedBackend{Backend: lb.Backend{Key: "live", Type: "static", Mode: "http", Balance: "roundrobin"}}
		fixed.Members = []lb.Member{{Address: a, Weight: 1}}
		s := fx.raise(fixed)
		answer := make(chan error, 1)
		go func() {
			_, err := fx.get()
			answer <- err
		}()
		find := func(address lb.HostPort) (found []lb.ServerConnections) {
			list, err := fx.Connections(fx.t.Context(), "live")
			if err != nil {
				fx.t.Fatal(err)
			}
			for _, c := range list {
				if c.Address == address {
					found = append(found, c)
				}
			}
			return found
		}
		testkit.Eventually(fx.t, patience, func() error {
			if got := find(a); len(got) != 1 || got[0].Connections != 1 || got[0].Replaced {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		fixed.Members = []lb.Member{{Address: b, Weight: 1}}
		next, _ := s.next(fixed)
		s.reload(next)
		if got := find(a); len(got) != 1 || got[0] != (lb.ServerConnections{Address: a, Connections: 1, Replaced: true}) {
			fx.t.Errorf("in the replaced worker: %+v", got)
		}
		hold <- struct{}{}
		if err := <-answer; err != nil {
			fx.t.Error(err)
		}
		testkit.Eventually(fx.t, patience, func() error {
			if got := find(a); len(got) != 0 {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
	})
}

// TestReplacedWorkerThatHangs: what it does not tell is not known, and however often
// it is asked for, HAProxy can still be reloaded.
func TestReplacedWorkerThatHangs(t *testing.T) {
	each(t, func(fx *fixture) {
		hold := make(chan struct{})
		a := web(fx.t, "a", "127.0.0.1", hold)
		s := fx.raise(pool("live", a))
		answer := make(chan error, 1)
		go func() {
			_, err := fx.get()
			answer <- err
		}()
		testkit.Eventually(fx.t, patience, func() error {
			if list, err := fx.Connections(fx.t.Context(), "live"); err != nil || len(list) != 1 {
				return fmt.Errorf("%+v, %w", list, err)
			}
			return nil
		})
		old := fx.state().WorkerPID
		other := pool("live", a)
		for i, balance := range []string{"leastconn", "roundrobin"} {
			other.Balance = balance
			next, _ := s.next(other)
			s.reload(next)
			if i == 0 {
				testkit.Freeze(fx.t, old)
			}
			for range 12 {
				ctx, cancel := context.WithTimeout(fx.t.Context(), 100*time.Millisecond)
				list, err := fx.Connections(ctx, "live")
				cancel()
				if err == nil {
					fx.t.Errorf("a worker that hangs has %+v", list)
				}
			}
		}
		var unavailable *lb.UnavailableError
		if list, err := fx.Connections(fx.t.Context(), "live"); !errors.As(err, &unavailable) {
			fx.t.Errorf("got %+v, %v", list, err)
		}
		if err := syscall.Kill(old, syscall.SIGCONT); err != nil {
			fx.t.Fatal(err)
		}
		hold <- struct{}{}
		if err := <-answer; err != nil {
			fx.t.Error(err)
		}
	})
}
