package canary_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/internal/permit"
	"thalassa/lb"
)

// revoked is the answer about one author from a moment on.
func (w *fixture) revoked(author string) *atomic.Bool {
	var gone atomic.Bool // the runner asks in a goroutine of its own
	w.permit = func(name string, _ lb.Name) error {
		if gone.Load() && name == author {
			return errors.New("has no token any more")
		}
		return nil
	}
	return &gone
}

func TestAuthorWithoutTheRight(t *testing.T) {
	t.Run("during a step", func(t *testing.T) {
		bubble(t, func(w *fixture) {
			gone := w.revoked("ann")
			r := w.begun(70 * time.Second)
			gone.Store(true)
			pass(3 * time.Second)
			s := w.await(r, lb.CanaryPhase.IsEnd)
			aborted(w.t, s, nil, 25, "ann, who started it, has no token any more")
			w.stands("1")
			if got := w.verbs(); got != "[canaryStarted canaryWentBack]" {
				w.t.Errorf("events %s", got)
			}
		})
	})
	t.Run("right before a step", func(t *testing.T) {
		bubble(t, func(w *fixture) {
			gone := w.revoked("ann")
			w.atEnd(25, func() { gone.Store(true) })
			s, err := w.deploy(w.t.Context())
			aborted(w.t, s, err, 25, "ann, who started it")
			w.stands("1")
		})
	})
	t.Run("while a step is tried again", func(t *testing.T) {
		bubble(t, func(w *fixture) {
			gone := w.revoked("ann")
			w.onSwitch[3] = func(func()) error {
				w.away = time.Now().Add(20 * time.Second)
				gone.Store(true)
				return w.absent()
			}
			s, err := w.deploy(w.t.Context())
			aborted(w.t, s, err, 25, "ann, who started it")
			w.stands("1")
		})
	})
	t.Run("in a pause", func(t *testing.T) {
		bubble(t, func(w *fixture) {
			gone := w.revoked("ann")
			r := w.begun(10 * time.Second)
			w.act(r, lb.CanaryPause)
			gone.Store(true)
			pass(3 * time.Second)
			aborted(w.t, w.await(r, lb.CanaryPhase.IsEnd), nil, 5, "ann, who started it")
		})
	})
	t.Run("over a restart of the agent", func(t *testing.T) {
		bubble(t, func(w *fixture) {
			r := w.runner()
			stop := w.running(r)
			if _, err := r.Start(w.t.Context(), w.request()); err != nil {
				w.t.Fatal(err)
			}
			pass(70 * time.Second)
			stop()
			w.revoked("ann").Store(true)
			r = w.runner()
			w.running(r)
			aborted(w.t, w.await(r, lb.CanaryPhase.IsEnd), nil, 25, "ann, who started it")
			w.stands("1")
		})
	})
}

// Whoever asks for all requests needs the right to them; who started it no longer does.
func TestFinishIsOfWhoAsksForIt(t *testing.T) {
	bubble(t, func(w *fixture) {
		gone := w.revoked("bob")
		w.onSwitch[2] = func(func()) error {
			w.away = time.Now().Add(20 * time.Second)
			gone.Store(true)
			return w.absent()
		}
		r := w.begun(10 * time.Second)
		aborted(w.t, w.act(r, lb.CanaryFinish), nil, 5, "bob, who asked for all requests, has no token any more")
		w.stands("1")
	})
	bubble(t, func(w *fixture) {
		gone := w.revoked("ann")
		w.onSwitch[2] = func(do func()) error { gone.Store(true); do(); return nil }
		r := w.begun(10 * time.Second)
		if s := w.act(r, lb.CanaryFinish); s.Phase != lb.CanaryDone {
			w.t.Errorf("%+v", s)
		}
	})
}

// A request waits for the first step, and needs the right itself.
func TestFirstStepIsInTheRightOfItsRequest(t *testing.T) {
	bubble(t, func(w *fixture) {
		r := w.runner()
		w.running(r)
		lost := errors.New("revoked")
		ctx := permit.With(w.t.Context(), func() error { return lost })
		if _, err := r.Start(ctx, w.request()); !errors.Is(err, lost) || w.asked != 0 {
			w.t.Errorf("%v after %d switches", err, w.asked)
		}
		w.stands("1")
	})
}
