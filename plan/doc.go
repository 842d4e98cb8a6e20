// Package plan compares what HAProxy runs with what it should run. It works out what has to be done
// about the difference, and why.
//
// Members of dynamic backends get slots: server lines that hold one member after another. So a
// change of members needs only operations on the servers of the running HAProxy. Every other
// difference is a reason to reload. The operations lead to the same servers as a reload with the
// wanted configuration.
//
// Compute compares two configurations. Repair compares a configuration with the servers
// that HAProxy has, and returns the operations.
//
// A difference counts only when it has an effect on haproxy.cfg: a member's
// metadata, the Consul service a frontend is announced as, or a new version with
// the same members change nothing. Compute and the template of package template
// agree on that: a Change is empty exactly when both configurations give the
// same bytes.
//
// The package is pure: no I/O, no clock, no logging. Equal input gives equal
// output, in the same order.
package plan
