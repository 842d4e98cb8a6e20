// Package stats samples what HAProxy counts: once per tick for everybody who
// wants to know. It makes rates and totals of it that go on over reloads, and
// keeps some minutes of history in memory.
//
// Figures are per frontend, backend and member, never per server line: a line
// that takes another member does not hand its counts over. What was counted in
// the tick in which a line changed hands belongs to nobody but the backend.
//
// It only reads. It never changes HAProxy, stores nothing on disk and keeps a
// bounded amount per member.
package stats
