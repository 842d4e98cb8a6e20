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
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.serves("1001")
		before := fx.attempts()
		fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004")
		fx.serves("1001", "1002", "1003", "1004")
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("filling the slots cost %d reloads", n)
		}
		fx.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005")
		fx.serves("1001", "1002", "1003", "1004", "1005")
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("growing cost %d reloads", n)
		}
		fx.consul("shop", 4, "", "1.0.0 1005", "1.0.0 1006", "1.0.0 1007")
		fx.serves("1005", "1006", "1007")
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("other members cost %d reloads", n)
		}
	})
}

func TestSwitchHappensAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002", "1.1.0 1101", "1.1.0 1102", "1.1.0 1103")
		applied, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		if err != nil || !applied.Applied || applied.Path != "runtime" {
			t.Fatalf("got %+v, %v; expected the run-time path", applied, err)
		}
		fx.serves("1101", "1102", "1103")
	})
}

func TestRunTimeFailureFallsBackToAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.serves("1001")
		fx.mu.Lock()
		fx.deaf = errors.New("haproxy said no")
		fx.mu.Unlock()
		fx.consul("shop", 2, "", "1.0.0 1002")
		fx.serves("1002")
	})
}

func TestNextAgentAdoptsWithoutAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		stop := fx.start()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		fx.serves("1001", "1002")
		stop()
		before := fx.attempts()
		fx.consul("shop", 2, "", "1.0.0 1002", "1.0.0 1003") // while no agent runs
		fx.run()
		fx.serves("1002", "1003")
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("taking over cost %d reloads", n)
		}
		if fx.count(activity.HAProxyAdopted) != 1 {
			t.Errorf("the events are %v", fx.verbs())
		}
	})
}

func TestServersChangedBySomebodyElseAreRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002")
		fx.serves("1001", "1002")
		before := fx.attempts()
		fx.mu.Lock()
		fx.servers[0].Maintenance = true
		fx.servers[1].Weight = 7
		fx.servers[3].Maintenance = false
		fx.mu.Unlock()
		fx.serves("1001", "1002")
		if n := fx.attempts() - before; n != 0 || fx.count(activity.ServersRepaired) != 1 {
			t.Errorf("%d reloads, and the events %v", n, fx.verbs())
		}
		fx.mu.Lock()
		fx.servers = fx.servers[:1] // as after a reload with another file
		fx.mu.Unlock()
		fx.serves("1001", "1002")
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("slots that are gone cost %d reloads", n)
		}
		fx.mu.Lock()
		fx.servers = fx.servers[1:]
		fx.mu.Unlock()
		fx.serves("1001", "1002")
		if n := fx.attempts() - before; n != 1 {
			t.Errorf("a first slot that is gone cost %d reloads, expected 1", n)
		}
	})
}
