package agent_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/lb"
)

// Spare lines yield to the limit. Members that do not fit are refused by name of the limit;
// the others come and go.
func TestServersBeyondTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.maxServers = 4
		fx.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		fx.run()
		if applied, err := fx.put(); err != nil || !applied.Applied { // with less than three spare ones
			t.Fatalf("got %+v, %v", applied, err)
		}
		fx.serves("1001", "1002")
		fx.lines(4)

		b := lb.Backend{Key: "big", Type: "static", Mode: "http", Balance: "roundrobin"}
		for port := range 3 {
			b.Members = append(b.Members, lb.StaticMember{HostPort: lb.HostPort{Host: "127.0.0.1", Port: uint16(2001 + port)}}) //nolint:gosec // small
		}
		_, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b})
		if !errors.As(err, new(*lb.RefusedError)) || !strings.Contains(err.Error(), "5 server lines are more than haproxy-max-servers (4); the largest backend is big with 3") {
			t.Errorf("a backend beyond the limit: %v", err)
		}

		fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005")
		pause(t.Context(), time.Minute)
		if s, err := fx.agent.Status(t.Context()); err != nil || !strings.Contains(s.Problem, "5 server lines are more than haproxy-max-servers (4)") {
			t.Errorf("the problem is %q, %v", s.Problem, err)
		}
		fx.lines(4)
		fx.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1004", "1.0.0 1005", "1.0.0 1006")
		fx.serves("1001", "1004", "1005", "1006")
		if s, err := fx.agent.Status(t.Context()); err != nil || s.Problem != "" {
			t.Errorf("the problem is %q, %v", s.Problem, err)
		}
		fx.lines(4)
	})
}

// lines demands how many server lines HAProxy has.
func (fx *fixture) lines(most int) {
	fx.t.Helper()
	fx.mu.Lock()
	defer fx.mu.Unlock()
	if n := len(fx.servers); n > most {
		fx.t.Errorf("HAProxy has %d server lines, more than %d", n, most)
	}
}
