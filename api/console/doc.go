// Package console answers the read requests of hawk-apiserver below /api/v1, for its
// clients: the configuration and the status of the Pacemaker cluster as JSON whose values
// are strings.
//
// The documents have hawk-apiserver's fields. They differ where hawk-apiserver omitted something:
// an object that does not exist is 404, rules are included, sets have all of their pairs, and
// alerts, tags, access rights and fencing levels are included. Secrets are masked. Changes are
// requests of /cluster/config.
package console
