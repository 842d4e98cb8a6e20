package store_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/stage"
	"thalassa/store"
)

func TestDraftsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, store.Options{})
	now := time.Unix(100, 0).UTC()
	begun, err := db.CreateDraft(t.Context(), stage.Draft{Origin: lb.Origin{Author: "ann", Cause: "POST /drafts", Message: "later", Time: now}, Changed: now})
	if err != nil || begun.ID != "1" {
		t.Fatalf("got %+v, %v", begun, err)
	}
	want, err := db.UpdateDraft(t.Context(), "1", func(d stage.Draft) (stage.Draft, error) {
		d.Objects = []stage.DraftObject{
			{ID: "backend/a", Base: `"1"`, After: lb.Backend{Key: "a", Type: "static", Mode: "http", Balance: "roundrobin"}},
			{ID: "backend/b", Base: `"2"`},
		}
		return d, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	if _, err := db.UpdateDraft(t.Context(), "1", func(stage.Draft) (stage.Draft, error) { return stage.Draft{}, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{})
	got, err := db.Draft(t.Context(), "1")
	if err != nil || !reflect.DeepEqual(got.Objects[0].After.ETag(), want.Objects[0].After.ETag()) || got.Objects[1].After != nil || got.Origin != want.Origin || got.Objects[1].Base != `"2"` {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if err := db.DeleteDraft(t.Context(), "1"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"deleted twice": db.DeleteDraft(t.Context(), "1"),
		"read":          func() error { _, err := db.Draft(t.Context(), "1"); return err }(),
	} {
		if !errors.As(err, new(*lb.NotFoundError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, err := db.CreateDraft(t.Context(), stage.Draft{}); err != nil || d.ID != "2" {
		t.Errorf("a number is used again: %+v, %v", d, err)
	}
}

func TestDraftsAreBounded(t *testing.T) {
	db := fresh(t)
	for range stage.MaxDrafts {
		if _, err := db.CreateDraft(t.Context(), stage.Draft{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.CreateDraft(t.Context(), stage.Draft{}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("one more: %v", err)
	}
	if list, err := db.Drafts(t.Context()); err != nil || len(list) != stage.MaxDrafts {
		t.Errorf("%d drafts, %v", len(list), err)
	}
}
