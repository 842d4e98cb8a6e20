// Package lb has the domain values of load balancing: frontends, backends, members, rules, what
// operators asked for (Intent), what Consul reported (Snapshot) and what HAProxy should run
// (Config).
//
// Text is parsed and validated once, when a value is made, so that no value of these types can
// carry a line break or another section into haproxy.cfg. It never does I/O, never reads a clock
// and never logs: the same input gives the same output.
package lb
