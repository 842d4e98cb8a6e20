// Package statsock speaks with HAProxy over its two control sockets: the stats
// socket of the worker that serves ("stats socket" in haproxy.cfg) and the
// master socket of the process that supervises it (-S on the command line).
// No other package connects to them.
//
// Every call is one connection and one question, has a deadline, and either returns the whole
// answer or an error: an answer that was cut off is never mistaken for a short one. Between calls
// only the connections of questions are kept that a worker still has to answer. Everything may be
// used from any number of goroutines at once.
//
// The package decides nothing, retries nothing and starts nothing. It understands HAProxy 2.6 to
// 3.2. Unknown columns and fields are ignored, missing ones are zero.
//
// Source of the formats: HAProxy management guide, 9.1 (CSV format), 9.3 (Unix
// socket commands) and 9.4 (master CLI), and the answers of these versions.
package statsock
