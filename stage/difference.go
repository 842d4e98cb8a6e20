package stage

import (
	"strconv"

	"github.com/aymanbagabas/go-udiff"

	"thalassa/lb"
)

// maxDifference bounds a Difference, in bytes.
const maxDifference = 1 << 20

// Difference is how a text becomes another one, in the unified format with three lines of
// context; "" for equal ones. It has a megabyte at most, and then says that it was cut.
func Difference(nameBefore, nameAfter string, before, after []byte) string {
	text := udiff.Unified(nameBefore, nameAfter, string(before), string(after))
	if len(text) <= maxDifference {
		return text
	}
	return text[:maxDifference] + "\n… " + strconv.Itoa(len(text)-maxDifference) + " more bytes\n"
}

// Towards lists the edits that make the objects of one intent those of another. Each holds
// only while its object is as it is in from.
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
