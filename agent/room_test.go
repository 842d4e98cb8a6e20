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
		w := newWorld(t)
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
		w.consul("shop", 1, "", old...)
		w.run()
		if _, err := w.agent.Edit(t.Context(), lb.Edit{Backend: &lb.Backend{
			Key: "b", Type: "dynamic", Service: "shop", Version: "1", Mode: "http", Balance: "roundrobin",
		}}); err != nil {
			t.Fatal(err)
		}
		before := w.attempts()
		w.consul("shop", 2, "", slices.Concat(old, same)...)
		deploy := func(version string) {
			t.Helper()
			applied, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: lb.Version(version), Wait: time.Minute})
			if err != nil || !applied.Applied || applied.Path != "runtime" {
				t.Fatalf("to version %s: got %+v, %v; expected the run-time path", version, applied, err)
			}
		}
		deploy("2")
		w.serves(ports...)
		if n := w.attempts() - before; n != 0 {
			t.Errorf("the first switch cost %d reloads", n)
		}
		w.consul("shop", 3, "", slices.Concat(old, same, greater)...)
		w.serves(ports...)
		if n := w.attempts() - before; n != 1 {
			t.Errorf("a greater version cost %d reloads, expected 1", n)
		}
		deploy("3")
		w.serves(morePorts...)
		deploy("1")
		deploy("2")
		w.serves(ports...)
		if n := w.attempts() - before; n != 1 {
			t.Errorf("the switches after it cost %d reloads", n-1)
		}
	})
}

// TestHAProxyThatCannotChangeServersIsReloaded at once, without a try.
func TestHAProxyThatCannotChangeServersIsReloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lacks = "level admin"
		w.consul("shop", 1, "", "1.0.0 1001")
		stop := w.start()
		if _, err := w.put(); err != nil {
			t.Fatal(err)
		}
		w.serves("1001")
		w.consul("shop", 2, "", "1.0.0 1002")
		w.serves("1002")
		stop()
		w.consul("shop", 3, "", "1.0.0 1003")
		w.run() // the next agent asks anew
		w.serves("1003")
		if n := w.adjustments(); n != 0 {
			t.Errorf("%d changes at run time were tried", n)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		reasons := 0
		for _, e := range w.events {
			if e.Verb == activity.HAProxyReloaded && slices.Contains(e.Reasons, "process runtime") {
				reasons++
			}
		}
		if reasons != 1 {
			t.Errorf("%d reloads tell the reason", reasons)
		}
	})
}
