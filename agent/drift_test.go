package agent_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
)

// A look at the servers waits for a HAProxy that is being started or reloaded. That
// says nothing about what the next one costs.
func TestServersArePutRightSoonAfterASlowLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.0.0 1002")
		w.serves("1001", "1002")
		look := func(d time.Duration) {
			w.mu.Lock()
			w.look = d
			w.mu.Unlock()
			pause(t.Context(), 4*time.Second) // the next look begins within a second
		}
		look(2 * time.Second)
		look(0)
		w.mu.Lock()
		w.servers[0].Maintenance = true
		w.mu.Unlock()
		pause(t.Context(), 7*time.Second)
		if n := w.count(activity.ServersRepaired); n != 1 {
			t.Errorf("%d repairs 7 s after somebody took a server out of use", n)
		}
		w.serves("1001", "1002")
	})
}

// Where it takes long to read the servers that is done rarely, but not when somebody
// else has reloaded HAProxy.
func TestServersOfAnotherWorkerArePutRightSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, former := staged(t)
		w.mu.Lock()
		w.look = 100 * time.Millisecond
		w.mu.Unlock()
		for range 4 {
			reads := w.readings()
			pause(t.Context(), 20*time.Second)
			if n := w.readings() - reads; n < 2 || n > 5 {
				t.Errorf("the servers were read %d times in 20 s", n)
			}
			w.mu.Lock()
			w.replace(former)
			w.mu.Unlock()
			pause(t.Context(), 1500*time.Millisecond)
			w.mu.Lock()
			got := members(w.servers)
			w.mu.Unlock()
			if !slices.Equal(got, []string{"1001", "1002", "2001", "2002"}) {
				t.Errorf("HAProxy has the members %v", got)
			}
		}
	})
}

// A server that checks another port than its file says, or sends requests in clear text,
// gets a new worker, once.
func TestSettingsOfServersArePutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.0.0 1002")
		w.mu.Lock()
		w.servers[0].Deviation = "has check port 1, expected 0"
		applies := w.applies
		w.mu.Unlock()
		pause(t.Context(), 20*time.Second)
		w.mu.Lock()
		got, deviation := w.applies-applies, w.servers[0].Deviation
		w.mu.Unlock()
		if n := w.count(activity.ServersRepaired); n != 1 || got != 1 || deviation != "" {
			t.Errorf("%d repairs, %d reloads, s1 %s", n, got, deviation)
		}
		w.serves("1001", "1002")
	})
}

// HAProxy may start again with a file that is a moment behind.
func TestServersArePutRightAtOnceAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.0.0 1002")
		w.serves("1001", "1002")
		w.mu.Lock()
		w.servers[0].Maintenance = true
		w.mu.Unlock()
		w.agent.Restarted()
		pause(t.Context(), 10*time.Millisecond) // the next look by itself is up to a second away
		if n := w.count(activity.ServersRepaired); n != 1 {
			t.Errorf("%d repairs", n)
		}
		w.serves("1001", "1002")
	})
}

// Reading ten thousand servers takes a moment, in which instances come and go.
func TestNoChangeWaitsForALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.0.0 1002")
		w.mu.Lock()
		w.look = time.Hour
		w.mu.Unlock()
		pause(t.Context(), 2*time.Second) // a look is under way
		w.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003")
		pause(t.Context(), 100*time.Millisecond)
		w.serves("1001", "1002", "1003")
	})
}

// What was seen while a round changed something shows nothing, but there is no end
// of rounds where instances come and go all the time.
func TestServersArePutRightAmongManyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.0.0 1002")
		w.mu.Lock()
		w.look = 100 * time.Millisecond
		w.servers[0].Maintenance = true
		w.mu.Unlock()
		for i := range uint64(60) {
			instances := []string{"1.0.0 1001", "1.0.0 1002", "1.0.0 1003"}
			w.consul("shop", 2+i, "", instances[:2+i%2]...)
			pause(t.Context(), 50*time.Millisecond)
		}
		if n := w.count(activity.ServersRepaired); n != 1 {
			t.Errorf("%d repairs within 3 s after somebody took a server out of use", n)
		}
		pause(t.Context(), time.Second)
		w.serves("1001", "1002", "1003")
	})
}
