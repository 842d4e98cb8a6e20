package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api/node"
	"thalassa/lb"
)

// stored makes the fixture's intent hold backend b of service shop in version
// 1.0.0, as from an earlier run.
func (fx *fixture) stored(revision uint64, body string) {
	b, err := node.ParseBackend("b", []byte(body))
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.intent = lb.Intent{Revision: revision, Backends: map[lb.Name]lb.Backend{"b": b}}
}

const shop = `{"type":"dynamic","name":"shop","version":"1.0.0"}`

// hashed is shop with an algorithm under which only a reload adds server lines.
const hashed = `{"type":"dynamic","name":"shop","version":"1.0.0","balance":"source"}`

func TestUnchangedRevisionIsInEffectOnlyAfterARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(5, shop) // Consul is asked first
		x, err := node.ParseBackend("x", []byte(`{"type":"static","natives":["option httplog"]}`))
		if err != nil {
			t.Fatal(err)
		}
		fx.intent.Backends["x"] = x
		fx.down = &lb.UnavailableError{What: "HAProxy is not running"}
		fx.run()
		applied, err := fx.putNative("x", "option httplog")
		if err != nil || applied.Applied || applied.Revision != 5 {
			t.Errorf("HAProxy does not run, and the answer is %+v, %v", applied, err)
		}
	})
}

func TestLostDatabaseDoesNotRemoveFrontends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.running, fx.drops = true, true
		fx.run()
		pause(t.Context(), time.Minute)
		status, err := fx.agent.Status(t.Context())
		if err != nil || fx.attempts() > 0 || !strings.Contains(status.Problem, "nothing is stored") {
			t.Errorf("%d attempts to replace what HAProxy runs, status %+v, %v", fx.attempts(), status, err)
		}
		if n := fx.count(activity.ConfigurationWaiting); n != 1 {
			t.Errorf("it was recorded %d times", n)
		}
		if applied, err := fx.putNative("x", "option httplog"); err != nil || !applied.Applied {
			t.Errorf("a change is answered with %+v, %v", applied, err)
		}
	})
}

func TestAgentIsNotReadyBeforeItsFirstRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(5, shop)
		fx.running = true
		fx.run()
		s, err := fx.agent.Status(t.Context())
		if ready, _ := s.Ready(); err != nil || ready {
			t.Errorf("ready %t, %v; nobody knows yet what HAProxy runs", ready, err)
		}
	})
}

func TestChangeUnderWayWhenTheAgentStopsIsAnsweredByTheLastRound(t *testing.T) {
	for name, native := range map[string]string{"taken": "option httplog", "refused": "option cannot-start"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fx := newFixture(t)
				fx.startRefuses = "option cannot-start"
				stop := fx.start()
				fx.serves()
				fx.reload = 2 * time.Second
				type answer struct {
					lb.Applied
					err error
				}
				answers := make(chan answer, 1)
				go func() {
					applied, err := fx.putNative("x", native)
					answers <- answer{applied, err}
				}()
				pause(t.Context(), time.Second)
				begin := time.Now()
				stop()
				got := <-answers
				if d := time.Since(begin); d > 2*time.Second {
					t.Errorf("the answer came %s after the agent was stopped", d)
				}
				in, _ := fx.Load(t.Context())
				_, stored := in.Backends["x"]
				if name == "taken" && (got.err != nil || !got.Applied.Applied || !stored) {
					t.Errorf("got %+v, stored %t; expected it to be in effect", got, stored)
				}
				if name == "refused" && (!refused(got.err) || stored) {
					t.Errorf("got %+v, stored %t; expected it to be refused and taken back", got, stored)
				}
				if _, err := fx.putNative("y", "option httplog"); err == nil {
					t.Error("an agent that has stopped took a change")
				}
			})
		})
	}
}

func TestGoingBackKeepsTheMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.forgets, fx.startRefuses = true, "option cannot-start"
		fx.stored(1, shop)
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.run()
		fx.serves("1001")
		b, err := node.ParseBackend("b", []byte(`{"type":"dynamic","name":"other","version":"1.0.0","natives":["option cannot-start"]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b}); !refused(err) {
			t.Fatalf("got %v, expected a refusal", err)
		}
		fx.serves("1001")
		if got := fx.watched(); got != "[shop]" || len(fx.Snapshot().Services) != 1 {
			t.Errorf("watched is %s, known %v", got, fx.Snapshot().Services)
		}
	})
}

func TestServiceThatLeavesTheSnapshotKeepsItsMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.mu.Lock()
		fx.snapshot = lb.Snapshot{Services: map[lb.Name]lb.Service{}}
		fx.mu.Unlock()
		fx.poke()
		fx.serves("1001")
		if _, err := fx.putNative("x", "option httplog"); err != nil { // another revision
			t.Fatal(err)
		}
		fx.serves("1001")
	})
}

func TestMembersAreKeptWhileHAProxyDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(5, shop)
		fx.running, fx.unclear = true, errors.New("asking master socket: timeout")
		fx.run()
		pause(t.Context(), 10*time.Second)
		if n := fx.attempts(); n > 0 {
			t.Errorf("%d reloads without members, though Consul has not answered", n)
		}
	})
}

func TestRepairByAReloadConverges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(1, `{"type":"dynamic","name":"shop","version":"1.0.0","balance":"source"}`)
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.run()
		fx.serves("1001")
		before := fx.attempts()
		fx.mu.Lock()
		fx.servers[0].Weight = 0 // "set weight 0%", which "source" does not take back by an operation
		fx.mu.Unlock()
		pause(t.Context(), time.Minute)
		if n := fx.attempts() - before; n != 1 || fx.servers[0].Weight != 1 {
			t.Errorf("%d reloads, and the weight is %d", n, fx.servers[0].Weight)
		}
		if n := fx.count(activity.ServersRepaired); n != 1 {
			t.Errorf("one repair made %d events", n)
		}
	})
}

func TestAnotherConfigurationInHAProxyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.run()
		if _, err := fx.putNative("x", "option httplog"); err != nil {
			t.Fatal(err)
		}
		fx.mu.Lock()
		fx.applied = append(fx.applied, "global\n") // somebody has reloaded it with a file of his own
		fx.mu.Unlock()
		fx.serves()
		if !strings.Contains(fx.config(), "backend x") {
			t.Errorf("HAProxy runs %q", fx.config())
		}
		before := fx.attempts()
		pause(t.Context(), time.Minute)
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("%d more reloads", n)
		}
	})
}

func TestTemplateWithoutFingerprintCausesNoReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.useTemplate("description \"thalassa {{.Fingerprint}}\"", "# {{.Fingerprint}}")
		fx.stored(1, shop)
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.run()
		fx.serves("1001")
		before := fx.attempts()
		pause(t.Context(), time.Minute)
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("%d reloads in steady state", n)
		}
	})
}

// useTemplate writes the default template, with one text for another, to the
// file that agents use.
func (fx *fixture) useTemplate(old, text string) {
	fx.t.Helper()
	source, err := os.ReadFile("../template/default.haproxy.cfg.tmpl")
	if err != nil {
		fx.t.Fatal(err)
	}
	if fx.templateFile == "" {
		fx.templateFile = filepath.Join(fx.t.TempDir(), "template")
	}
	changed := strings.Replace(string(source), old, text, 1)
	if err := os.WriteFile(fx.templateFile, []byte(changed), 0o600); err != nil {
		fx.t.Fatal(err)
	}
}

func TestTemplateIsTriedAgainAfterAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.useTemplate("", "")
		fx.run()
		fx.serves()
		fx.full = errors.New("writing a copy: no space left on device")
		fx.useTemplate("retries 3", "retries 17")
		pause(t.Context(), 10*time.Second)
		if n := fx.count(activity.TemplateRefused); n != 1 {
			t.Errorf("a template that cannot be tried for 10 s made %d events", n)
		}
		fx.mu.Lock()
		fx.full = nil
		fx.mu.Unlock()
		fx.serves()
		if !strings.Contains(fx.config(), "retries 17") || fx.count(activity.TemplateChanged) != 1 {
			t.Errorf("the disk has room again; events %v", fx.verbs())
		}
	})
}

func TestTemplateIsAcceptedWhileHAProxyIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.useTemplate("", "")
		fx.run()
		fx.serves()
		fx.mu.Lock()
		fx.down = &lb.UnavailableError{What: "HAProxy is not running"}
		fx.mu.Unlock()
		fx.useTemplate("retries 3", "retries 17")
		pause(t.Context(), 10*time.Second)
		if fx.count(activity.TemplateRefused) != 0 || fx.count(activity.TemplateChanged) != 1 {
			t.Errorf("nobody refused the template, and the events are %v", fx.verbs())
		}
	})
}

func TestSwitchLooksAgainBeforeItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(1, shop)
		fx.consul("shop", 1, "", "1.0.0 1001", "1.1.0 1101")
		fx.run()
		fx.serves("1001")
		fx.reload = 2 * time.Second
		go func() { _, _ = fx.putNative("x", "option httplog") }()
		synctest.Wait()
		switched := make(chan error, 1)
		go func() {
			_, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
			switched <- err
		}()
		synctest.Wait() // it has seen a healthy instance, and waits for the other change
		fx.consul("shop", 2, "", "1.0.0 1001")
		if err := <-switched; !errors.As(err, new(*lb.ConflictError)) {
			t.Errorf("got %v, expected a conflict: the version is gone", err)
		}
		fx.serves("1001")
	})
}

func TestSwitchSeesAnInstanceThatAppearsDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(1, shop)
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.run()
		fx.serves("1001")
		fx.reload = 5 * time.Second
		go func() { _, _ = fx.putNative("x", "option httplog") }()
		pause(t.Context(), time.Second)
		go func() {
			pause(t.Context(), 500*time.Millisecond)
			fx.consul("shop", 2, "", "1.0.0 1001", "1.1.0 1101")
		}()
		applied, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0", Wait: time.Second})
		if err != nil || !applied.Applied {
			t.Errorf("got %+v, %v", applied, err)
		}
		fx.serves("1101")
	})
}

func TestAcceptedSwitchIsRecordedThoughNotInEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(1, shop)
		fx.consul("shop", 1, "", "1.0.0 1001", "1.1.0 1101")
		fx.run()
		fx.serves("1001")
		fx.mu.Lock()
		fx.down, fx.deaf = &lb.UnavailableError{What: "HAProxy is not running"}, errors.New("connection refused")
		fx.mu.Unlock()
		applied, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		if err != nil || applied.Applied {
			t.Fatalf("got %+v, %v; expected a stored change that is not in effect", applied, err)
		}
		if fx.count(activity.BackendSwitched) != 1 {
			t.Errorf("the events are %v", fx.verbs())
		}
	})
}

func TestMembersFollowConsulWhileAReloadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(1, hashed)
		fx.checkRefuses = " s8 " // there is no room for more than seven
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.run()
		fx.serves("1001")
		fx.consul("shop", 2, "", "1.0.0 2001", "1.0.0 2002", "1.0.0 2003", "1.0.0 2004", "1.0.0 2005", "1.0.0 2006")
		fx.serves("2001", "2002", "2003", "2004")
		fx.consul("shop", 3, "", "1.0.0 2002", "1.0.0 2003", "1.0.0 2004", "1.0.0 2005", "1.0.0 2006", "1.0.0 2007")
		pause(t.Context(), 31*time.Second)
		fx.serves("2002", "2003", "2004", "2005")
		if s, err := fx.agent.Status(t.Context()); err != nil || !strings.Contains(s.Problem, "refused by the check") {
			t.Errorf("the status is %+v, %v", s, err)
		}
		fx.mu.Lock()
		fx.checkRefuses = ""
		fx.mu.Unlock()
		pause(t.Context(), 31*time.Second)
		fx.serves("2002", "2003", "2004", "2005", "2006", "2007")
	})
}

func TestAllMembersAreReplacedWhileAReloadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.stored(1, hashed)
		fx.checkRefuses = " s8 "
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.run()
		fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004")
		fx.serves("1001", "1002", "1003", "1004")
		fx.consul("shop", 3, "", "1.0.0 2001", "1.0.0 2002", "1.0.0 2003", "1.0.0 2004")
		pause(t.Context(), 100*time.Millisecond) // in the first round, not the next
		fx.mu.Lock()
		now := members(fx.servers)
		fx.mu.Unlock()
		if strings.Join(now, " ") != "2001 2002 2003 2004" {
			t.Errorf("HAProxy has the members %v", now)
		}
	})
}

func TestEditedFileIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.run()
		pause(t.Context(), 5*time.Minute)
		fx.mu.Lock()
		fx.file = "edited"
		fx.mu.Unlock()
		pause(t.Context(), time.Minute)
		if fx.file != fx.config() {
			t.Errorf("the file is %q", fx.file)
		}
	})
}
