package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/lb"
	"thalassa/natives"
)

// TestEditWithARawLineThatReachesTooFar is refused before HAProxy sees the line,
// which could make it open the file.
func TestEditWithARawLineThatReachesTooFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.rawLines = natives.Policy{}
		fx.ready("1.0.0 1001")
		before := fx.checks()
		_, err := fx.putNative("x", "errorfile 503 /etc/shadow")
		var invalid *lb.InvalidError
		if !errors.As(err, &invalid) || invalid.Fields[0].Path != "natives[0]" || !strings.Contains(invalid.Error(), "/etc/shadow") {
			t.Errorf("got %v", err)
		}
		if n := fx.checks() - before; n != 0 {
			t.Errorf("HAProxy has checked the line %d times", n)
		}
		if in, err := fx.agent.Intent(t.Context()); err != nil || len(in.Backends) != 1 {
			t.Errorf("%v is stored, %v", in.Backends, err)
		}
	})
}

// TestEditWithAnUnknownWord is HAProxy's to refuse; what only HAProxy knows is
// refused after all.
func TestEditWithAnUnknownWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.rawLines = natives.Policy{}
		fx.checkRefuses = "newkeyword"
		fx.ready("1.0.0 1001")
		if _, err := fx.putNative("x", "newkeyword x"); !refused(err) {
			t.Errorf("got %v, and not HAProxy's words", err)
		}
		if _, err := fx.putNative("x", "otherkeyword x"); !errors.As(err, new(*lb.InvalidError)) {
			t.Errorf("got %v", err)
		}
		if in, err := fx.agent.Intent(t.Context()); err != nil || len(in.Backends) != 1 {
			t.Errorf("%v is stored, %v", in.Backends, err)
		}
	})
}

// TestStoredRawLineStays in effect, with a warning, until it is edited.
func TestStoredRawLineStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		const line = "errorfile 503 /var/www/503.http"
		fx.persistence = filepath.Join(t.TempDir(), "persistence.json")
		if err := os.WriteFile(fx.persistence, []byte(`{"frontends":[],"backends":[{"_type":"backend","id":"backend/x","key":"x","type":"static","natives":["`+line+`"],"members":[]}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		fx.rawLines = natives.Policy{}
		fx.ready("1.0.0 1001")
		fx.serves("1001")
		s, err := fx.agent.Status(t.Context())
		if ready, _ := s.Ready(); err != nil || !ready || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "backend/x: natives[0]: ") {
			t.Errorf("got %+v, %v", s, err)
		}
		fx.mu.Lock()
		applied := strings.Join(fx.applied, "")
		fx.mu.Unlock()
		if !strings.Contains(applied, line) {
			t.Errorf("the line is not in effect:\n%s", applied)
		}
		if _, err := fx.putNative("x", line); !errors.As(err, new(*lb.InvalidError)) {
			t.Errorf("writing it again: %v", err)
		}
		if _, err := fx.putNative("x", "option httplog"); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), time.Second)
		if s, err := fx.agent.Status(t.Context()); err != nil || len(s.Warnings) != 0 {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

// checks counts HAProxy's checks.
func (fx *fixture) checks() int {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fx.checked
}
