// Package audit keeps the audit log: who asked the agent for what, from where, with which kind of
// credential, and the result. It is a file of JSON lines that is only ever appended to, beside a
// number of older ones; syslog may get each line, too.
//
// Adding a record never waits for a disk. Records for which there is no room are dropped, counted
// and reported. No record has a secret: neither tokens, passwords and queries, nor the body of a
// request.
package audit
