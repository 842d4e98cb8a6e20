// Package ocf is the logic of the resource agent ocf:thalassa:haproxy, by which
// Pacemaker starts, watches and stops HAProxy (Open Cluster Framework, resource
// agent API 1.1). An action and its parameters go in; an exit code and its reason
// come out.
//
// It works while the thalassa agent is down: all it needs is HAProxy and the file
// that the agent has left. What it must never do: say that HAProxy runs before it
// answers, or that it has stopped before it is gone; take another process for
// HAProxy; fail everywhere because one node's file is bad.
package ocf
