// Package live serves the agent's websocket (docs/streams.md): the sub-protocol thalassa.v1, in
// which a client subscribes to topics of a stream.Hub, and receives their state and then their
// changes.
//
// # A websocket's life
//
// The API authenticates a request, checks its origin and hands it to
// Server.Accept, which makes a subscriber of it. The subscriber's read goroutine
// reads subscriptions. The writer pool, a few goroutines for all subscribers, writes
// what the hub has for it, as far as the socket accepts it without blocking. The rest
// of a frame is written by a goroutine that ends after it. An open websocket that has nothing to send costs one goroutine and a
// few KB. Every websocket ends with a close reason: 4001 no subscription came in
// time, 4002 a bad message, 4003 too slow, 4004 the session has ended, 1001 the
// agent stops, 1013 too many websockets.
//
// # Limits
//
// A message from a client has at most 256 KiB, 32 topics and 5000 keys. The first one must come
// within 10 seconds, one frame must be read within 10 seconds, and a client that does not answer a
// ping within 15 seconds is gone. The hub decides how much may wait for one client (stream.Config).
//
// # Tests
//
// What clients see is tested through package api, over sockets and, where time
// matters, in testing/synctest bubbles.
//
// It must never make its own topics, know what an object means, wait for a client
// while others have something due, or decide who may connect.
package live
