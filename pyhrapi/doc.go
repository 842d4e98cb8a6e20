// Package pyhrapi reads and writes the database files of pyHrapi, the load-balancer controller of
// MODAClouds: SQLite files of gateways, endpoints, pools and targets. No other package uses SQLite.
// A file is read from memory and written to memory. Package gateway knows what its values mean for
// HAProxy.
//
// A file may come from anybody: Read uses at most MaxBytes and ReadTime, executes no SQL of the
// file, and trusts none of its values.
package pyhrapi
