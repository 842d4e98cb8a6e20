package agent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api/node"
	"thalassa/discovery"
	"thalassa/lb"
)

func TestBurstOfChangesCostsOneRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001")
		w.serves("1001")
		reloads, adjusts := w.attempts(), w.adjustments()
		for i := range 100 {
			w.consul("shop", uint64(i+2), "", "1.0.0 1001", fmt.Sprintf("1.0.0 %d", 2000+i))
			pause(t.Context(), 100*time.Microsecond)
		}
		w.serves("1001", "2099")
		if r, n := w.attempts()-reloads, w.adjustments()-adjusts; r != 0 || n != 1 {
			t.Errorf("100 changes within 10 ms cost %d reloads and %d changes at run time, expected 0 and 1", r, n)
		}
	})
}

func TestStreamOfChangesReloadsAtTheConfiguredRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		w.serves()
		pause(t.Context(), 10*time.Second) // the burst is free again
		before := w.attempts()
		in, _ := w.Load(t.Context())
		for i := range 200 { // by somebody else than this agent
			key := lb.Name(fmt.Sprintf("b%d", i))
			next, err := in.Apply(lb.Edit{Backend: &lb.Backend{Key: key, Type: "static", Mode: "http", Balance: "roundrobin"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Commit(t.Context(), in.Revision, next, lb.Stamp{}); err != nil {
				t.Fatal(err)
			}
			in, _ = w.Load(t.Context())
			pause(t.Context(), 100*time.Millisecond)
		}
		if n := w.attempts() - before; n > 10+20*2+1 || n < 20 {
			t.Errorf("20 s of changes cost %d reloads, expected 10 and 2 a second", n)
		}
		w.serves()
		if !strings.Contains(w.config(), "backend b199") {
			t.Error("the last change is not in effect")
		}
	})
}

func TestSteadyStateIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001")
		w.serves("1001")
		reloads, events := w.attempts(), len(w.verbs())
		for i := range 50 {
			w.consul("shop", uint64(i+2), "", "1.0.0 1001", "9.9.9 3000") // another version is no concern of b
			pause(t.Context(), time.Second)
		}
		if w.attempts() != reloads || len(w.verbs()) != events {
			t.Errorf("nothing changed, and there were %d reloads and the events %v", w.attempts()-reloads, w.verbs()[events:])
		}
	})
}

func TestEditTellsWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.consul("shop", 1, "", "1.0.0 1001")
		w.run()
		applied, err := w.put()
		if err != nil || !applied.Applied || applied.Path != "reload" || applied.Revision != 1 || applied.Duration <= 0 {
			t.Fatalf("got %+v, %v", applied, err)
		}
		again, err := w.put()
		if err != nil || !again.Applied || again.Path != "none" || again.Revision != 1 {
			t.Errorf("the same again: got %+v, %v; expected nothing to do at revision 1", again, err)
		}
		for _, e := range w.events {
			if e.Verb == activity.HAProxyConfigChanged && (e.Author != "ann" || e.Cause != "PUT /backends/b" || len(e.Diff) == 0) {
				t.Errorf("the event does not tell who, why and what: %+v", e)
			}
		}
		if w.count(activity.HAProxyConfigChanged) == 0 {
			t.Errorf("no %s event in %v", activity.HAProxyConfigChanged, w.verbs())
		}
	})
}

func TestRefusedByTheCheckStoresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.checkRefuses = "no-such-keyword"
		w.run()
		w.serves()
		before := w.attempts()
		if _, err := w.putNative("x", "no-such-keyword"); !refused(err) {
			t.Fatalf("got %v, expected a refusal", err)
		}
		if len(w.revisions) > 0 || w.attempts() != before {
			t.Errorf("%d revisions and %d reloads came of a refused change", len(w.revisions), w.attempts()-before)
		}
	})
}

