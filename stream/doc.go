// Package stream sends changes to any number of clients: objects in topics,
// first the state and then deltas, under one sequence number. A client
// that was disconnected for a moment gets what it missed. A client that is too slow is
// dropped and delays no other.
//
// It uses no network, starts no goroutine, and does not know what the
// objects mean. Its frames are those of docs/streams.md.
package stream
