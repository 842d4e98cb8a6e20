// Package hrapi is the dialect below /v1: gateways, endpoints, pools and targets, changed
// in one draft and carried out by a commit. docs/hrapi.md describes it; package gateway
// knows what its words mean of frontends and backends.
package hrapi
