package stage

import (
	"slices"
	"strconv"
	"time"

	"thalassa/lb"
)

const (
	// MaxDraftEdits is the maximum number of edits that a draft remembers.
	MaxDraftEdits = 200
	// maxDraftHistory bounds what these edits take, in bytes.
	maxDraftHistory = 2 << 20
)

// A DraftEdit is one request that changed a draft.
type DraftEdit struct {
	// Number counts the edits of the draft from 1. That of an edit that was undone is used
	// again.
	Number uint64
	// Author, and the request, e.g. "PUT /backends/live".
	Author, Cause string
	Time          time.Time
	// Objects are the ids of those that it changed in the draft, sorted.
	Objects []string
	// Before are their changes in the draft before this edit, if any.
	Before []DraftObject
	// IsFinal: it cannot be undone, because Before would be too large.
	IsFinal bool
}

// Since is the draft with one more entry in its history: the edit that turned former into it, in
// the name of by. Without a difference there is no entry. The oldest entries are dropped if there
// are too many.
func (d Draft) Since(former Draft, by lb.Origin) Draft {
	edit := DraftEdit{Number: 1, Author: by.Author, Cause: by.Cause, Time: by.Time, Before: without(former.Objects, d.Objects)}
	for _, o := range append(without(d.Objects, former.Objects), edit.Before...) {
		edit.Objects = append(edit.Objects, o.ID)
	}
	slices.Sort(edit.Objects)
	edit.Objects = slices.Compact(edit.Objects)
	if len(edit.Objects) == 0 {
		return d
	}
	if last := len(former.Edits) - 1; last >= 0 {
		edit.Number = former.Edits[last].Number + 1
	}
	if edit.size() > maxDraftHistory {
		edit.Before, edit.IsFinal = nil, true
	}
	d.Edits = append(slices.Clone(former.Edits), edit)
	size := 0
	for i, e := range slices.Backward(d.Edits) {
		if size += e.size(); size > maxDraftHistory || len(d.Edits)-i > MaxDraftEdits {
			d.Edits = slices.Clone(d.Edits[i+1:])
			break
		}
	}
	return d
}

// without lists the objects that are not among the others as they are.
func without(objects, others []DraftObject) []DraftObject {
	var out []DraftObject
	for _, o := range objects {
		i, isThere := slices.BinarySearchFunc(others, o.ID, compareID)
		if !isThere || others[i].Base != o.Base || tagOf(others[i].After) != tagOf(o.After) {
			out = append(out, o)
		}
	}
	return out
}

// Undone is the draft without its last edit. The error is an *lb.ConflictError if there is none, or
// if it cannot be undone.
func (d Draft) Undone(now time.Time) (Draft, error) {
	id := "drafts/" + d.ID
	if len(d.Edits) == 0 {
		return d, &lb.ConflictError{ID: id, Reason: "has no edit to undo"}
	}
	last := d.Edits[len(d.Edits)-1]
	if last.IsFinal {
		return d, &lb.ConflictError{ID: id, Reason: "does not have what edit " + strconv.FormatUint(last.Number, 10) + " has replaced: it was too large"}
	}
	d.Edits, d.Changed = slices.Clone(d.Edits[:len(d.Edits)-1]), now
	d.Objects = slices.DeleteFunc(slices.Clone(d.Objects), func(o DraftObject) bool { return slices.Contains(last.Objects, o.ID) })
	d.Objects = append(d.Objects, last.Before...)
	slices.SortFunc(d.Objects, func(a, b DraftObject) int { return compareID(a, b.ID) })
	return d, nil
}

// size is about how many bytes the edit takes.
func (e DraftEdit) size() int {
	const fixed = 300
	size := fixed + len(e.Author) + len(e.Cause)
	for _, id := range e.Objects {
		size += len(id)
	}
	return size + sizeOf(e.Before)
}
