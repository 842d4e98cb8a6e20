// Package consul is a client of Consul's HTTP API. It connects to an agent over TCP, a
// unix socket or TLS, with a token or with a token file that it reads again when the
// file changes.
//
// A Client reads the instances of a service, the names and tags of all services, and
// all health checks, at once or with a blocking query. It also registers services in a
// local agent. Its results are plain values of this package. Diagnose classifies an
// error: Consul as a whole is not available, or a single answer is unusable.
//
// # Limits
//
// A Client never has more connections than Config.MaxConns. It reads at most
// 32 MiB of an answer, or 512 MiB if it returns one element at a time. It sets no time
// limit for an answer; use the context. It never follows a redirect, never uses a
// proxy, and ignores the environment: a CONSUL_HTTP_TOKEN that is set for other
// programs has no effect.
//
// # Tests
//
// NewWithTransport returns a Client that sends its requests to an http.RoundTripper, so
// that a test controls the answers and their times. With testing/synctest, time limits
// pass at once.
//
// The package must never evaluate or store an answer: that is the task of package
// discovery.
package consul
