// Package e2e tests the whole program: the built binary between a real Consul,
// a real HAProxy and real clients. It holds tests only.
package e2e
