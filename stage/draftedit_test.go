package stage_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/stage"
)

// edited is a draft with one more edit in its history.
func edited(t *testing.T, d stage.Draft, in lb.Intent, cause string, edits ...lb.Edit) stage.Draft {
	t.Helper()
	return with(t, d, in, edits...).Since(d, lb.Origin{Author: "ann", Cause: cause, Time: time.Unix(2, 0)})
}

func TestEditsOfADraftAreUndone(t *testing.T) {
	live := intent(t, static("a", "roundrobin"), static("b", "roundrobin"))
	d := stage.Draft{ID: "1"}
	var views []lb.Intent
	for i, edits := range [][]lb.Edit{
		{static("a", "leastconn")}, {static("c", "source"), lb.Edit{Delete: "backend/b"}}, {static("a", "source")}, {static("a", "roundrobin")}, {lb.Edit{Delete: "backend/c"}},
	} {
		views = append(views, d.View(live))
		d = edited(t, d, live, "edit "+strconv.Itoa(i+1), edits...)
	}
	if same := edited(t, d, live, "nothing", static("a", "roundrobin")); len(same.Edits) != 5 {
		t.Errorf("no change is an edit: %+v", same.Edits)
	}
	if e := d.Edits[1]; e.Number != 2 || e.Cause != "edit 2" || e.Author != "ann" || !slices.Equal(e.Objects, []string{"backend/b", "backend/c"}) {
		t.Errorf("edit %+v", e)
	}
	for _, want := range slices.Backward(views) {
		var err error
		if d, err = d.Undone(time.Unix(3, 0)); err != nil {
			t.Fatal(err)
		}
		if changes := d.View(live).Changes(want); len(changes) > 0 {
			t.Errorf("after an undo: %+v", changes)
		}
	}
	if _, err := d.Undone(time.Unix(3, 0)); !errors.As(err, new(*lb.ConflictError)) || len(d.Objects) > 0 {
		t.Errorf("nothing is left to undo: %v, %+v", err, d)
	}
}

func TestARebaseIsUndone(t *testing.T) {
	live := intent(t, static("a", "roundrobin"))
	d := edited(t, stage.Draft{ID: "1"}, live, "one", static("a", "leastconn"))
	moved, err := live.Apply(static("a", "source"))
	if err != nil {
		t.Fatal(err)
	}
	rebased := d.Rebased(moved).Since(d, lb.Origin{})
	if len(rebased.Conflicts(moved)) > 0 || len(rebased.Edits) != 2 {
		t.Errorf("rebased %+v", rebased)
	}
	if undone, err := rebased.Undone(time.Unix(3, 0)); err != nil || len(undone.Conflicts(moved)) != 1 {
		t.Errorf("%+v, %v", undone, err)
	}
}

func TestTheHistoryOfADraftIsBounded(t *testing.T) {
	live, d := intent(t), stage.Draft{ID: "1"}
	for i := range stage.MaxDraftEdits + 10 {
		d = edited(t, d, live, "edit", static(lb.Name("b"+strconv.Itoa(i)), "source"))
	}
	if len(d.Edits) != stage.MaxDraftEdits || d.Edits[0].Number != 11 {
		t.Errorf("%d edits from %d", len(d.Edits), d.Edits[0].Number)
	}
	big := lb.Edit{Backend: &lb.Backend{Key: "big", Type: "static", Mode: "http", Balance: "roundrobin", Natives: []lb.RawLine{lb.RawLine(make([]byte, 3<<20))}}}
	d = edited(t, d, live, "big", big)
	d = edited(t, d, live, "smaller", static("big", "source"))
	if _, err := d.Undone(time.Unix(3, 0)); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("what is too large is undone: %v", err)
	}
}
