// Package stream hands changes on to any number of readers: objects in topics,
// everything first and then what changes, under one sequence number. A reader
// that was away for a moment gets what it missed; one that cannot keep up is
// dropped and delays nobody.
//
// It knows no network, starts no goroutine and decides nothing about what the
// objects mean. The frames that it makes are those of docs/streams.md.
package stream
