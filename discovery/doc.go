// Package discovery watches Consul. A Watcher keeps the last usable answer for every
// watched service as an lb.Snapshot. A Registrar keeps services registered in the
// local agent.
//
// The package must never mistake a failure of Consul for a change of a service:
// whatever fails, the last instances stay, marked as not confirmed. It must never
// starve other programs: by default, Consul allows 200 connections per client
// address (limits.http_max_conns_per_client), shared by every program on the node.
// So a Watcher has a fixed maximum of requests, however many services there are.
// And it never gives up.
//
// # How services are watched
//
// With few services, each has a blocking query of its own
// (/v1/health/service/NAME). With more, only those do that changed or were added
// last. A service that changes takes the slot of the one that has not changed for
// longest. Three blocking queries over the whole catalog cover the others:
//
//   - /v1/health/state/any shows which services' checks differ from what is known.
//     For 10,000 checks, Consul takes 40 ms to write it.
//   - /v1/health/state/critical shows the same within milliseconds for checks that
//     fail, as those of most new instances do at first.
//   - /v1/catalog/services shows which services' names and tags changed, and that
//     something else in the catalog did.
//
// The services in question are then requested one by one over the few remaining
// connections. Besides that, every service without a blocking query is refreshed
// once a minute, or every four minutes with a thousand services.
//
// Neither tag= nor filter= reduces how often Consul answers a blocking query, so
// readers of the snapshot separate versions in memory.
//
// # Deciding and doing
//
// A schedule holds the state. schedule.decide returns which requests to start and
// which to cancel now, and changes nothing; schedule.apply processes a result. Both
// do no I/O and read no clock. Watcher.Run sends and cancels the requests.
package discovery
