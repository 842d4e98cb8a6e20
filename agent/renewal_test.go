package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"thalassa/lb"
)

// Who asks for a reload gets its outcome: the new worker, or HAProxy's refusal.
func TestRenewedFilesAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		before := fx.attempts()
		applied, err := fx.agent.Reload(t.Context(), lb.Origin{Author: "ann", Cause: "POST /haproxy/reload"})
		if err != nil || !applied.Applied || applied.Path != "reload" || applied.Revision != 1 || fx.attempts() != before+1 {
			t.Errorf("%+v, %v after %d reloads", applied, err, fx.attempts()-before)
		}
		fx.serves("1001")

		fx.mu.Lock()
		fx.startRefuses = "s1"
		fx.mu.Unlock()
		if _, err := fx.agent.Reload(t.Context(), lb.Origin{}); !refused(err) {
			t.Errorf("%v, want the refusal", err)
		}
		before = fx.attempts()
		pause(t.Context(), 2*time.Minute)
		if st, err := fx.agent.Status(t.Context()); err != nil || st.Problem != "" || fx.attempts() != before {
			t.Errorf("after a refusal: %q, %v, %d more reloads", st.Problem, err, fx.attempts()-before)
		}
		fx.serves("1001")
	})
}

// A signal before the first round is not lost where HAProxy is adopted.
func TestRenewalDuringTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.consul("shop", 1, "", "1.0.0 1001")
		stop := fx.start()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		stop()
		before := fx.attempts()
		fx.make()
		fx.agent.Renewed()
		t.Cleanup(fx.begin())
		pause(t.Context(), 2*time.Second)
		if got := fx.attempts() - before; got != 1 {
			t.Errorf("%d reloads, want one", got)
		}
	})
}
