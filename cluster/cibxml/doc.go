// Package cibxml holds the XML of a Pacemaker cluster's configuration: a tree of elements
// that loses nothing, and what in it may be a secret.
//
// It is pure, and knows nothing of a running cluster: package pacemaker reads and writes
// CIBs.
package cibxml