func TestRefusedAtTheStartIsTakenBackByARevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startRefuses = "option cannot-start"
		w.run()
		if _, err := w.putNative("good", "option httplog"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.putNative("x", "option cannot-start"); !refused(err) {
			t.Fatalf("got %v, expected a refusal", err)
		}
		in, _ := w.Load(t.Context())
		if _, there := in.Backends["x"]; there || in.Revision != 3 {
			t.Errorf("revision %d still holds the backend: %t; expected it gone with revision 3", in.Revision, there)
		}
		if w.revisions[2].Author != "thalassa" || !strings.Contains(w.revisions[2].Cause, "revision 2") {
			t.Errorf("the taking back is stamped %+v", w.revisions[2].Stamp)
		}
		if w.count(activity.ConfigurationReverted) != 1 || w.count(activity.HAProxyReloadFailed) != 1 {
			t.Errorf("the events are %v", w.verbs())
		}
		s, err := w.agent.Status(t.Context())
		if ready, reasons := s.Ready(); err != nil || !ready || s.InEffect != 3 {
			t.Errorf("after the taking back: ready %t (%v), revision %d in effect, %v", ready, reasons, s.InEffect, err)
		}
	})
}

func TestHAProxyAwayIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		w.serves()
		w.mu.Lock()
		w.down = &lb.UnavailableError{What: "HAProxy is not running"}
		w.mu.Unlock()
		applied, err := w.putNative("x", "option httplog")
		if err != nil || applied.Applied || !strings.Contains(applied.Reason, "HAProxy is not running") {
			t.Fatalf("got %+v, %v; expected a stored change that is not in effect", applied, err)
		}
		pause(t.Context(), 5*time.Minute)
		if n := w.count(activity.ConfigurationWaiting); n != 1 {
			t.Errorf("a failure of five minutes made %d events, expected 1", n)
		}
		w.mu.Lock()
		w.down = nil
		w.mu.Unlock()
		pause(t.Context(), 31*time.Second)
		if !strings.Contains(w.config(), "backend x") {
			t.Errorf("HAProxy is back for half a minute and runs %s", w.config())
		}
	})
}

