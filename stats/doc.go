// Package stats samples HAProxy's statistics, once per tick for all readers. It makes
// rates and totals of them that continue over reloads, and keeps some minutes of
// history in memory.
//
// Figures are per frontend, backend and member, never per server line: a line
// that takes another member does not pass its counts on. What a line counts in
// the tick in which its member changes belongs to the backend alone.
//
// It only reads. It never changes HAProxy, stores nothing on disk, and keeps a
// bounded amount of memory per member.
package stats
