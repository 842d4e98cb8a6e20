// Package activity keeps the log of what happened: typed events with a sequence
// number that only grows, stored by a Store and read by anybody who asks for
// what is newer than the last event they saw.
//
// Whoever records an event is never kept waiting by a reader and never sees an
// error: a log that cannot be written must not stop the work it tells about.
// The package starts no goroutine of its own and does no I/O except through its
// Store.
package activity
