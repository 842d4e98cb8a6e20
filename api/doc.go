// Package api is the HTTP server of the node agent: its REST interface, its websocket,
// its metrics and its pages.
//
// # Map
//
//   - Server (server.go, middleware.go) serves a listener and ends with its context.
//   - The guard (guard.go, admission.go, authlimiter.go) decides who may do what.
//   - A Dialect (dialect.go) is one REST interface. The one of docs/api.md is
//     nodedialect.go, the table of its routes, with a type of handlers for each kind of
//     object. Its documents are package node; openapi.json describes it.
//   - A handler's error becomes a ResponseError (failures.go), which the dialect renders.
//   - The publisher (publisher.go, *topic.go, *topics.go) keeps the topics of the
//     websocket up to date; package live serves them.
//   - metrics.go, gauges.go and exporter.go are what Prometheus reads.
//
// Package apitest is a node in memory for tests of the API and of its clients.
//
// # What it never does
//
// It decides nothing about HAProxy or Consul, keeps no state of objects between requests, imports
// no package that acts on the node (Config has small interfaces instead), and never shows callers
// internal errors.
package api
