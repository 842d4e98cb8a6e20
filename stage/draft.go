package stage

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/lb"
)

// MaxDrafts is the maximum number of drafts at the same time.
const MaxDrafts = 100

// A Draft collects a change before it is carried out. It is shown as an overlay of the current
// configuration, so that changes by others appear at once. A Draft is immutable.
type Draft struct {
	// ID is a name as of lb.ParseName, chosen by its author, or a number.
	ID string
	// Origin is who began it, and when; its message becomes that of the revision.
	Origin  lb.Origin
	Changed time.Time
	Objects []DraftObject // sorted by ID
	// Edits are what has changed it, the oldest first; see Since. At most MaxDraftEdits.
	Edits []DraftEdit
}

// A DraftObject is the change of one object in a draft.
type DraftObject struct {
	ID string // "backend/live"
	// Base is the entity tag that the object had when the draft first changed it; empty: it did not
	// exist.
	Base  string
	After lb.Object // nil: it is deleted
}

// View is an intent with the changes of the draft. Its references may be invalid if somebody else
// has changed their targets.
func (d Draft) View(in lb.Intent) lb.Intent {
	return in.With(changesOf(d.Objects))
}

func changesOf(objects []DraftObject) []lb.ObjectChange {
	out := make([]lb.ObjectChange, len(objects))
	for i, o := range objects {
		out[i] = lb.ObjectChange{ID: o.ID, After: o.After}
	}
	return out
}

// With is the draft with further edits, applied to its View of an intent. Errors are
// those of lb.Intent.ApplyAll.
func (d Draft) With(in lb.Intent, edits []lb.Edit, now time.Time) (Draft, error) {
	view := d.View(in)
	next, err := view.ApplyAll(edits)
	if err != nil {
		return d, err
	}
	out := d
	out.Changed = now
	out.Objects = slices.Clone(d.Objects)
	for _, change := range view.Changes(next) {
		out.set(in, change)
	}
	return out, nil
}

// set adds the change of one object, or removes it if the object is as configured again.
func (d *Draft) set(in lb.Intent, change lb.ObjectChange) {
	i, isThere := slices.BinarySearchFunc(d.Objects, change.ID, compareID)
	o := DraftObject{ID: change.ID, Base: tagOf(in.Object(change.ID)), After: change.After}
	if isThere {
		o.Base = d.Objects[i].Base
	}
	switch isSame := tagOf(in.Object(change.ID)) == tagOf(change.After); {
	case isSame && isThere:
		d.Objects = slices.Delete(d.Objects, i, i+1)
	case isSame:
	case isThere:
		d.Objects[i] = o
	default:
		d.Objects = slices.Insert(d.Objects, i, o)
	}
}

func compareID(o DraftObject, id string) int { return cmp.Compare(o.ID, id) }

func tagOf(o lb.Object) string {
	if o == nil {
		return ""
	}
	return o.ETag()
}

// Conflicts lists, sorted, the objects that somebody else has changed since the draft first did,
// and that differ from the draft.
func (d Draft) Conflicts(in lb.Intent) []string {
	var out []string
	for _, o := range d.Objects {
		if now := tagOf(in.Object(o.ID)); now != o.Base && now != tagOf(o.After) {
			out = append(out, o.ID)
		}
	}
	return out
}

// Rebased is the draft without conflicts: a commit replaces what others have changed since.
func (d Draft) Rebased(in lb.Intent) Draft {
	d.Objects = slices.Clone(d.Objects)
	for i, o := range d.Objects {
		d.Objects[i].Base = tagOf(in.Object(o.ID))
	}
	return d
}

// Without is the draft without its changes of some objects. The error is an *lb.InvalidError that
// names an object that it does not change.
func (d Draft) Without(ids []string) (Draft, error) {
	var fe lb.FieldErrors
	for i, id := range ids {
		if !slices.ContainsFunc(d.Objects, func(o DraftObject) bool { return o.ID == id }) {
			fe.Add("objects["+strconv.Itoa(i)+"]", strconv.Quote(id)+" is not changed by the draft", "an object that it changes")
		}
	}
	d.Objects = slices.DeleteFunc(slices.Clone(d.Objects), func(o DraftObject) bool { return slices.Contains(ids, o.ID) })
	return d, fe.Err()
}

// Only is the draft with its changes of some objects, and no others.
func (d Draft) Only(ids []string) Draft {
	d.Objects = slices.DeleteFunc(slices.Clone(d.Objects), func(o DraftObject) bool { return !slices.Contains(ids, o.ID) })
	return d
}

// Changeset has the edits that carry out the draft on an intent, in the name of by. Each has the
// condition that its object is as in the intent. The error is an *lb.ConflictError that names the
// objects of Conflicts.
func (d Draft) Changeset(in lb.Intent, by lb.Origin) (Changeset, error) {
	if conflicts := d.Conflicts(in); len(conflicts) > 0 {
		return Changeset{}, &lb.ConflictError{
			ID: "drafts/" + d.ID, Reason: strings.Join(conflicts, ", ") + " changed since the draft did", By: conflicts,
		}
	}
	by.Message = cmp.Or(by.Message, d.Origin.Message, "draft "+d.ID)
	return Changeset{Edits: Towards(in, d.View(in)), Origin: by}, nil
}

// Size is the approximate size of the draft in bytes, without its history.
func (d Draft) Size() int { return fixedSize + sizeOf(d.Objects) }

// fixedSize is that of an object with its names.
const fixedSize = 500

func sizeOf(objects []DraftObject) int {
	size := 0
	for _, o := range objects {
		size += fixedSize + lb.Match(o.After,
			func(f lb.Frontend) int { return 300*len(f.Rules) + linesSize(f.Natives) },
			func(b lb.Backend) int { return 60*len(b.Members) + linesSize(b.Natives) },
			func(s lb.Section) int { return linesSize(s.Natives) },
			func(c lb.Certificate) int {
				certificates := 0
				for _, f := range c.Files {
					certificates += len(f.Chain)
				}
				return fixedSize * certificates
			},
		)
	}
	return size
}

func linesSize(lines []lb.RawLine) int {
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	return size
}

// MaxDraftSize is the maximum Size of a draft.
const MaxDraftSize = 8 << 20

// Check refuses a draft that is too large. The error is an *lb.ConflictError.
func (d Draft) Check() error {
	if d.Size() <= MaxDraftSize {
		return nil
	}
	return &lb.ConflictError{ID: "drafts/" + d.ID, Reason: "would be larger than " + strconv.Itoa(MaxDraftSize) + " bytes: commit or delete it first"}
}
