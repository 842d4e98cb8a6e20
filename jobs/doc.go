// Package jobs carries out what operators ask of a Pacemaker cluster, and keeps a document of
// each such job on the agents of several nodes: who has asked for what, what was foretold, and
// what has happened.
//
// A job happens once: its writes leave a mark in the CIB, in the same change. When the node of
// a job is lost, another one finishes it. A document never has a secret, and the package never
// stores the body of a request.
package jobs
