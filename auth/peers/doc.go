// Package peers carries what the agents of a cluster tell each other about sessions: it
// writes this node's document to a store that all nodes reach, and reads those of the
// others as soon as they change.
//
// The package must never look into a document: package auth seals and judges them.
package peers
