// Package pacemaker is the cluster as Pacemaker on this node knows it: a typed
// view of nodes, resources, failures and the place of each floating IP, what an
// action would do, and the actions themselves.
//
// It runs Pacemaker's own tools (cibadmin, crm_mon, crm_resource, …) with
// arguments and XML on standard input, each with a time limit and a bounded
// answer, and it understands the XML of Pacemaker 2.1 and 3.0. It never runs a
// shell, never hands on what a tool printed about a refused CIB, which may hold
// secrets, and never decides who runs HAProxy: that is Pacemaker's.
package pacemaker
