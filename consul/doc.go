// Package consul is the client of Consul's HTTP API: how to reach an agent (TCP,
// unix socket, TLS), as whom (a token, or a file with one that is read again when
// it changes), and what to ask.
//
// A Client asks for the instances of a service, for the names and tags of all
// services, and for all health checks, each once or as a blocking query; and it
// registers services in a local agent. Its answers are plain values of this
// package. Diagnose says what an error means: whether Consul as a whole is not
// available or one answer cannot be used.
//
// # Limits
//
// A Client never has more connections than Config.MaxConns. It reads at most
// 32 MiB of an answer, or 512 MiB where it hands out one element at a time. It
// sets no time limit for an answer: the context has it. It never follows a
// redirect, never uses a proxy, and reads nothing from the environment: a
// CONSUL_HTTP_TOKEN that is set for other programs has no effect.
//
// # Tests
//
// NewWithTransport makes a Client whose requests go to an http.RoundTripper, so
// that a test decides what Consul answers and when; with testing/synctest the
// time limits pass at once.
//
// It must never decide what an answer is worth, nor keep one: that is what
// package discovery does.
package consul
