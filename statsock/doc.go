// Package statsock speaks with HAProxy over its two control sockets: the stats
// socket of the worker that serves ("stats socket" in haproxy.cfg) and the
// master socket of the process that supervises it (-S on the command line).
// It is the only package that dials them.
//
// Every call is one connection and one question, has a deadline, and either
// returns the whole answer or an error: an answer that was cut off is never
// mistaken for a short one. Nothing is kept between calls but the connections of
// questions that a worker still has to answer, and all of it may be used from any
// number of goroutines at once.
//
// The package never interprets what it reads: it decides nothing, retries
// nothing and starts nothing. The dialects of HAProxy 2.6 to 3.2 are
// understood; later columns and fields are ignored, missing ones are zero.
//
// Source of the formats: HAProxy management guide, 9.1 (CSV format), 9.3 (Unix
// socket commands) and 9.4 (master CLI), and what the named versions send.
package statsock
