// Package api is the REST interface of the node agent: JSON over HTTP, the
// routes, fields and status codes of docs/api.md and of openapi.json, which the
// server hands out itself.
//
// It parses requests with package lb, asks the small interfaces of Config, and
// turns values and errors into answers. It decides nothing about HAProxy or
// Consul, keeps no state between requests, and never tells a caller about the
// inside of an error that is not meant for them.
package api
