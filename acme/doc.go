// Package acme orders certificates from servers that speak ACME (RFC 8555), renews them in
// time, and keeps what has been issued.
//
// What to order is configuration: lb.ACME in a certificate of the intent. What has been issued is
// state, which this package alone owns: a record for each Identity, and an account for each server.
// Both are stored before the step that they describe, so that a killed program continues the same
// order when it runs again. Private keys are in Keys, by their digests, and nowhere else.
//
// The address of a server comes from an admin of the API, and the server's answers are not trusted.
// Requests go to https URLs alone, with a verified certificate, and never to a loopback or
// link-local address; answers are bounded in bytes and time, and what they contain is checked
// before it reaches HAProxy or a name server.
package acme
