package agent_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/stage"
)

func staticBackend(key lb.Name) lb.Edit {
	return lb.Edit{Backend: &lb.Backend{Key: key, Type: "static", Mode: "http", Balance: "roundrobin"}}
}

func TestAChangesetIsOneRevisionAndOneReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		before, err := fx.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		attempts := fx.attempts()
		set := stage.Changeset{
			Edits:  []lb.Edit{staticBackend("one"), staticBackend("two"), staticBackend("three")},
			Origin: lb.Origin{Author: "ann", Cause: "POST /changes", Message: "three more"},
		}
		applied, err := fx.agent.Apply(t.Context(), set)
		if err != nil || !applied.Applied || applied.Path != "reload" || applied.Revision != before.Revision+1 {
			t.Fatalf("got %+v, %v", applied, err)
		}
		if n := fx.attempts() - attempts; n != 1 {
			t.Errorf("%d reloads", n)
		}
		again, err := fx.agent.Apply(t.Context(), set)
		if err != nil || again.Path != "none" || again.Revision != applied.Revision {
			t.Errorf("the same again: %+v, %v", again, err)
		}
		pause(t.Context(), time.Second)
		fx.mu.Lock()
		defer fx.mu.Unlock()
		var noted []activity.Event
		for _, e := range fx.events {
			if e.Verb == activity.ConfigurationChanged && e.Revision == applied.Revision {
				noted = append(noted, e)
			}
		}
		want := []string{"backend/one put", "backend/three put", "backend/two put"}
		if len(noted) != 1 || !slices.Equal(noted[0].Diff, want) || noted[0].Message != "three more" {
			t.Errorf("events %+v, want one with %q", noted, want)
		}
	})
}

func TestNothingOfARefusedChangesetIsCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.1.0 1101 sick")
		before, err := fx.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, edit := range map[string]lb.Edit{
			"a version without a healthy instance": lb.Switch{Backend: "b", Version: "1.1.0"}.Edit(),
			"nothing to delete":                    {Delete: "backend/none"},
		} {
			_, err := fx.agent.Apply(t.Context(), stage.Changeset{Edits: []lb.Edit{staticBackend("one"), edit}})
			if about, ok := errors.AsType[*lb.EditError](err); !ok || about.Index != 1 {
				t.Errorf("%s: %v, want an error about edit 1", name, err)
			}
			if _, err := fx.agent.Preview(t.Context(), stage.Changeset{Edits: []lb.Edit{staticBackend("one"), edit}}); err == nil {
				t.Errorf("%s: the preview has no error", name)
			}
		}
		after, err := fx.Load(t.Context())
		if err != nil || after.Revision != before.Revision || len(before.Changes(after)) > 0 {
			t.Errorf("%v; changed: %v", err, before.Changes(after))
		}
	})
}

func TestAPreviewChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.1.0 1101")
		before, err := fx.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		attempts, config := fx.attempts(), fx.config()
		p, err := fx.agent.Preview(t.Context(), stage.Of(staticBackend("one")))
		if err != nil || p.Path != "reload" || !slices.Equal(p.Reasons, []string{"backend/one created"}) || len(p.Changes) != 1 {
			t.Errorf("a new backend: %+v, %v", p, err)
		}
		if difference := stage.Difference("a", "b", p.Before, p.After); difference == "" || string(p.Before) != config {
			t.Errorf("the texts do not differ, or the first is not what runs:\n%s", p.Before)
		}
		if p, err = fx.agent.Preview(t.Context(), stage.Of(lb.Switch{Backend: "b", Version: "1.1.0"}.Edit())); err != nil || p.Path != "runtime" {
			t.Errorf("a switch: path %q, %v", p.Path, err)
		}
		if p, err = fx.agent.Preview(t.Context(), stage.Of(lb.Switch{Backend: "b", Version: "1.0.0"}.Edit())); err != nil || p.Path != "none" || len(p.Changes) > 0 {
			t.Errorf("what is so already: %+v, %v", p, err)
		}
		after, err := fx.Load(t.Context())
		if err != nil || after.Revision != before.Revision || fx.attempts() != attempts || fx.config() != config {
			t.Errorf("%v; something has changed", err)
		}
	})
}
