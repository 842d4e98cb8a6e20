package agent_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// replace puts a worker in the place of the one that serves, in which the servers of a
// backend stand as they did before: the file on disk is a moment behind.
func (w *world) replace(former []lb.ServerState) {
	w.worker++
	w.servers = slices.Clone(former)
}

// staged runs an agent whose HAProxy had 1001 and 2001 in use in two backends, and has
// 1001, 1002 and 2001, 2002 now.
func staged(t *testing.T) (w *world, former []lb.ServerState) {
	t.Helper()
	w = newWorld(t)
	w.ready("1.0.0 1001")
	w.consul("other", 1, "", "1.0.0 2001")
	b, err := lb.ParseBackend("c", []byte(`{"type":"dynamic","name":"other","version":"1.0.0"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.agent.Edit(t.Context(), lb.Edit{Backend: &b}); err != nil {
		t.Fatal(err)
	}
	w.serves("1001", "2001")
	w.mu.Lock()
	former = slices.Clone(w.servers)
	w.mu.Unlock()
	w.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002")
	w.consul("other", 2, "", "1.0.0 2001", "1.0.0 2002")
	w.serves("1001", "1002", "2001", "2002")
	return w, former
}

// righted checks that HAProxy has been put right within a moment, and that a backend
// never was without a server in use.
func (w *world) righted(ports ...string) {
	w.t.Helper()
	pause(w.t.Context(), 20*time.Millisecond) // the next look by itself is up to a second away
	w.mu.Lock()
	got, emptied := members(w.servers), w.emptied
	w.mu.Unlock()
	if emptied || !slices.Equal(got, ports) {
		w.t.Errorf("HAProxy has the members %v, expected %v; no server was in use for a moment: %t", got, ports, emptied)
	}
	if n := w.count(activity.ServersRepaired); n < 1 || n > 2 {
		w.t.Errorf("%d repairs", n)
	}
	w.serves(ports...)
}

// A change must fit the worker that it is made to, which may be another one than a
// moment ago.
func TestSomebodyElseReloadsRightBeforeAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, former := staged(t)
		w.mu.Lock()
		w.replace(former)
		w.mu.Unlock()
		w.consul("shop", 3, "", "1.0.0 1002", "1.0.0 1001 sick")
		w.righted("1002", "2001", "2002")
	})
}

func TestSomebodyElseReloadsInTheMiddleOfAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, former := staged(t)
		w.mu.Lock()
		w.between = func() {
			w.between = nil
			w.replace(former)
		}
		w.mu.Unlock()
		w.consul("shop", 3, "", "1.0.0 1002", "1.0.0 1001 sick")
		w.righted("1002", "2001", "2002")
	})
}

// What a look has found is put right in the worker that serves by then, and others of
// its servers may be astray as well.
func TestSomebodyElseReloadsInTheMiddleOfARepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, former := staged(t)
		replaced := make(chan struct{})
		w.mu.Lock()
		w.servers[1].Weight = 7
		w.between = func() {
			w.between = nil
			w.replace(former)
			close(replaced)
		}
		w.mu.Unlock()
		<-replaced
		w.righted("1001", "1002", "2001", "2002")
	})
}

// Members whose slots somebody has given away get others in the same step.
func TestSlotsAreTakenRightBeforeAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := staged(t)
		before := w.attempts()
		w.mu.Lock()
		for i, s := range w.servers {
			if s.Address.Port == 1002 {
				w.servers[i].Address.Port = 9999
			}
		}
		w.mu.Unlock()
		w.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003")
		w.righted("1001", "1002", "1003", "2001", "2002")
		if n := w.attempts() - before; n > 0 {
			t.Errorf("HAProxy was reloaded %d times", n)
		}
	})
}
