// Package pyhrapi reads and writes the database files of pyHrapi, the load-balancer
// controller of MODAClouds: SQLite files of gateways, endpoints, pools and targets. It owns
// SQLite. A file is read from memory and written to memory; what its values mean for
// HAProxy is decided elsewhere.
//
// A file may come from anybody: Read takes at most MaxBytes and ReadTime, prepares no
// statement of the file, and trusts none of its values.
package pyhrapi
