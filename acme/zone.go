package acme

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"thalassa/internal/wake"
)

// A Zone is a part of the DNS in which this node may publish records.
type Zone struct {
	// Name is the domain at the top, in lower case, without a dot at the end.
	Name string
	// Provider changes records in it.
	Provider Provider
	// Nameservers are asked until all of them have a record, host:port each; none: nobody is
	// asked.
	Nameservers []string
	// Wait bounds that (2 min).
	Wait time.Duration
	// Delegated are names of records, "_acme-challenge.DOMAIN", and the names in this zone
	// that they are aliases (CNAME) of.
	Delegated map[string]string
}

// A Provider publishes TXT records, one for each value. Names are without a dot at the end.
type Provider interface {
	Add(ctx context.Context, name, value string) error
	// Remove removes a record; one that is not there is no error.
	Remove(ctx context.Context, name, value string) error
}

// recordName is where servers look for the record of a domain.
func recordName(domain string) string { return "_acme-challenge." + strings.TrimPrefix(domain, "*.") }

// zones are all those of a node.
type zones []Zone

// of is the closest zone of a name; nil: there is none.
func (all zones) of(name string) *Zone {
	var best *Zone
	for n := range all {
		z := &all[n]
		if (name == z.Name || strings.HasSuffix(name, "."+z.Name)) && (best == nil || len(z.Name) > len(best.Name)) {
			best = z
		}
	}
	return best
}

// recordAt is the name of the record of a domain, and the zone that it is in: where an
// alias (CNAME) of the setting leads, or else below the domain.
func (all zones) recordAt(domain string) (name string, zone *Zone) {
	name = recordName(domain)
	for n := range all {
		if target, ok := all[n].Delegated[name]; ok {
			return target, &all[n]
		}
	}
	return name, all.of(name)
}

const (
	defaultWait = 2 * time.Minute
	recordPause = 500 * time.Millisecond
)

// awaitRecord waits until a name server has a record.
func awaitRecord(ctx context.Context, server, name, value string) error {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, server)
	}}
	for {
		found, err := resolver.LookupTXT(ctx, name+".")
		if err == nil && slices.Contains(found, value) {
			return nil
		}
		if wake.Pause(ctx, recordPause) != nil {
			return fmt.Errorf("the name server %s does not have the record %s in time", server, name)
		}
	}
}
