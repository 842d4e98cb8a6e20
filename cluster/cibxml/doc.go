// Package cibxml reads and writes the XML of a Pacemaker cluster's configuration as a tree of
// elements, and masks what may be a secret in it.
//
// It is pure, and knows nothing of a running cluster: package pacemaker reads and writes
// CIBs.
package cibxml
