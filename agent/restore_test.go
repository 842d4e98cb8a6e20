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
	"thalassa/stage"
	"thalassa/template"
)

// beforeARestore is an agent that is in step, an edit that adds a static backend with one
// member, the override that drains that member, and the intent with the backend.
func beforeARestore(t *testing.T) (fx *fixture, edit lb.Edit, drained lb.Override, wanted lb.Intent) {
	t.Helper()
	b, err := lb.BackendSpec{Type: "static", Members: []lb.MemberSpec{{Host: "192.0.2.9", Port: 80}}}.Parse("fresh")
	if err != nil {
		t.Fatal(err)
	}
	edit = lb.Edit{Backend: &b}
	drained = lb.Override{Backend: "fresh", Member: lb.HostPort{Host: "192.0.2.9", Port: 80}, State: lb.StateDrain}
	fx = newFixture(t)
	fx.ready("1.0.0 1001")
	if wanted, err = fx.Load(t.Context()); err == nil {
		wanted, err = wanted.Apply(edit)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fx, edit, drained, wanted
}

// TestARestoredMemberGetsNoTraffic: the first configuration with the backend has its member
// drained already.
func TestARestoredMemberGetsNoTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, edit, drained, wanted := beforeARestore(t)
		added, applied, err := fx.agent.RestoreMembers(t.Context(), []lb.Override{drained}, wanted, lb.Origin{}, func() (lb.Applied, error) {
			return fx.agent.Apply(t.Context(), stage.Of(edit))
		})
		if err != nil || len(added) != 1 || len(applied.Warnings) > 1 || !applied.Applied {
			t.Fatalf("%+v, %+v, %v", added, applied, err)
		}
		pause(t.Context(), 2*time.Minute) // a look for overrides that have ended
		if of := fx.agent.Snapshot().Overrides.Of("fresh"); len(of) != 1 {
			t.Errorf("overrides %+v", of)
		}
		fx.mu.Lock()
		defer fx.mu.Unlock()
		seen := false
		for _, text := range fx.applied {
			if _, part, ok := strings.Cut(text, "\nbackend fresh"); ok {
				seen = true
				_, rest, found := strings.Cut(part, "192.0.2.9:80")
				if line, _, _ := strings.Cut(rest, "\n"); !found || !strings.Contains(line, "weight 0") {
					t.Errorf("the member gets traffic, or is not there: %s", part)
				}
			}
		}
		if !seen {
			t.Error("HAProxy never had the backend")
		}
	})
}

// TestARefusedRestoreAsksNothingOfMembers: neither while it is refused nor later.
func TestARefusedRestoreAsksNothingOfMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, _, drained, wanted := beforeARestore(t)
		refusal := errors.New("no")
		if _, _, err := fx.agent.RestoreMembers(t.Context(), []lb.Override{drained}, wanted, lb.Origin{}, func() (lb.Applied, error) {
			return lb.Applied{}, refusal
		}); !errors.Is(err, refusal) {
			t.Error(err)
		}
		if all := fx.agent.Snapshot().Overrides.All(); len(all) > 0 {
			t.Errorf("overrides %+v", all)
		}
	})
}

// TestARemovedTemplateIsToldOf: the former one stays in use, and somebody has to know.
func TestARemovedTemplateIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.templateFile = filepath.Join(t.TempDir(), "x.tmpl")
		source := []byte(template.DefaultSource())
		if err := os.WriteFile(fx.templateFile, source, 0o600); err != nil {
			t.Fatal(err)
		}
		fx.ready("1.0.0 1001")
		if problem := fx.agent.TemplateProblem(); problem != "" {
			t.Errorf("a good template: %s", problem)
		}
		if err := os.Remove(fx.templateFile); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), 5*time.Second)
		if problem := fx.agent.TemplateProblem(); !strings.Contains(problem, "is missing") {
			t.Errorf("a removed template: %q", problem)
		}
		if err := os.WriteFile(fx.templateFile, []byte("{{"), 0o600); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), 5*time.Second)
		if problem := fx.agent.TemplateProblem(); !strings.Contains(problem, "not in use") {
			t.Errorf("a bad template: %q", problem)
		}
		if err := os.WriteFile(fx.templateFile, source, 0o600); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), 5*time.Second)
		if problem := fx.agent.TemplateProblem(); problem != "" {
			t.Errorf("it is back: %s", problem)
		}
	})
}
