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

// TestBurstOfChangesCostsTwoRounds: one for the first change, one for the others.
func TestBurstOfChangesCostsTwoRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.serves("1001")
		reloads, adjusts := fx.attempts(), fx.adjustments()
		for i := range 100 {
			fx.consul("shop", uint64(i+2), "", "1.0.0 1001", fmt.Sprintf("1.0.0 %d", 2000+i))
			pause(t.Context(), 100*time.Microsecond)
		}
		fx.serves("1001", "2099")
		if r, n := fx.attempts()-reloads, fx.adjustments()-adjusts; r != 0 || n != 2 {
			t.Errorf("100 changes within 10 ms cost %d reloads and %d changes at run time, expected 0 and 2", r, n)
		}
	})
}

func TestStreamOfChangesReloadsAtTheConfiguredRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.run()
		fx.serves()
		pause(t.Context(), 10*time.Second) // the burst is free again
		before := fx.attempts()
		in, _ := fx.Load(t.Context())
		changes := 200
		if testing.Short() {
			changes = 100
		}
		for i := range changes { // by somebody else than this agent
			key := lb.Name(fmt.Sprintf("b%d", i))
			next, err := in.Apply(lb.Edit{Backend: &lb.Backend{Key: key, Type: "static", Mode: "http", Balance: "roundrobin"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fx.Commit(t.Context(), in.Revision, next, lb.Origin{}); err != nil {
				t.Fatal(err)
			}
			in, _ = fx.Load(t.Context())
			pause(t.Context(), 100*time.Millisecond)
		}
		if n, seconds := fx.attempts()-before, changes/10; n > 10+2*seconds+1 || n < seconds {
			t.Errorf("%d s of changes cost %d reloads, expected 10 and 2 a second", seconds, n)
		}
		fx.serves()
		if !strings.Contains(fx.config(), fmt.Sprintf("backend b%d\n", changes-1)) {
			t.Error("the last change is not in effect")
		}
	})
}

func TestSteadyStateIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.serves("1001")
		reloads, events := fx.attempts(), len(fx.verbs())
		for i := range 50 {
			fx.consul("shop", uint64(i+2), "", "1.0.0 1001", "9.9.9 3000") // another version is no concern of b
			pause(t.Context(), time.Second)
		}
		if fx.attempts() != reloads || len(fx.verbs()) != events {
			t.Errorf("nothing changed, and there were %d reloads and the events %v", fx.attempts()-reloads, fx.verbs()[events:])
		}
	})
}

func TestEditRecordsWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.run()
		applied, err := fx.put()
		if err != nil || !applied.Applied || applied.Path != "reload" || applied.Revision != 1 || applied.Duration <= 0 {
			t.Fatalf("got %+v, %v", applied, err)
		}
		again, err := fx.put()
		if err != nil || !again.Applied || again.Path != "none" || again.Revision != 1 {
			t.Errorf("the same again: got %+v, %v; expected nothing to do at revision 1", again, err)
		}
		for _, e := range fx.events {
			if e.Verb == activity.HAProxyConfigChanged && (e.Author != "ann" || e.Cause != "PUT /backends/b" || len(e.Diff) == 0) {
				t.Errorf("the event does not say who, why and what: %+v", e)
			}
		}
		if fx.count(activity.HAProxyConfigChanged) == 0 {
			t.Errorf("no %s event in %v", activity.HAProxyConfigChanged, fx.verbs())
		}
	})
}

func TestRefusedByTheCheckStoresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.checkRefuses = "no-such-keyword"
		fx.run()
		fx.serves()
		before := fx.attempts()
		if _, err := fx.putNative("x", "no-such-keyword"); !refused(err) {
			t.Fatalf("got %v, expected a refusal", err)
		}
		if len(fx.revisions) > 0 || fx.attempts() != before {
			t.Errorf("%d revisions and %d reloads came of a refused change", len(fx.revisions), fx.attempts()-before)
		}
	})
}

