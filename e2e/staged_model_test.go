package e2e_test

import (
	"maps"
	"slices"
	"testing"
)

// definitions are values by id: what tells one definition of an object from its others. An
// object that does not exist is not there, or has the value "".
type definitions map[string]string

// with returns d after edits.
func (d definitions) with(edits definitions) definitions {
	out := maps.Clone(d)
	for id, value := range edits {
		if out[id] = value; value == "" {
			delete(out, id)
		}
	}
	return out
}

// A draftModel is what a draft has to be: what it makes of objects, and what they were when
// it first changed them.
type draftModel struct{ base, after definitions }

func newDraftModel() draftModel { return draftModel{definitions{}, definitions{}} }

func (d draftModel) clone() draftModel {
	return draftModel{maps.Clone(d.base), maps.Clone(d.after)}
}

// view is what the draft makes of what is configured.
func (d draftModel) view(live definitions) definitions { return live.with(d.after) }

// edited is the draft after edits, which are made on its view.
func (d draftModel) edited(live, edits definitions) draftModel {
	out, view := d.clone(), d.view(live)
	for id, value := range edits {
		if view[id] == value {
			continue
		}
		if _, isThere := out.after[id]; !isThere {
			out.base[id] = live[id]
		}
		if out.after[id] = value; value == live[id] {
			out = out.without(id)
		}
	}
	return out
}

// without is the draft without some objects.
func (d draftModel) without(ids ...string) draftModel {
	out := d.clone()
	for _, id := range ids {
		delete(out.base, id)
		delete(out.after, id)
	}
	return out
}

// rebased is the draft whose objects win.
func (d draftModel) rebased(live definitions) draftModel {
	out := d.clone()
	for id := range out.after {
		out.base[id] = live[id]
	}
	return out
}

// objects are the ids that the draft changes, sorted.
func (d draftModel) objects() []string { return slices.Sorted(maps.Keys(d.after)) }

// conflicts are those of them that somebody else has made something else of.
func (d draftModel) conflicts(live definitions) []string {
	return slices.DeleteFunc(d.objects(), func(id string) bool { return live[id] == d.base[id] || live[id] == d.after[id] })
}

// stagedState is what a node has to have.
type stagedState struct {
	live   definitions
	drafts map[string]draftModel
}

func (s stagedState) clone() stagedState {
	return stagedState{maps.Clone(s.live), maps.Clone(s.drafts)}
}

// withDraft is the state with another version of a draft; nil: without the draft.
func (s stagedState) withDraft(id string, d *draftModel) stagedState {
	out := s.clone()
	if d == nil {
		delete(out.drafts, id)
	} else {
		out.drafts[id] = *d
	}
	return out
}

// withLive is the state with other objects.
func (s stagedState) withLive(live definitions) stagedState {
	out := s.clone()
	out.live = live
	return out
}

// The model itself: a draft begins a conflict when somebody else changes its object, and
// ends it by a rebase, or when both want the same.
func TestDraftModel(t *testing.T) {
	live := definitions{"a": "1", "b": "1"}
	d := newDraftModel().edited(live, definitions{"a": "2", "b": "", "c": "1"})
	if got := d.objects(); !slices.Equal(got, []string{"a", "b", "c"}) || len(d.conflicts(live)) > 0 {
		t.Errorf("the draft changes %v, conflicts %v", got, d.conflicts(live))
	}
	if got := d.view(live); !maps.Equal(got, definitions{"a": "2", "c": "1"}) {
		t.Errorf("the view is %v", got)
	}
	moved := live.with(definitions{"a": "3", "b": ""})
	if got := d.conflicts(moved); !slices.Equal(got, []string{"a"}) || len(d.rebased(moved).conflicts(moved)) > 0 {
		t.Errorf("conflicts %v", got)
	}
	if back := d.edited(live, definitions{"a": "1"}); len(back.after) != 2 {
		t.Errorf("what is as configured again stays a change: %v", back)
	}
}
