package agent_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"thalassa/activity"
	"thalassa/lb"
)

func TestMembershipNeedsNoReloadWithinCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001")
		w.serves("1001")
		before := w.attempts()
		w.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004")
		w.serves("1001", "1002", "1003", "1004")
		if n := w.attempts() - before; n != 0 {
			t.Errorf("filling the slots cost %d reloads", n)
		}
		w.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005")
		w.serves("1001", "1002", "1003", "1004", "1005")
		if n := w.attempts() - before; n != 1 {
			t.Errorf("growing cost %d reloads, expected 1", n)
		}
		w.consul("shop", 4, "", "1.0.0 1005", "1.0.0 1006", "1.0.0 1007")
		w.serves("1005", "1006", "1007")
		if n := w.attempts() - before; n != 1 {
			t.Errorf("other members cost %d reloads", n-1)
		}
	})
}

func TestSwitchHappensAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.0.0 1002", "1.1.0 1101", "1.1.0 1102", "1.1.0 1103")
		applied, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		if err != nil || !applied.Applied || applied.Path != "runtime" {
			t.Fatalf("got %+v, %v; expected the run-time path", applied, err)
		}
		w.serves("1101", "1102", "1103")
	})
}

func TestRunTimeFailureFallsBackToAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001")
		w.serves("1001")
		w.mu.Lock()
		w.deaf = errors.New("haproxy said no")
		w.mu.Unlock()
		w.consul("shop", 2, "", "1.0.0 1002")
		w.serves("1002")
	})
}

func TestNextAgentAdoptsWithoutAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		stop := w.start()
		if _, err := w.put(); err != nil {
			t.Fatal(err)
		}
		w.serves("1001", "1002")
		stop()
		before := w.attempts()
		w.consul("shop", 2, "", "1.0.0 1002", "1.0.0 1003") // while no agent runs
		w.run()
		w.serves("1002", "1003")
		if n := w.attempts() - before; n != 0 {
			t.Errorf("taking over cost %d reloads", n)
		}
		if w.count(activity.HAProxyAdopted) != 1 {
			t.Errorf("the events are %v", w.verbs())
		}
	})
}

func TestServersChangedBySomebodyElseArePutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.0.0 1002")
		w.serves("1001", "1002")
		before := w.attempts()
		w.mu.Lock()
		w.servers[0].Maintenance = true
		w.servers[1].Weight = 7
		w.servers[3].Maintenance = false
		w.mu.Unlock()
		w.serves("1001", "1002")
		if n := w.attempts() - before; n != 0 || w.count(activity.ServersRepaired) != 1 {
			t.Errorf("%d reloads, and the events %v", n, w.verbs())
		}
		w.mu.Lock()
		w.servers = w.servers[:1] // as after a reload with another file
		w.mu.Unlock()
		w.serves("1001", "1002")
		if n := w.attempts() - before; n != 1 {
			t.Errorf("slots that are gone cost %d reloads, expected 1", n)
		}
	})
}
