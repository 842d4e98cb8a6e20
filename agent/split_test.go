package agent_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api/node"
	"thalassa/lb"
)

// weights lists the servers in use as "PORT*WEIGHT".
func (fx *fixture) weights() string {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	var out []string
	for _, s := range fx.servers {
		if !s.Maintenance {
			out = append(out, fmt.Sprintf("%d*%d", s.Address.Port, s.Weight))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func mustSplit(t *testing.T, text string) lb.Split {
	t.Helper()
	s, err := lb.ParseSplit(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTrafficIsDividedAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002", "1.1.0 1101", "1.2.0 1201 sick")
		attempts := fx.attempts()
		for _, step := range []struct{ split, weights string }{
			{"1.0.0=90,1.1.0=10", "1001*252 1002*252 1101*56"},
			{"1.0.0=50,1.1.0=50", "1001*128 1002*128 1101*256"},
			{"1.0.0=0,1.1.0=1", "1101*256"},
			{"1.0.0=50,1.1.0=50", "1001*128 1002*128 1101*256"},
		} {
			applied, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Versions: mustSplit(t, step.split)})
			if err != nil || !applied.Applied || applied.Path != "runtime" {
				t.Fatalf("%s: got %+v, %v; expected the run-time path", step.split, applied, err)
			}
			if got := fx.weights(); got != step.weights {
				t.Errorf("%s: HAProxy has %s, want %s", step.split, got, step.weights)
			}
		}
		// Another instance of a version shares what the version has.
		fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.1.0 1101", "1.1.0 1102")
		fx.serves("1001", "1002", "1101", "1102")
		if got, want := fx.weights(), "1001*256 1002*256 1101*256 1102*256"; got != want {
			t.Errorf("HAProxy has %s, want %s", got, want)
		}
		if _, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"}); err != nil {
			t.Fatal(err)
		}
		if got, want := fx.weights(), "1101*1 1102*1"; got != want {
			t.Errorf("HAProxy has %s, want %s", got, want)
		}
		if fx.attempts() != attempts {
			t.Errorf("%d reloads", fx.attempts()-attempts)
		}
		pause(t.Context(), time.Second)
		fx.mu.Lock()
		defer fx.mu.Unlock()
		var switches []string
		for _, e := range fx.events {
			if e.Verb == activity.BackendSwitched {
				switches = append(switches, e.Diff...)
			}
		}
		want := []string{
			"shop 1.0.0 → shop 1.0.0=90,1.1.0=10", "shop 1.0.0=90,1.1.0=10 → shop 1.0.0=50,1.1.0=50", "shop 1.0.0=50,1.1.0=50 → shop 1.0.0=0,1.1.0=1",
			"shop 1.0.0=0,1.1.0=1 → shop 1.0.0=50,1.1.0=50", "shop 1.0.0=50,1.1.0=50 → shop 1.1.0",
		}
		if !slices.Equal(switches, want) {
			t.Errorf("events %q, want %q", switches, want)
		}
	})
}

func TestSplitNeedsHealthyInstancesOfEachVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.1.0 1101 sick")
		for text, reason := range map[string]string{
			"1.0.0=90,1.1.0=10": "version 1.1.0 of service shop has no healthy instance; Consul knows 1.0.0 (1 of 1 healthy), 1.1.0 (0 of 1 healthy)",
			"1.0.0=1,1.1.0=1,7=1,8=0": "versions 1.1.0 and 7 of service shop have no healthy instance; " +
				"Consul knows 1.0.0 (1 of 1 healthy), 1.1.0 (0 of 1 healthy)",
		} {
			_, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Versions: mustSplit(t, text)})
			if conflict := (*lb.ConflictError)(nil); !errors.As(err, &conflict) || conflict.Reason != reason {
				t.Errorf("%s: got %v, want %s", text, err, reason)
			}
		}
		fx.serves("1001")
		applied, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Versions: mustSplit(t, "1.0.0=100,1.1.0=0")})
		if err != nil || !applied.Applied {
			t.Errorf("a version without traffic needs an instance: %+v, %v", applied, err)
		}
		if _, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Versions: mustSplit(t, "1.0.0=1,1.1.0=9"), Force: true}); err != nil {
			t.Errorf("forced: %v", err)
		}
		fx.serves("1001")
		fx.consul("shop", 2, "", "1.0.0 1001", "1.1.0 1101")
		fx.serves("1001", "1101")
		if got, want := fx.weights(), "1001*28 1101*252"; got != want {
			t.Errorf("HAProxy has %s, want %s", got, want)
		}
	})
}

func TestSplitUnderAStaticAlgorithmIsAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.consul("shop", 1, "", "1.0.0 1001", "1.1.0 1101")
		fx.run()
		b, err := node.ParseBackend("b", []byte(`{"type":"dynamic","name":"shop","version":"1.0.0","balance":"source"}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b}); err != nil {
			t.Fatal(err)
		}
		applied, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Versions: mustSplit(t, "1.0.0=3,1.1.0=1")})
		if err != nil || !applied.Applied || applied.Path != "reload" {
			t.Fatalf("got %+v, %v; expected a reload", applied, err)
		}
		if got, want := fx.weights(), "1001*255 1101*85"; got != want {
			t.Errorf("HAProxy has %s, want %s", got, want)
		}
	})
}
