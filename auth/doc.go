// Package auth identifies callers and says what they may do: bearer tokens with
// one of three roles, kept in a file that may change while the program runs, and
// the sessions of browsers that were begun with a token.
//
// It never writes a token to an error or a log line. It compares
// hashes in constant time and keeps only hashes in memory.
package auth
