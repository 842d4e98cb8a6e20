// Package store keeps what operators asked for, its history, the activity log
// and the last answers of Consul in one bbolt file, and reads and writes the
// persistence file of the original Thalassa.
//
// A store never opens a file that it has not examined, never changes or deletes
// a damaged one (it is set aside under another name), and never loses a commit
// it has acknowledged.
package store
