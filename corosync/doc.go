// Package corosync reads and changes corosync.conf(5), the configuration that all nodes of a
// cluster share. It keeps what it does not know, comments included: a change touches only the lines
// that it is about.
//
// It does no I/O: files and corosync itself are the business of its callers.
package corosync
