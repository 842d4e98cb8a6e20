// Package auth says who a caller is and what they may do: bearer tokens with
// one of three roles, kept in a file that may change while the program runs, and
// the sessions of browsers that have shown one.
//
// It never tells a token: not in an error, not in a log line. It compares
// hashes in constant time and keeps nothing but hashes in memory.
package auth
