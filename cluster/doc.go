// Package cluster holds the values of a Pacemaker cluster: its status as one CIB
// has it, actions and their predicted consequences, and the failures of Pacemaker's
// tools. Package pacemaker reads and executes them; the API, the command line and the
// tests exchange them.
//
// It is pure: it starts no process, and reads no file and no clock.
package cluster