func TestRefusedAtTheStartIsRevertedByARevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.startRefuses = "option cannot-start"
		fx.run()
		if _, err := fx.putNative("good", "option httplog"); err != nil {
			t.Fatal(err)
		}
		if _, err := fx.putNative("x", "option cannot-start"); !refused(err) {
			t.Fatalf("got %v, expected a refusal", err)
		}
		in, _ := fx.Load(t.Context())
		if _, there := in.Backends["x"]; there || in.Revision != 3 {
			t.Errorf("revision %d still holds the backend: %t; expected it gone with revision 3", in.Revision, there)
		}
		if fx.revisions[2].Author != "thalassa" || !strings.Contains(fx.revisions[2].Cause, "revision 2") {
			t.Errorf("the taking back is stamped %+v", fx.revisions[2].Origin)
		}
		if fx.count(activity.ConfigurationReverted) != 1 || fx.count(activity.HAProxyReloadFailed) != 1 {
			t.Errorf("the events are %v", fx.verbs())
		}
		s, err := fx.agent.Status(t.Context())
		if ready, reasons := s.Ready(); err != nil || !ready || s.InEffect != 3 {
			t.Errorf("after the taking back: ready %t (%v), revision %d in effect, %v", ready, reasons, s.InEffect, err)
		}
	})
}

func TestUnreachableHAProxyIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.run()
		fx.serves()
		fx.mu.Lock()
		fx.down = &lb.UnavailableError{What: "HAProxy is not running"}
		fx.mu.Unlock()
		applied, err := fx.putNative("x", "option httplog")
		if err != nil || applied.Applied || !strings.Contains(applied.Reason, "HAProxy is not running") {
			t.Fatalf("got %+v, %v; expected a stored change that is not in effect", applied, err)
		}
		pause(t.Context(), 5*time.Minute)
		if n := fx.count(activity.ConfigurationWaiting); n != 1 {
			t.Errorf("a failure of five minutes made %d events, expected 1", n)
		}
		fx.mu.Lock()
		fx.down = nil
		fx.mu.Unlock()
		pause(t.Context(), 31*time.Second)
		if !strings.Contains(fx.config(), "backend x") {
			t.Errorf("HAProxy is back for half a minute and runs %s", fx.config())
		}
	})
}

func TestChangeIsCompletedWithoutItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.startRefuses = "option cannot-start"
		fx.run()
		fx.serves()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond) // the reload takes 50
		defer cancel()
		b, err := node.ParseBackend("x", []byte(`{"type":"static","natives":["option cannot-start"]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fx.agent.Edit(ctx, lb.Edit{Backend: &b}); !refused(err) {
			t.Fatalf("got %v, expected a refusal", err)
		}
		if in, _ := fx.Load(t.Context()); len(in.Backends) > 0 {
			t.Errorf("the refused backend is still stored")
		}
	})
}

func TestSwitchNeedsAHealthyInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.1.0 1002 sick")
		_, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		if conflict := (*lb.ConflictError)(nil); !errors.As(err, &conflict) || !strings.Contains(conflict.Reason, "1.1.0 (0 of 1 healthy)") {
			t.Fatalf("got %v, expected a conflict that counts the sick instance", err)
		}
		fx.serves("1001")

		begin := time.Now()
		go func() {
			pause(t.Context(), 3*time.Second)
			fx.consul("shop", 2, "", "1.0.0 1001", "1.1.0 1002")
		}()
		applied, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0", Wait: 10 * time.Second})
		if err != nil || !applied.Applied || time.Since(begin) < 3*time.Second || time.Since(begin) > 4*time.Second {
			t.Fatalf("got %+v, %v after %s; expected success right after 3 s", applied, err, time.Since(begin))
		}
		fx.serves("1002")
		if fx.count(activity.BackendSwitched) != 1 {
			t.Errorf("the events are %v", fx.verbs())
		}
		if _, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "7", Force: true}); err != nil {
			t.Fatal(err)
		}
		fx.serves()
	})
}

func TestSwitchErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		if _, err := fx.putNative("static", "option httplog"); err != nil {
			t.Fatal(err)
		}
		_, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "none", Version: "1"})
		if notFound := (*lb.NotFoundError)(nil); !errors.As(err, &notFound) {
			t.Errorf("unknown backend: got %v", err)
		}
		_, err = fx.agent.Switch(t.Context(), lb.Switch{Backend: "static", Version: "1"})
		if conflict := (*lb.ConflictError)(nil); !errors.As(err, &conflict) {
			t.Errorf("static backend: got %v", err)
		}
		_, err = fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Service: "silent", Version: "1"})
		if unavailable := (*lb.UnavailableError)(nil); !errors.As(err, &unavailable) {
			t.Errorf("a service that Consul says nothing about: got %v", err)
		}
		_, err = fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.0.0", IfMatch: []string{`"old"`}})
		if precondition := (*lb.PreconditionError)(nil); !errors.As(err, &precondition) {
			t.Errorf("an entity tag of before: got %v", err)
		}
	})
}

// While Consul has not answered about a service, its backend keeps the members that
// HAProxy has, and the other backends change as usual.
func TestAdoptedHAProxyKeepsItsMembersUntilConsulAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		stop := fx.start()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		fx.serves("1001", "1002")
		stop()
		fx.mu.Lock()
		fx.snapshot = lb.Snapshot{Services: map[lb.Name]lb.Service{}} // is lost
		fx.mu.Unlock()
		before := fx.attempts()
		fx.run()
		pause(t.Context(), time.Minute)
		fx.serves("1001", "1002")
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("taking over cost %d reloads", n)
		}
		if _, err := fx.putNative("x", "option httplog"); err != nil {
			t.Errorf("a change meanwhile: %v", err)
		}
		fx.serves("1001", "1002")
		fx.consul("shop", 1, "", "1.0.0 1002", "1.0.0 1003")
		fx.serves("1002", "1003")
	})
}

// Members with host names have no slots, so they cannot be read from HAProxy.
func TestStartWaitsForMembersWithoutSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(5, shop)
		fx.running = true // from an earlier agent; and its snapshot is lost
		fx.servers = []lb.ServerState{{Backend: "b", Server: "host.example:80", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Weight: 1}}
		fx.run()
		pause(t.Context(), time.Minute)
		if fx.attempts() > 0 {
			t.Fatal("the members of an adopted HAProxy were taken away before Consul had answered")
		}
		_, err := fx.putNative("x", "option httplog")
		if unavailable := (*lb.UnavailableError)(nil); !errors.As(err, &unavailable) {
			t.Errorf("a change meanwhile: got %v, expected that it cannot be made now", err)
		}
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.serves("1001")
	})
}

func TestStaleAndRecoveredDiscoveryIsRecordedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.consul("shop", 1, discovery.Unconfirmed, "1.0.0 1001")
		fx.consul("cart", 1, discovery.Unconfirmed)
		fx.run()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.consul("cart", 1, "")
		fx.serves("1001")
		if fx.count(activity.DiscoveryStale)+fx.count(activity.DiscoveryRecovered) > 0 {
			t.Errorf("a start with stored members made the events %v", fx.verbs())
		}
		for range 3 {
			fx.consul("shop", 1, "asking consul: connection refused", "1.0.0 1001")
			fx.consul("cart", 1, "asking consul: connection refused")
			fx.serves("1001")
		}
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.consul("cart", 1, "")
		fx.serves("1001")
		if fx.count(activity.DiscoveryStale) != 1 || fx.count(activity.DiscoveryRecovered) != 1 {
			t.Errorf("one outage of two services made the events %v", fx.verbs())
		}
	})
}

func TestConcurrentChangesAreRevisionsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.run()
		const n = 20
		results := make(chan lb.Applied, n)
		for i := range n {
			go func() {
				applied, err := fx.putNative(fmt.Sprintf("b%d", i), "option httplog")
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
		if in, _ := fx.Load(t.Context()); len(in.Backends) != n {
			t.Errorf("%d backends are stored, expected %d", len(in.Backends), n)
		}
	})
}

func TestServicesAreWatchedWhileNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		synctest.Wait()
		if got := fx.watched(); got != "[shop]" {
			t.Errorf("watched: %s, expected shop", got)
		}
		go func() {
			_, _ = fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Service: "other", Version: "1"})
		}()
		synctest.Wait()
		if got := fx.watched(); got != "[other shop]" {
			t.Errorf("watched during the switch: %s, expected other and shop", got)
		}
		pause(t.Context(), time.Minute)
		if got := fx.watched(); got != "[shop]" {
			t.Errorf("watched after the failed switch: %s, expected shop", got)
		}
	})
}
