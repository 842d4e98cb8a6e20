// Package ocf is the logic of the resource agents ocf:thalassa:haproxy, with which
// Pacemaker starts, monitors and stops HAProxy, and ocf:thalassa:agent, with which it knows
// where the thalassa agent answers (Open Cluster Framework, resource agent API 1.1). The
// input is an action with parameters; the output is an exit code with a reason.
//
// It works while the thalassa agent is down: it only needs HAProxy and the file that
// the agent has written. It must never report that HAProxy runs before HAProxy
// answers, or that it has stopped before it is gone. It must never act on a process
// that is not this HAProxy, or fail on every node because the file of one is invalid.
package ocf
