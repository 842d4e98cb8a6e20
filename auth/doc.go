// Package auth identifies callers and says what they may do. An [Authority] checks the bearer
// tokens of a token file, and the users, tokens and client certificates of an access file, each
// with a role. It also finds the roles of users whom a provider of OpenID Connect or the system has
// identified. Both files may change while the program runs. [Sessions] are the sessions of callers
// who have logged in; [SharedSessions] make them valid on all nodes of a cluster.
//
// It never writes a token to an error or a log line. It compares
// hashes in constant time and keeps only hashes in memory.
package auth
