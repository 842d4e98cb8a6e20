// Package auth identifies callers and says what they may do. An [Authority] knows bearer
// tokens of a token file, and users, tokens and client certificates of an access file, each
// with a role; both files may change while the program runs. [Sessions] are those of
// browsers that have logged in with one of them.
//
// It never writes a token to an error or a log line. It compares
// hashes in constant time and keeps only hashes in memory.
package auth
