package stage_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/stage"
)

func with(t *testing.T, d stage.Draft, in lb.Intent, edits ...lb.Edit) stage.Draft {
	t.Helper()
	next, err := d.With(in, edits, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func ids(d stage.Draft) []string {
	var out []string
	for _, o := range d.Objects {
		out = append(out, o.ID)
	}
	return out
}

func TestADraftShowsItsOwnChanges(t *testing.T) {
	live := intent(t, static("a", "roundrobin"), static("b", "roundrobin"))
	empty := stage.Draft{ID: "1"}
	d := with(t, empty, live, static("b", "leastconn"), static("c", "roundrobin"), lb.Edit{Delete: "backend/a"})
	if got := ids(d); !slices.Equal(got, []string{"backend/a", "backend/b", "backend/c"}) {
		t.Errorf("objects %q", got)
	}
	view := d.View(live)
	if _, isThere := view.Backends["a"]; isThere || view.Backends["b"].Balance != "leastconn" || len(view.Backends) != 2 {
		t.Errorf("view %+v", view)
	}
	if len(live.Backends) != 2 || len(empty.Objects) != 0 {
		t.Error("what it was made of has changed")
	}
	back := with(t, d, live, static("a", "roundrobin"), static("b", "roundrobin"), lb.Edit{Delete: "backend/c"})
	if len(back.Objects) != 0 {
		t.Errorf("what is as before is still changed: %q", ids(back))
	}
	if _, err := d.With(live, []lb.Edit{{Delete: "backend/a"}}, time.Time{}); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestADraftIsMadeOnWhatOthersChangeMeanwhile(t *testing.T) {
	live := intent(t, static("a", "roundrobin"), static("b", "roundrobin"))
	d := with(t, stage.Draft{ID: "1"}, live, static("b", "leastconn"))
	moved, err := live.ApplyAll([]lb.Edit{static("a", "source"), static("new", "source")})
	if err != nil {
		t.Fatal(err)
	}
	set, err := d.Changeset(moved, lb.Origin{Author: "ann"})
	if err != nil || len(set.Edits) != 1 || set.Origin.Message != "draft 1" {
		t.Fatalf("changeset %+v, %v", set, err)
	}
	next, err := set.Apply(moved)
	if err != nil || next.Backends["a"].Balance != "source" || next.Backends["b"].Balance != "leastconn" || len(next.Backends) != 3 {
		t.Errorf("got %+v, %v", next, err)
	}
}

func TestConflictsOfADraft(t *testing.T) {
	live := intent(t, static("a", "roundrobin"), static("b", "roundrobin"), static("c", "roundrobin"))
	d := with(t, stage.Draft{ID: "1"}, live, static("a", "leastconn"), lb.Edit{Delete: "backend/b"}, static("c", "source"), static("new", "source"))
	for name, c := range map[string]struct {
		edit lb.Edit
		want []string
	}{
		"another object":       {static("other", "source"), nil},
		"the same object":      {static("a", "source"), []string{"backend/a"}},
		"what the draft wants": {static("a", "leastconn"), nil},
		"deleted by both":      {lb.Edit{Delete: "backend/b"}, nil},
		"deleted here":         {static("b", "source"), []string{"backend/b"}},
		"deleted there":        {lb.Edit{Delete: "backend/c"}, []string{"backend/c"}},
		"made by both":         {static("new", "first"), []string{"backend/new"}},
	} {
		moved, err := live.Apply(c.edit)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Conflicts(moved); !slices.Equal(got, c.want) {
			t.Errorf("%s: conflicts %q, want %q", name, got, c.want)
		}
		_, err = d.Changeset(moved, lb.Origin{})
		if conflict, ok := errors.AsType[*lb.ConflictError](err); ok != (c.want != nil) || ok && !slices.Equal(conflict.By, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADraftIsBounded(t *testing.T) {
	live, d := intent(t), stage.Draft{ID: "1"}
	big := lb.Edit{Backend: &lb.Backend{Key: "big", Type: "static", Mode: "http", Balance: "roundrobin", Natives: []lb.RawLine{lb.RawLine(make([]byte, stage.MaxDraftSize))}}}
	if err := with(t, d, live, static("a", "source")).Check(); err != nil {
		t.Error(err)
	}
	if err := with(t, d, live, big).Check(); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("error %v", err)
	}
}
