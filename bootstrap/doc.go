// Package bootstrap makes a cluster out of nodes that have only the programs: it founds one on a
// first node, lets others join it by a code, and takes a node out again.
//
// What it does on a node are steps. Each can tell whether it is done, and can be undone. A journal
// in a folder of root says which have begun, so that a run after a crash goes on where the former
// one ended, and Leave takes back exactly what was done. Nothing of an existing cluster is
// overwritten.
//
// It writes corosync.conf and authkey, and starts and stops services through package services. It
// never changes the configuration of Pacemaker; it only sets aside one without resources.
package bootstrap
