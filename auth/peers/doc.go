// Package peers exchanges sessions between the agents of a cluster: it writes this node's document
// to a store that all nodes share, and reads those of the others as soon as they change.
//
// The package must never interpret a document: package auth encrypts and checks them.
package peers
