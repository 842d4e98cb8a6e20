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
		w := newWorld(t)
		w.rawLines = natives.Policy{}
		w.ready("1.0.0 1001")
		before := w.checks()
		_, err := w.putNative("x", "errorfile 503 /etc/shadow")
		var invalid *lb.InvalidError
		if !errors.As(err, &invalid) || invalid.Fields[0].Path != "natives[0]" || !strings.Contains(invalid.Error(), "/etc/shadow") {
			t.Errorf("got %v", err)
		}
		if n := w.checks() - before; n != 0 {
			t.Errorf("HAProxy has checked the line %d times", n)
		}
		if in, err := w.agent.Intent(t.Context()); err != nil || len(in.Backends) != 1 {
			t.Errorf("%v is stored, %v", in.Backends, err)
		}
	})
}

// TestEditWithAnUnknownWord is HAProxy's to refuse; what only HAProxy knows is
// refused after all.
func TestEditWithAnUnknownWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rawLines = natives.Policy{}
		w.checkRefuses = "newkeyword"
		w.ready("1.0.0 1001")
		if _, err := w.putNative("x", "newkeyword x"); !refused(err) {
			t.Errorf("got %v, and not HAProxy's words", err)
		}
		if _, err := w.putNative("x", "otherkeyword x"); !errors.As(err, new(*lb.InvalidError)) {
			t.Errorf("got %v", err)
		}
		if in, err := w.agent.Intent(t.Context()); err != nil || len(in.Backends) != 1 {
			t.Errorf("%v is stored, %v", in.Backends, err)
		}
	})
}

// TestStoredRawLineStays in effect, with a warning, until it is edited.
func TestStoredRawLineStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const line = "errorfile 503 /var/www/503.http"
		w.persistence = filepath.Join(t.TempDir(), "persistence.json")
		if err := os.WriteFile(w.persistence, []byte(`{"frontends":[],"backends":[{"_type":"backend","id":"backend/x","key":"x","type":"static","natives":["`+line+`"],"members":[]}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		w.rawLines = natives.Policy{}
		w.ready("1.0.0 1001")
		w.serves("1001")
		s, err := w.agent.Status(t.Context())
		if ready, _ := s.Ready(); err != nil || !ready || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "backend/x: natives[0]: ") {
			t.Errorf("got %+v, %v", s, err)
		}
		w.mu.Lock()
		applied := strings.Join(w.applied, "")
		w.mu.Unlock()
		if !strings.Contains(applied, line) {
			t.Errorf("the line is not in effect:\n%s", applied)
		}
		if _, err := w.putNative("x", line); !errors.As(err, new(*lb.InvalidError)) {
			t.Errorf("writing it again: %v", err)
		}
		if _, err := w.putNative("x", "option httplog"); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), time.Second)
		if s, err := w.agent.Status(t.Context()); err != nil || len(s.Warnings) != 0 {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

// checks counts HAProxy's checks.
func (w *world) checks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.checked
}
