// Package membership lets the agent, which is not root, change which nodes the cluster has. It is
// both ends of thalassa-membership.socket: the one of root, which carries out what package bootstrap
// does for the commands, and the one of the agent.
//
// A connection has one question, which is one line, and an answer of several: events as they come,
// and one about the end. The socket is the switch: where root has not enabled it, nothing happens.
//
// Nothing here keeps, logs or repeats a code. It is in the question of a join, and in one event of
// an invitation.
package membership
