package agent_test

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// TestFirstSwitchOfManyNeedsNoReload: room for it was there from the beginning,
// and was made when a version that is greater than that came.
func TestFirstSwitchOfManyNeedsNoReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		instances := func(version string, from, count int) (out, ports []string) {
			for i := range count {
				ports = append(ports, strconv.Itoa(from+i))
				out = append(out, version+" "+ports[i])
			}
			return out, ports
		}
		old, _ := instances("1", 1000, 100)
		same, ports := instances("2", 2000, 100)
		greater, morePorts := instances("3", 3000, 150)
		fx.consul("shop", 1, "", old...)
		fx.run()
		if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &lb.Backend{
			Key: "b", Type: "dynamic", Service: "shop", Version: "1", Mode: "http", Balance: "roundrobin",
		}}); err != nil {
			t.Fatal(err)
		}
		before := fx.attempts()
		fx.consul("shop", 2, "", slices.Concat(old, same)...)
		deploy := func(version string) {
			t.Helper()
			applied, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: lb.Version(version), Wait: time.Minute})
			if err != nil || !applied.Applied || applied.Path != "runtime" {
				t.Fatalf("to version %s: got %+v, %v; expected the run-time path", version, applied, err)
			}
		}
		deploy("2")
		fx.serves(ports...)
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("the first switch cost %d reloads", n)
		}
		fx.consul("shop", 3, "", slices.Concat(old, same, greater)...)
		fx.serves(ports...)
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("a greater version cost %d reloads", n)
		}
		deploy("3")
		fx.serves(morePorts...)
		deploy("1")
		deploy("2")
		fx.serves(ports...)
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("the switches after it cost %d reloads", n)
		}
	})
}

// TestHAProxyThatCannotChangeServersIsReloaded at once, without a try.
func TestHAProxyThatCannotChangeServersIsReloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.lacks = "level admin"
		fx.consul("shop", 1, "", "1.0.0 1001")
		stop := fx.start()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		fx.serves("1001")
		fx.consul("shop", 2, "", "1.0.0 1002")
		fx.serves("1002")
		stop()
		fx.consul("shop", 3, "", "1.0.0 1003")
		fx.run() // the next agent asks anew
		fx.serves("1003")
		if n := fx.adjustments(); n != 0 {
			t.Errorf("%d changes at run time were tried", n)
		}
		fx.mu.Lock()
		defer fx.mu.Unlock()
		reasons := 0
		for _, e := range fx.events {
			if e.Verb == activity.HAProxyReloaded && slices.Contains(e.Reasons, "process runtime") {
				reasons++
			}
		}
		if reasons != 1 {
			t.Errorf("%d reloads have the reason", reasons)
		}
	})
}
