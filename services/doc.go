// Package services starts and stops the services of a cluster on this node, corosync and
// Pacemaker: through systemd where it runs, else through init scripts. An answer says what the
// processes of the node say, never what was asked for.
//
// An agent that is not root asks through the socket of thalassa-node, which systemd starts as
// root for each question. The package never acts on any other service.
package services
