// Package lb holds the values that the whole program talks about: frontends,
// backends, members, rules, what operators asked for (Intent), what Consul
// said (Snapshot) and what HAProxy is to run (Config).
//
// It parses and validates text once, at the door, so that no value of these
// types can carry a line break or a foreign section into haproxy.cfg. It never
// does I/O, never reads a clock and never logs: the same input gives the same
// output.
package lb
