// Package activity keeps the activity log: typed events with an ascending sequence
// number. A Store stores them, and readers ask for the events after the last one that
// they have.
//
// A reader never delays code that records an event, and recording returns no
// error: a log that cannot be written must not stop the work that it records.
// The package starts no goroutine of its own and does no I/O except through its
// Store.
package activity
