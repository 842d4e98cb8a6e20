// Package history keeps what a Pacemaker cluster went through, and tells of it.
//
// Whenever something happens, the designated controller (DC) runs its scheduler on the CIB
// of that moment, and keeps this input: pe-input-N.bz2, pe-warn-N.bz2 or pe-error-N.bz2 in
// /var/lib/pacemaker/pengine, on that node alone, and overwrites the oldest by and by. One
// input has everything: configuration, state of all nodes, results of operations with
// their times, who changed the configuration last. So a Transition is one input, read:
//
//	Archive     keeps copies of inputs in a directory of ours, bounded in bytes, number and
//	            age, with an index of what they say
//	Recorder    copies each new input of this node's Pacemaker into an Archive
//	Past        answers questions about an Archive with Pacemaker's tools: states, decisions,
//	            differences, explanations of failovers
//
// Nothing here asks other nodes, and nothing needs the cluster to run.
package history
