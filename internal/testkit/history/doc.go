// Package history records what clients asked of objects and what they were answered, and
// checks that the record is linearizable: there is one order of all operations in which
// each took effect at one moment between its call and its return. It asks nobody anything
// itself.
package history
