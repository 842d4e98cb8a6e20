package agent_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api/node"
	"thalassa/lb"
)

// replace puts a worker in the place of the one that serves, in which the servers of a
// backend stand as they did before: the file on disk is a moment behind.
func (fx *fixture) replace(former []lb.ServerState) {
	fx.worker++
	fx.servers = slices.Clone(former)
}

// staged runs an agent whose HAProxy had 1001 and 2001 in use in two backends, and has
// 1001, 1002 and 2001, 2002 now.
func staged(t *testing.T) (fx *fixture, former []lb.ServerState) {
	t.Helper()
	fx = newFixture(t)
	fx.ready("1.0.0 1001")
	fx.consul("other", 1, "", "1.0.0 2001")
	b, err := node.ParseBackend("c", []byte(`{"type":"dynamic","name":"other","version":"1.0.0"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b}); err != nil {
		t.Fatal(err)
	}
	fx.serves("1001", "2001")
	fx.mu.Lock()
	former = slices.Clone(fx.servers)
	fx.mu.Unlock()
	fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002")
	fx.consul("other", 2, "", "1.0.0 2001", "1.0.0 2002")
	fx.serves("1001", "1002", "2001", "2002")
	return fx, former
}

// righted checks that HAProxy has been put right within a moment, and that a backend
// never was without a server in use.
func (fx *fixture) righted(ports ...string) {
	fx.t.Helper()
	pause(fx.t.Context(), 20*time.Millisecond) // the next look by itself is up to a second away
	fx.mu.Lock()
	got, emptied := members(fx.servers), fx.emptied
	fx.mu.Unlock()
	if emptied || !slices.Equal(got, ports) {
		fx.t.Errorf("HAProxy has the members %v, expected %v; no server was in use for a moment: %t", got, ports, emptied)
	}
	if n := fx.count(activity.ServersRepaired); n < 1 || n > 2 {
		fx.t.Errorf("%d repairs", n)
	}
	fx.serves(ports...)
}

// A change must fit the worker that it is made to, which may be another one than a
// moment ago.
func TestSomebodyElseReloadsRightBeforeAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, former := staged(t)
		fx.mu.Lock()
		fx.replace(former)
		fx.mu.Unlock()
		fx.consul("shop", 3, "", "1.0.0 1002", "1.0.0 1001 sick")
		fx.righted("1002", "2001", "2002")
	})
}

func TestSomebodyElseReloadsInTheMiddleOfAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, former := staged(t)
		fx.mu.Lock()
		fx.between = func() {
			fx.between = nil
			fx.replace(former)
		}
		fx.mu.Unlock()
		fx.consul("shop", 3, "", "1.0.0 1002", "1.0.0 1001 sick")
		fx.righted("1002", "2001", "2002")
	})
}

// What a look has found is put right in the worker that serves by then, and others of
// its servers may differ as well.
func TestSomebodyElseReloadsInTheMiddleOfARepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, former := staged(t)
		replaced := make(chan struct{})
		fx.mu.Lock()
		fx.servers[1].Weight = 7
		fx.between = func() {
			fx.between = nil
			fx.replace(former)
			close(replaced)
		}
		fx.mu.Unlock()
		<-replaced
		fx.righted("1001", "1002", "2001", "2002")
	})
}

// Members whose slots somebody has given away get others in the same step.
func TestSlotsAreTakenRightBeforeAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, _ := staged(t)
		before := fx.attempts()
		fx.mu.Lock()
		for i, s := range fx.servers {
			if s.Address.Port == 1002 {
				fx.servers[i].Address.Port = 9999
			}
		}
		fx.mu.Unlock()
		fx.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003")
		fx.righted("1001", "1002", "1003", "2001", "2002")
		if n := fx.attempts() - before; n > 0 {
			t.Errorf("HAProxy was reloaded %d times", n)
		}
	})
}
