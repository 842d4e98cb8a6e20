// Package nodes starts and stops the cluster on its nodes: the agent of each starts and stops
// the services of its own, and asks the agents of the others to do the same.
//
// While the cluster runs, agents tell each other through Pacemaker where they are, and keep that
// on disk. They then ask each other directly, since a cluster that is down carries nothing. Each
// question and each answer is sealed with a key derived from corosync's, which all nodes of the
// cluster have, and nobody else. So no credential of a caller ever leaves a node, and it does not
// matter who may read the packets, or where an address leads.
package nodes
