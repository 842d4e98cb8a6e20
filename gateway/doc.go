// Package gateway has the gateways, endpoints, pools and targets of the dialect below /v1 as
// values: how frontends and backends appear there, and how requests change them. A gateway is a
// frontend, an endpoint one of its addresses, a pool a backend, a target one of its members. What
// the dialect cannot express of a frontend or backend stays unchanged. The package is pure: it does
// no I/O and reads no clock.
package gateway
