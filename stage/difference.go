package stage

import (
	"strconv"

	"github.com/aymanbagabas/go-udiff"

	"thalassa/lb"
)

// maxDifference bounds a Difference, in bytes.
const maxDifference = 1 << 20

// Difference is the difference of two texts in the unified format, with three lines of context; ""
// if they are equal. It has at most a megabyte, and says if it was cut.
func Difference(nameBefore, nameAfter string, before, after []byte) string {
	text := udiff.Unified(nameBefore, nameAfter, string(before), string(after))
	if len(text) <= maxDifference {
		return text
	}
	return text[:maxDifference] + "\n… " + strconv.Itoa(len(text)-maxDifference) + " more bytes\n"
}

// Towards lists the edits that turn one intent into another. Each has the condition that its object
// is as in from.
func Towards(from, to lb.Intent) []lb.Edit {
	changes := from.Changes(to)
	out := make([]lb.Edit, 0, len(changes))
	for _, change := range changes {
		e := lb.Edit{Delete: change.ID}
		if change.After != nil {
			e = lb.EditOf(change.After)
		}
		if change.Before == nil {
			e.IfNoneMatch = true
		} else {
			e.IfMatch = []string{change.Before.ETag()}
		}
		out = append(out, e)
	}
	return out
}
