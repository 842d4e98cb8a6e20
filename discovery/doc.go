// Package discovery is Thalassa's side of Consul. A Watcher keeps the last good
// answer about every watched service as an lb.Snapshot; a Registrar keeps
// services registered in the local agent.
//
// It must never take trouble with Consul for news about a service: whatever
// goes wrong, the last good instances stay and only say that they are not
// confirmed. It must never crowd out others: Consul allows 200 connections per
// client address by default (limits.http_max_conns_per_client), shared by
// every program on the node, so a Watcher has a fixed number of queries under
// way however many services there are. And it never gives up.
//
// # How services are watched
//
// While there are few services each has a blocking query of its own
// (/v1/health/service/NAME). Beyond that only the hottest ones do, those that
// changed or were added last: one that changes takes the place of the one that
// has been quiet for longest. The cold rest is covered by three blocking queries
// over the whole catalog: /v1/health/state/any tells which services' checks
// differ from what is known of them, which takes Consul 40 ms to write down for
// 10,000 checks; /v1/health/state/critical tells the same within milliseconds of
// those that fail, as most new instances do at first; /v1/catalog/services tells
// which services' names and tags changed, and that something else in the catalog
// did. The services in question are then asked for one by one over the few
// connections left. Nothing depends on that alone: every cold service is asked
// for once a minute besides, or once in four where there are a thousand.
//
// Neither tag= nor filter= reduces how often Consul wakes a blocking query, so
// versions are told apart in memory, by whoever reads the snapshot.
package discovery
