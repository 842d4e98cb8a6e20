// Package client is a client of the REST API of a node agent.
//
// It ignores unknown fields, so that it works with a newer agent too. It
// never retries a change, never follows a redirect (which would send the token
// elsewhere), and reads at most 64 MiB of an answer.
package client
