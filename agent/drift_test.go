package agent_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
)

// A look at the servers waits while HAProxy starts or reloads. The next look may be much
// cheaper.
func TestServersAreRepairedSoonAfterASlowLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002")
		fx.serves("1001", "1002")
		look := func(d time.Duration) {
			fx.mu.Lock()
			fx.look = d
			fx.mu.Unlock()
			pause(t.Context(), 4*time.Second) // the next look begins within a second
		}
		look(2 * time.Second)
		look(0)
		fx.mu.Lock()
		fx.servers[0].Maintenance = true
		fx.mu.Unlock()
		pause(t.Context(), 7*time.Second)
		if n := fx.count(activity.ServersRepaired); n != 1 {
			t.Errorf("%d repairs 7 s after somebody took a server out of use", n)
		}
		fx.serves("1001", "1002")
	})
}

// Servers that take long to read are read rarely, except when somebody else has reloaded
// HAProxy.
func TestServersOfAnotherWorkerAreRepairedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, former := staged(t)
		fx.mu.Lock()
		fx.look = 100 * time.Millisecond
		fx.mu.Unlock()
		for range 4 {
			reads := fx.readings()
			pause(t.Context(), 20*time.Second)
			if n := fx.readings() - reads; n < 2 || n > 5 {
				t.Errorf("the servers were read %d times in 20 s", n)
			}
			fx.mu.Lock()
			fx.replace(former)
			fx.mu.Unlock()
			pause(t.Context(), 1500*time.Millisecond)
			fx.mu.Lock()
			got := members(fx.servers)
			fx.mu.Unlock()
			if !slices.Equal(got, []string{"1001", "1002", "2001", "2002"}) {
				t.Errorf("HAProxy has the members %v", got)
			}
		}
	})
}

// A server that checks another port than its file says, or sends requests in clear text,
// gets a new worker, once.
func TestSettingsOfServersAreRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002")
		fx.mu.Lock()
		fx.servers[0].Deviation = "has check port 1, expected 0"
		applies := fx.applies
		fx.mu.Unlock()
		pause(t.Context(), 20*time.Second)
		fx.mu.Lock()
		got, deviation := fx.applies-applies, fx.servers[0].Deviation
		fx.mu.Unlock()
		if n := fx.count(activity.ServersRepaired); n != 1 || got != 1 || deviation != "" {
			t.Errorf("%d repairs, %d reloads, s1 %s", n, got, deviation)
		}
		fx.serves("1001", "1002")
	})
}

// HAProxy may start again with a file that is a moment behind.
func TestServersAreRepairedAtOnceAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002")
		fx.serves("1001", "1002")
		fx.mu.Lock()
		fx.servers[0].Maintenance = true
		fx.mu.Unlock()
		fx.agent.Restarted()
		pause(t.Context(), 10*time.Millisecond) // the next look by itself is up to a second away
		if n := fx.count(activity.ServersRepaired); n != 1 {
			t.Errorf("%d repairs", n)
		}
		fx.serves("1001", "1002")
	})
}

// Reading ten thousand servers takes a moment. A change of members does not wait for it.
func TestNoChangeWaitsForALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002")
		fx.mu.Lock()
		fx.look = time.Hour
		fx.mu.Unlock()
		pause(t.Context(), 2*time.Second) // a look is under way
		fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003")
		pause(t.Context(), 100*time.Millisecond)
		fx.serves("1001", "1002", "1003")
	})
}

// What is observed while a round changes something proves nothing. Drift is repaired
// nevertheless where instances come and go all the time.
func TestServersAreRepairedAmongManyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002")
		fx.mu.Lock()
		fx.look = 100 * time.Millisecond
		fx.servers[0].Maintenance = true
		fx.mu.Unlock()
		for i := range uint64(60) {
			instances := []string{"1.0.0 1001", "1.0.0 1002", "1.0.0 1003"}
			fx.consul("shop", 2+i, "", instances[:2+i%2]...)
			pause(t.Context(), 50*time.Millisecond)
		}
		if n := fx.count(activity.ServersRepaired); n != 1 {
			t.Errorf("%d repairs within 3 s after somebody took a server out of use", n)
		}
		pause(t.Context(), time.Second)
		fx.serves("1001", "1002", "1003")
	})
}