func TestCallerWhoGoesAwayLeavesNothingHalfDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startRefuses = "option cannot-start"
		w.run()
		w.serves()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond) // the reload takes 50
		defer cancel()
		b, err := node.ParseBackend("x", []byte(`{"type":"static","natives":["option cannot-start"]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.agent.Edit(ctx, lb.Edit{Backend: &b}); !refused(err) {
			t.Fatalf("got %v, expected a refusal", err)
		}
		if in, _ := w.Load(t.Context()); len(in.Backends) > 0 {
			t.Errorf("the refused backend is still stored")
		}
	})
}

func TestSwitchNeedsAHealthyInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.1.0 1002 sick")
		_, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		if conflict := (*lb.ConflictError)(nil); !errors.As(err, &conflict) || !strings.Contains(conflict.Reason, "1.1.0 (0 of 1 healthy)") {
			t.Fatalf("got %v, expected a conflict that counts the sick instance", err)
		}
		w.serves("1001")

		begin := time.Now()
		go func() {
			pause(t.Context(), 3*time.Second)
			w.consul("shop", 2, "", "1.0.0 1001", "1.1.0 1002")
		}()
		applied, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0", Wait: 10 * time.Second})
		if err != nil || !applied.Applied || time.Since(begin) < 3*time.Second || time.Since(begin) > 4*time.Second {
			t.Fatalf("got %+v, %v after %s; expected success right after 3 s", applied, err, time.Since(begin))
		}
		w.serves("1002")
		if w.count(activity.BackendSwitched) != 1 {
			t.Errorf("the events are %v", w.verbs())
		}
		if _, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "7", Force: true}); err != nil {
			t.Fatal(err)
		}
		w.serves()
	})
}

func TestSwitchErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001")
		if _, err := w.putNative("static", "option httplog"); err != nil {
			t.Fatal(err)
		}
		_, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "none", Version: "1"})
		if notFound := (*lb.NotFoundError)(nil); !errors.As(err, &notFound) {
			t.Errorf("unknown backend: got %v", err)
		}
		_, err = w.agent.Switch(t.Context(), lb.Switch{Backend: "static", Version: "1"})
		if conflict := (*lb.ConflictError)(nil); !errors.As(err, &conflict) {
			t.Errorf("static backend: got %v", err)
		}
		_, err = w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Service: "silent", Version: "1"})
		if unavailable := (*lb.UnavailableError)(nil); !errors.As(err, &unavailable) {
			t.Errorf("a service that Consul says nothing about: got %v", err)
		}
		_, err = w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.0.0", IfMatch: []string{`"old"`}})
		if precondition := (*lb.PreconditionError)(nil); !errors.As(err, &precondition) {
			t.Errorf("an entity tag of before: got %v", err)
		}
	})
}

// Nothing is known of a service, and Consul does not answer for it: its backend
// keeps what HAProxy has, and the others go on.
func TestAdoptedHAProxyKeepsItsMembersUntilConsulAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		stop := w.start()
		if _, err := w.put(); err != nil {
			t.Fatal(err)
		}
		w.serves("1001", "1002")
		stop()
		w.mu.Lock()
		w.snapshot = lb.Snapshot{Services: map[lb.Name]lb.Service{}} // is lost
		w.mu.Unlock()
		before := w.attempts()
		w.run()
		pause(t.Context(), time.Minute)
		w.serves("1001", "1002")
		if n := w.attempts() - before; n != 0 {
			t.Errorf("taking over cost %d reloads", n)
		}
		if _, err := w.putNative("x", "option httplog"); err != nil {
			t.Errorf("a change meanwhile: %v", err)
		}
		w.serves("1001", "1002")
		w.consul("shop", 1, "", "1.0.0 1002", "1.0.0 1003")
		w.serves("1002", "1003")
	})
}

// Members that HAProxy has under their own names are not known by their slots.
func TestMembersWithoutSlotsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(5, shop)
		w.running = true // from an earlier agent; and its snapshot is lost
		w.servers = []lb.ServerState{{Backend: "b", Server: "host.example:80", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Weight: 1}}
		w.run()
		pause(t.Context(), time.Minute)
		if w.attempts() > 0 {
			t.Fatal("the members of an adopted HAProxy were taken away before Consul had answered")
		}
		_, err := w.putNative("x", "option httplog")
		if unavailable := (*lb.UnavailableError)(nil); !errors.As(err, &unavailable) {
			t.Errorf("a change meanwhile: got %v, expected that it cannot be made now", err)
		}
		w.consul("shop", 1, "", "1.0.0 1001")
		w.serves("1001")
	})
}

func TestStaleAndRecoveredDiscoveryIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.consul("shop", 1, discovery.Unconfirmed, "1.0.0 1001")
		w.consul("cart", 1, discovery.Unconfirmed)
		w.run()
		if _, err := w.put(); err != nil {
			t.Fatal(err)
		}
		w.consul("shop", 1, "", "1.0.0 1001")
		w.consul("cart", 1, "")
		w.serves("1001")
		if w.count(activity.DiscoveryStale)+w.count(activity.DiscoveryRecovered) > 0 {
			t.Errorf("a start with stored members made the events %v", w.verbs())
		}
		for range 3 {
			w.consul("shop", 1, "asking consul: connection refused", "1.0.0 1001")
			w.consul("cart", 1, "asking consul: connection refused")
			w.serves("1001")
		}
		w.consul("shop", 1, "", "1.0.0 1001")
		w.consul("cart", 1, "")
		w.serves("1001")
		if w.count(activity.DiscoveryStale) != 1 || w.count(activity.DiscoveryRecovered) != 1 {
			t.Errorf("one outage of two services made the events %v", w.verbs())
		}
	})
}

func TestConcurrentChangesAreRevisionsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		const n = 20
		results := make(chan lb.Applied, n)
		for i := range n {
			go func() {
				applied, err := w.putNative(fmt.Sprintf("b%d", i), "option httplog")
				if err != nil {
					t.Error(err)
				}
				results <- applied
			}()
		}
		seen := map[uint64]bool{}
		for range n {
			applied := <-results
			if !applied.Applied || seen[applied.Revision] {
				t.Errorf("got %+v a second time, or not applied", applied)
			}
			seen[applied.Revision] = true
		}
		if in, _ := w.Load(t.Context()); len(in.Backends) != n {
			t.Errorf("%d backends are stored, expected %d", len(in.Backends), n)
		}
	})
}

func TestServicesAreWatchedWhileAnybodyNeedsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001")
		synctest.Wait()
		if got := w.watched(); got != "[shop]" {
			t.Errorf("watched: %s, expected shop", got)
		}
		go func() {
			_, _ = w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Service: "other", Version: "1"})
		}()
		synctest.Wait()
		if got := w.watched(); got != "[other shop]" {
			t.Errorf("watched during the switch: %s, expected other and shop", got)
		}
		pause(t.Context(), time.Minute)
		if got := w.watched(); got != "[shop]" {
			t.Errorf("watched after the failed switch: %s, expected shop", got)
		}
	})
}
