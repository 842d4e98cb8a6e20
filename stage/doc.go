// Package stage has what is asked for before it is carried out: changesets, of which all
// edits become one revision or none, and what a changeset would do. It decides with values
// alone.
package stage
