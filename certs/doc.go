// Package certs reads certificates and keys in PEM, checks that they belong together, and makes the
// texts that HAProxy loads. It does no I/O and has no clock.
//
// It must never put a key into an error or into an lb.Certificate.
package certs
