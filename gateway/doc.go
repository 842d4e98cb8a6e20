// Package gateway has the gateways, endpoints, pools and targets of the dialect below /v1
// as values: how frontends and backends look there, and how they change. A gateway is a
// frontend, an endpoint one of its addresses, a pool a backend, a target one of its
// members. It decides with values alone. What the dialect cannot express of a frontend or
// backend stays as it is.
package gateway
