// Package drafts keeps the drafts of the cluster's configuration on the agents of all nodes, so that
// a draft survives the node on which it was begun.
//
// One agent at a time is the keeper: it makes each write of a draft, and sends a copy to the others
// before it answers. The others pass writes on to it. If it does not answer, another one takes over
// with a higher term, after it has got what the rest has. Each draft has a Version that says which
// writes are in it, so that no copy takes the place of a newer one, and drafts that were edited on
// both sides of a split are both kept. What agents tell each other has secrets: whoever carries it
// must encrypt it.
package drafts
