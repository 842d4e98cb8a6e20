// Package stage prepares changes before they are carried out: changesets, whose edits become one
// revision together, drafts, previews, and the edits that lead from one intent to another. It is
// pure: it does no I/O and reads no clock.
package stage
