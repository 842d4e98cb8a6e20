package discovery

import "time"

// firstRecheck is how long the two digests of a service may differ at first, for
// example because one of two answers is still on its way.
const firstRecheck = 250 * time.Millisecond

// A catalog is what the queries over the whole catalog have returned. They are used
// when there are more services than watch slots.
type catalog struct {
	checks, critical, tags query // all checks, critical checks, names and tags

	checkDigests    *digests // nil: no answer yet
	criticalDigests *digests
	tagDigests      map[string]uint64
	// epoch counts the changes of the catalog. A service whose last good request
	// began in an earlier epoch may have changed since.
	epoch uint64
}

// queries returns the queries over the whole catalog.
func (c *catalog) queries() []*query { return []*query{&c.critical, &c.tags, &c.checks} }

// reset forgets the answers. Queries that are under way remain so.
func (c *catalog) reset() {
	for _, q := range c.queries() {
		*q = query{busy: q.busy}
	}
	c.checkDigests, c.criticalDigests, c.tagDigests = nil, nil, nil
}

// digest is the digest of a service's checks in the answer about all checks.
func (c *catalog) digest(svc *service) uint64 {
	if c.checkDigests == nil {
		return 0
	}
	return c.checkDigests.of(svc.name, svc.nodes)
}

// differs reports whether the answer about all checks contradicts the answer for
// the service.
func (c *catalog) differs(svc *service) bool {
	return c.checkDigests != nil && svc.index > 0 && c.digest(svc) != svc.serviceDigest
}

// compare compares the answer for a service with the answer about all checks. If
// they differ, one of them is older. If the answer about all checks changed during
// this request, this one may be older: request the service again. Otherwise a
// change of the other answer is on its way: wait for it. The longer they differ,
// the fewer requests are sent.
func (c *catalog) compare(svc *service, now time.Time) {
	before := svc.catalogDigest
	svc.catalogDigest = c.digest(svc)
	switch {
	case !c.differs(svc):
		svc.rechecks, svc.recheck = 0, time.Time{}
	case svc.catalogDigest != before:
		svc.outdated = true
	default:
		svc.recheck = now.Add(min(firstRecheck<<min(svc.rechecks, maxQuick+maxQuick), refreshEvery))
		svc.rechecks++
	}
}

// applyChecks marks the services whose checks have changed as outdated. A service
// with a request under way is compared when that ends. A service whose checks are
// the same as in the previous answer has been requested since.
func (c *catalog) applyChecks(d *digests, services []*service) {
	c.checkDigests = d
	for _, svc := range services {
		if svc.busy {
			continue
		}
		before := svc.catalogDigest
		svc.catalogDigest = c.digest(svc)
		svc.outdated = svc.outdated || svc.catalogDigest != before && c.differs(svc)
	}
}

// applyCritical marks the services as outdated of which a check became critical or
// is no longer critical. It does so long before the answer about all checks is
// read.
func (c *catalog) applyCritical(d *digests, services []*service) {
	before := c.criticalDigests
	c.criticalDigests = d
	if before == nil {
		return
	}
	for _, svc := range services {
		if !(svc.busy && svc.blocking) && d.of(svc.name, svc.nodes) != before.of(svc.name, svc.nodes) {
			svc.outdated = true
		}
	}
}

// applyTags marks the services whose tags have changed as outdated. It also begins
// a new epoch, so that all others are refreshed: a change of the catalog need not
// show in names and tags.
func (c *catalog) applyTags(tags map[string]uint64, services []*service) {
	before := c.tagDigests
	c.tagDigests = tags
	c.epoch++
	if before == nil {
		return
	}
	for _, svc := range services {
		key := lowerCase(svc.name)
		if tags[key] != before[key] && !(svc.busy && svc.blocking) {
			svc.outdated = true
		}
	}
}
