// Package wizard makes objects of a cluster's configuration from a few values: a floating IP,
// HAProxy with floating IPs, a web server, a fence device, a ticket. It gives edits of a draft.
// They add objects, and never replace one that exists.
//
// The package is pure. Which agents are installed, and what they say of themselves, is handed in.
package wizard
