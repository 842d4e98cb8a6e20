// Package client speaks to the REST interface of a node agent.
//
// It decodes only what it knows, so that it works with a newer agent, too. It
// never retries a change, never follows a redirect (which would take the token
// elsewhere), and reads no answer beyond 64 MiB.
package client
