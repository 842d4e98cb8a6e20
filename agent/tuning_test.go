package agent_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/agent"
	"thalassa/lb"
)

// tuning is that of the fixture.
func tuning() agent.Tuning {
	return agent.Config{
		Process: lb.Process{StatsSocket: "/run/h.sock", MaxConn: 100, HardStopAfter: time.Minute}, ReloadEvery: 500 * time.Millisecond, ReloadBurst: 10,
	}.Tuning()
}

// HAProxy's own settings are in effect when Tune returns; they need a reload, which waits
// for no random time.
func TestTunedSettingsOfHAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.jitter, fx.chance = time.Hour, func(most time.Duration) time.Duration { return most / 2 }
		fx.ready("1.0.0 1001")
		next := tuning()
		next.ReloadJitter, next.Process.MaxConn = time.Hour, 5000
		if err := fx.agent.Tune(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(fx.config(), "maxconn 5000") {
			t.Errorf("haproxy.cfg is\n%s", fx.config())
		}
		if _, err := fx.putNative("x", "retries 2"); err != nil || !strings.Contains(fx.config(), "maxconn 5000") {
			t.Errorf("the next change: %v\n%s", err, fx.config())
		}
	})
}

// What HAProxy refuses leaves everything as it is, whether its check or its start finds it.
func TestRefusedTuning(t *testing.T) {
	for name, refuse := range map[string]func(*fixture){
		"by the check": func(fx *fixture) { fx.checkRefuses = "maxconn 5000" },
		"by the start": func(fx *fixture) { fx.startRefuses = "maxconn 5000" },
		"by the limit": func(*fixture) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fx := newFixture(t)
				refuse(fx)
				fx.ready("1.0.0 1001", "1.0.0 1002")
				next := tuning()
				next.Process.MaxConn = 5000
				if name == "by the limit" {
					next.MaxServers = 1
				}
				err := fx.agent.Tune(t.Context(), next)
				if !errors.As(err, new(*lb.RefusedError)) {
					t.Fatalf("got %v", err)
				}
				if !strings.Contains(fx.config(), "maxconn 100\n") {
					t.Errorf("haproxy.cfg is\n%s", fx.config())
				}
				if _, err := fx.putNative("x", "retries 2"); err != nil {
					t.Errorf("the next change: %v", err)
				}
				if status, err := fx.agent.Status(t.Context()); err != nil || status.Problem != "" {
					t.Errorf("problem %q, %v", status.Problem, err)
				}
			})
		})
	}
}

// The rate of reloads is another one from the next reload on.
func TestTunedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		next := tuning()
		next.ReloadEvery, next.ReloadBurst = 5*time.Second, 1
		if err := fx.agent.Tune(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for _, key := range []string{"a", "b", "c"} {
			if _, err := fx.putNative(key, "retries 2"); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("three reloads took %v, want one at once and two after 5 s each", took)
		}
	})
}

// What renders a configuration beside the agent, such as `thalassa check`, renders what the
// agent would.
func TestProcessForATemplate(t *testing.T) {
	tmpl, err := agent.ReadTemplate("")
	if err != nil {
		t.Fatal(err)
	}
	for _, has := range []bool{false, true} {
		cfg := agent.Config{Process: lb.Process{MaxConn: 7}, HashKeys: func() bool { return has }}
		p := cfg.ProcessFor(tmpl)
		if p.MaxConn != 7 || p.HashKey != has || p.Unnumbered {
			t.Errorf("hash keys %t: %+v", has, p)
		}
	}
}
