// Package cluster holds the values of a Pacemaker cluster: its status as one CIB
// has it, the actions that can be taken on it and what Pacemaker would do then,
// and the failures of Pacemaker's tools. Package pacemaker obtains and executes
// them; the API, the command line and the tests exchange them.
//
// It is pure: it starts no process, reads no file and asks no clock.
package cluster
