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

// stored makes the world's intent hold backend b of service shop in version
// 1.0.0, as from an earlier run.
func (w *world) stored(revision uint64, body string) {
	b, err := node.ParseBackend("b", []byte(body))
	if err != nil {
		w.t.Fatal(err)
	}
	w.intent = lb.Intent{Revision: revision, Backends: map[lb.Name]lb.Backend{"b": b}}
}

const shop = `{"type":"dynamic","name":"shop","version":"1.0.0"}`

func TestSameAgainIsNotInEffectBeforeARoundHasSeenToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(5, shop) // Consul is asked first
		x, err := node.ParseBackend("x", []byte(`{"type":"static","natives":["option httplog"]}`))
		if err != nil {
			t.Fatal(err)
		}
		w.intent.Backends["x"] = x
		w.down = &lb.UnavailableError{What: "HAProxy is not running"}
		w.run()
		applied, err := w.putNative("x", "option httplog")
		if err != nil || applied.Applied || applied.Revision != 5 {
			t.Errorf("HAProxy does not run, and the answer is %+v, %v", applied, err)
		}
	})
}

func TestNothingStoredIsNoWishToServeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running, w.drops = true, true
		w.run()
		pause(t.Context(), time.Minute)
		status, err := w.agent.Status(t.Context())
		if err != nil || w.attempts() > 0 || !strings.Contains(status.Problem, "nothing is stored") {
			t.Errorf("%d attempts to replace what HAProxy runs, status %+v, %v", w.attempts(), status, err)
		}
		if n := w.count(activity.ConfigurationWaiting); n != 1 {
			t.Errorf("it is told of %d times", n)
		}
		if applied, err := w.putNative("x", "option httplog"); err != nil || !applied.Applied {
			t.Errorf("a change is answered with %+v, %v", applied, err)
		}
	})
}

func TestAgentIsNotReadyBeforeItsFirstRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(5, shop)
		w.running = true
		w.run()
		s, err := w.agent.Status(t.Context())
		if ready, _ := s.Ready(); err != nil || ready {
			t.Errorf("ready %t, %v; nobody knows yet what HAProxy runs", ready, err)
		}
	})
}

func TestChangeUnderWayWhenTheAgentStopsIsAnsweredByTheLastRound(t *testing.T) {
	for name, native := range map[string]string{"taken": "option httplog", "refused": "option cannot-start"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.startRefuses = "option cannot-start"
				stop := w.start()
				w.serves()
				w.reload = 2 * time.Second
				type answer struct {
					lb.Applied
					err error
				}
				answers := make(chan answer, 1)
				go func() {
					applied, err := w.putNative("x", native)
					answers <- answer{applied, err}
				}()
				pause(t.Context(), time.Second)
				begin := time.Now()
				stop()
				got := <-answers
				if d := time.Since(begin); d > 2*time.Second {
					t.Errorf("the answer came %s after the agent was told to stop", d)
				}
				in, _ := w.Load(t.Context())
				_, stored := in.Backends["x"]
				if name == "taken" && (got.err != nil || !got.Applied.Applied || !stored) {
					t.Errorf("got %+v, stored %t; expected it to be in effect", got, stored)
				}
				if name == "refused" && (!refused(got.err) || stored) {
					t.Errorf("got %+v, stored %t; expected it to be refused and taken back", got, stored)
				}
				if _, err := w.putNative("y", "option httplog"); err == nil {
					t.Error("an agent that has stopped took a change")
				}
			})
		})
	}
}

func TestGoingBackKeepsTheMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.forgets, w.startRefuses = true, "option cannot-start"
		w.stored(1, shop)
		w.consul("shop", 1, "", "1.0.0 1001")
		w.run()
		w.serves("1001")
		b, err := node.ParseBackend("b", []byte(`{"type":"dynamic","name":"other","version":"1.0.0","natives":["option cannot-start"]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.agent.Edit(t.Context(), lb.Edit{Backend: &b}); !refused(err) {
			t.Fatalf("got %v, expected a refusal", err)
		}
		w.serves("1001")
		if got := w.watched(); got != "[shop]" || len(w.Snapshot().Services) != 1 {
			t.Errorf("watched is %s, known %v", got, w.Snapshot().Services)
		}
	})
}

func TestServiceThatLeavesTheSnapshotKeepsItsMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001")
		w.mu.Lock()
		w.snapshot = lb.Snapshot{Services: map[lb.Name]lb.Service{}}
		w.mu.Unlock()
		w.poke()
		w.serves("1001")
		if _, err := w.putNative("x", "option httplog"); err != nil { // another revision
			t.Fatal(err)
		}
		w.serves("1001")
	})
}

func TestMembersAreKeptWhileHAProxyCannotBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(5, shop)
		w.running, w.unclear = true, errors.New("asking master socket: timeout")
		w.run()
		pause(t.Context(), 10*time.Second)
		if n := w.attempts(); n > 0 {
			t.Errorf("%d reloads without members, though Consul has not answered", n)
		}
	})
}

func TestRepairByAReloadConverges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(1, `{"type":"dynamic","name":"shop","version":"1.0.0","balance":"source"}`)
		w.consul("shop", 1, "", "1.0.0 1001")
		w.run()
		w.serves("1001")
		before := w.attempts()
		w.mu.Lock()
		w.servers[0].Weight = 0 // "set weight 0%", which "source" does not take back by an operation
		w.mu.Unlock()
		pause(t.Context(), time.Minute)
		if n := w.attempts() - before; n != 1 || w.servers[0].Weight != 1 {
			t.Errorf("%d reloads, and the weight is %d", n, w.servers[0].Weight)
		}
		if n := w.count(activity.ServersRepaired); n != 1 {
			t.Errorf("one repair made %d events", n)
		}
	})
}

func TestAnotherConfigurationInHAProxyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		if _, err := w.putNative("x", "option httplog"); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.applied = append(w.applied, "global\n") // somebody has reloaded it with a file of his own
		w.mu.Unlock()
		w.serves()
		if !strings.Contains(w.config(), "backend x") {
			t.Errorf("HAProxy runs %q", w.config())
		}
		before := w.attempts()
		pause(t.Context(), time.Minute)
		if n := w.attempts() - before; n != 0 {
			t.Errorf("%d more reloads", n)
		}
	})
}

func TestTemplateWithoutFingerprintIsLeftInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.useTemplate("description \"thalassa {{.Fingerprint}}\"", "# {{.Fingerprint}}")
		w.stored(1, shop)
		w.consul("shop", 1, "", "1.0.0 1001")
		w.run()
		w.serves("1001")
		before := w.attempts()
		pause(t.Context(), time.Minute)
		if n := w.attempts() - before; n != 0 {
			t.Errorf("%d reloads in steady state", n)
		}
	})
}

// useTemplate writes the default template, with one text for another, to the
// file that agents are told to use.
func (w *world) useTemplate(old, text string) {
	w.t.Helper()
	source, err := os.ReadFile("../template/default.haproxy.cfg.tmpl")
	if err != nil {
		w.t.Fatal(err)
	}
	if w.templateFile == "" {
		w.templateFile = filepath.Join(w.t.TempDir(), "template")
	}
	changed := strings.Replace(string(source), old, text, 1)
	if err := os.WriteFile(w.templateFile, []byte(changed), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestTemplateIsTriedAgainAfterAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.useTemplate("", "")
		w.run()
		w.serves()
		w.full = errors.New("staging: no space left on device")
		w.useTemplate("retries 3", "retries 17")
		pause(t.Context(), 10*time.Second)
		if n := w.count(activity.TemplateRefused); n != 1 {
			t.Errorf("a template that cannot be judged for 10 s made %d events", n)
		}
		w.mu.Lock()
		w.full = nil
		w.mu.Unlock()
		w.serves()
		if !strings.Contains(w.config(), "retries 17") || w.count(activity.TemplateChanged) != 1 {
			t.Errorf("the disk has room again; events %v", w.verbs())
		}
	})
}

func TestTemplateThatHAProxyIsNotThereForIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.useTemplate("", "")
		w.run()
		w.serves()
		w.mu.Lock()
		w.down = &lb.UnavailableError{What: "HAProxy is not running"}
		w.mu.Unlock()
		w.useTemplate("retries 3", "retries 17")
		pause(t.Context(), 10*time.Second)
		if w.count(activity.TemplateRefused) != 0 || w.count(activity.TemplateChanged) != 1 {
			t.Errorf("nobody refused the template, and the events are %v", w.verbs())
		}
	})
}

func TestSwitchLooksAgainWhenItsTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(1, shop)
		w.consul("shop", 1, "", "1.0.0 1001", "1.1.0 1101")
		w.run()
		w.serves("1001")
		w.reload = 2 * time.Second
		go func() { _, _ = w.putNative("x", "option httplog") }()
		synctest.Wait()
		switched := make(chan error, 1)
		go func() {
			_, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
			switched <- err
		}()
		synctest.Wait() // it has seen a healthy instance, and waits for the other change
		w.consul("shop", 2, "", "1.0.0 1001")
		if err := <-switched; !errors.As(err, new(*lb.ConflictError)) {
			t.Errorf("got %v, expected a conflict: the version is gone", err)
		}
		w.serves("1001")
	})
}

func TestSwitchSeesAnInstanceThatAppearsDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(1, shop)
		w.consul("shop", 1, "", "1.0.0 1001")
		w.run()
		w.serves("1001")
		w.reload = 5 * time.Second
		go func() { _, _ = w.putNative("x", "option httplog") }()
		pause(t.Context(), time.Second)
		go func() {
			pause(t.Context(), 500*time.Millisecond)
			w.consul("shop", 2, "", "1.0.0 1001", "1.1.0 1101")
		}()
		applied, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0", Wait: time.Second})
		if err != nil || !applied.Applied {
			t.Errorf("got %+v, %v", applied, err)
		}
		w.serves("1101")
	})
}

func TestAcceptedSwitchIsRecordedThoughNotInEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(1, shop)
		w.consul("shop", 1, "", "1.0.0 1001", "1.1.0 1101")
		w.run()
		w.serves("1001")
		w.mu.Lock()
		w.down, w.deaf = &lb.UnavailableError{What: "HAProxy is not running"}, errors.New("connection refused")
		w.mu.Unlock()
		applied, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		if err != nil || applied.Applied {
			t.Fatalf("got %+v, %v; expected a stored change that is not in effect", applied, err)
		}
		if w.count(activity.BackendSwitched) != 1 {
			t.Errorf("the events are %v", w.verbs())
		}
	})
}

func TestMembersFollowConsulWhileAReloadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(1, shop)
		w.checkRefuses = " s8 " // there is no room for more than seven
		w.consul("shop", 1, "", "1.0.0 1001")
		w.run()
		w.serves("1001")
		w.consul("shop", 2, "", "1.0.0 2001", "1.0.0 2002", "1.0.0 2003", "1.0.0 2004", "1.0.0 2005", "1.0.0 2006")
		w.serves("2001", "2002", "2003", "2004")
		w.consul("shop", 3, "", "1.0.0 2002", "1.0.0 2003", "1.0.0 2004", "1.0.0 2005", "1.0.0 2006", "1.0.0 2007")
		pause(t.Context(), 31*time.Second)
		w.serves("2002", "2003", "2004", "2005")
		if s, err := w.agent.Status(t.Context()); err != nil || !strings.Contains(s.Problem, "refused by the check") {
			t.Errorf("the status is %+v, %v", s, err)
		}
		w.mu.Lock()
		w.checkRefuses = ""
		w.mu.Unlock()
		pause(t.Context(), 31*time.Second)
		w.serves("2002", "2003", "2004", "2005", "2006", "2007")
	})
}

func TestAllMembersAreReplacedWhileAReloadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored(1, shop)
		w.checkRefuses = " s8 "
		w.consul("shop", 1, "", "1.0.0 1001")
		w.run()
		w.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004")
		w.serves("1001", "1002", "1003", "1004")
		w.consul("shop", 3, "", "1.0.0 2001", "1.0.0 2002", "1.0.0 2003", "1.0.0 2004")
		pause(t.Context(), 100*time.Millisecond) // in the first round, not the next
		w.mu.Lock()
		now := members(w.servers)
		w.mu.Unlock()
		if strings.Join(now, " ") != "2001 2002 2003 2004" {
			t.Errorf("HAProxy has the members %v", now)
		}
	})
}

func TestEditedFileIsPutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		pause(t.Context(), 5*time.Minute)
		w.mu.Lock()
		w.file = "edited"
		w.mu.Unlock()
		pause(t.Context(), time.Minute)
		if w.file != w.config() {
			t.Errorf("the file is %q", w.file)
		}
	})
}
