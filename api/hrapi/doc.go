// Package hrapi is the dialect below /v1: gateways, endpoints, pools and targets, changed in one
// draft and carried out by a commit. docs/hrapi.md describes it. Package gateway translates between
// its terms and frontends and backends.
package hrapi
