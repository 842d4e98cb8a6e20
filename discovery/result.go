package discovery

import (
	"context"
	"errors"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// A result is what became of a task.
type result struct {
	task task
	err  error
	took time.Duration
	meta consul.Meta

	// Of a request for one service:
	answer        answer
	leftOut       []leftOut
	readable      bool // of the probe: it is there
	serviceDigest uint64
	nodes         []string
	// Of one over the whole catalog, either:
	digests *digests
	tags    map[string]uint64
}

// A note is something to log.
type note struct {
	kind    noteKind
	service lb.Name // empty: the whole catalog
	reason  string
	leftOut leftOut
}

type noteKind int

const (
	noteOutage noteKind = iota
	noteOutageOver
	noteUnusable
	noteUsable
	noteLeftOut
	noteHeld
	noteReleased
)

// maxLeftOut bounds how many instances of one answer are told about.
const maxLeftOut = 10

// unusablePace is the time that each of many unusable answers adds to the pause
// before it is asked for again.
const unusablePace = 20 * time.Millisecond

// apply takes the result of a task that assign gave out.
func (s *schedule) apply(r result, now time.Time) {
	r.task.query.busy, r.task.query.cancel = false, nil
	switch r.task.slot {
	case hotSlot:
		s.hotBusy--
	case fetchSlot:
		s.fetched--
		if r.task.query == &s.probe {
			s.applyProbe(r, now)
		}
	case catalogSlot:
		if s.watchesCatalog() && !errors.Is(r.err, context.Canceled) {
			s.applyCatalog(r, now)
		}
	}
	if svc := r.task.service; svc != nil && s.services[svc.name] == svc {
		s.applyService(svc, r, now)
	}
	s.noteOutage(now)
}

func (s *schedule) applyService(svc *service, r result, now time.Time) {
	evicted := svc.evicted
	svc.evicted = false
	switch {
	case evicted && errors.Is(r.err, context.Canceled):
		// No failure. What happened to it since its last answer is asked for
		// once more, as nobody was looking for a moment.
		svc.hot, svc.dirty = false, true
		return
	case r.err != nil:
		s.failService(svc, consul.Diagnose(r.err), now)
		return
	}
	if svc.outage || s.down && now.Sub(s.downAt) < s.policy.time {
		s.expectGaps(now) // the others that fail may be the first, or do so for reasons of their own
	}
	before := svc.current
	next, v := evaluate(before, r.answer, s.policy, s.evidence(svc, now))
	switch {
	case v.refused != "":
		s.failService(svc, consul.Failure{Reason: v.refused, Outage: !r.answer.Leader}, now)
		return
	case v.restart:
		s.expectGaps(now)
		svc.restart(now)
		return
	case v.verify:
		svc.index, svc.due = 0, now
		return
	}
	if v.changed || svc.current.Stale != "" || !svc.known {
		s.fresh, s.poke = false, true
	}
	s.confirmed = true
	if svc.known && v.changed {
		svc.heat = now
	}
	svc.current, svc.known = next, true
	svc.serviceDigest, svc.nodes = r.serviceDigest, r.nodes
	svc.epoch = r.task.epoch
	half := s.sweepTime() / 2
	svc.sweep = now.Add(half + time.Duration(s.random()*float64(half)))
	s.succeed(&svc.query, svc.name, r, v.changed, now)
	s.keepCount(svc, before, r.answer, now)
	s.noteLeftOut(svc, r.leftOut)
	s.compare(svc, now)
}

// failService keeps what is known of a service and says that it is not
// confirmed any more.
func (s *schedule) failService(svc *service, t consul.Failure, now time.Time) {
	s.fail(&svc.query, svc.name, t, now)
	s.poke = s.poke || svc.known && svc.current.Stale == ""
	s.fresh = false
	svc.current.Stale = t.Reason
}

// compare holds the answer about a service against the one about all checks.
// Where they differ one of them is older. When the other one changed while this
// one was under way, it may be this one: ask again. Else the other one's change
// is on its way: wait for it a little. A lasting difference costs ever fewer
// requests.
func (s *schedule) compare(svc *service, now time.Time) {
	before := svc.catalogDigest
	svc.catalogDigest = s.catalogDigest(svc)
	switch {
	case !s.differs(svc):
		svc.rechecks, svc.recheck = 0, time.Time{}
	case svc.catalogDigest != before:
		svc.dirty = true
	default:
		svc.recheck = now.Add(min(firstRecheck<<min(svc.rechecks, maxQuick+maxQuick), sweepEvery))
		svc.rechecks++
	}
}

// applyCatalog takes an answer about the whole catalog.
func (s *schedule) applyCatalog(r result, now time.Time) {
	q := r.task.query
	if r.err == nil && !r.meta.Leader {
		r.err = consul.ErrNoLeader
	}
	if r.err != nil {
		s.failCatalog(q, consul.Diagnose(r.err), now)
		return
	}
	if r.meta.Index < r.task.index {
		s.expectGaps(now)
		q.restart(now)
		return
	}
	news := r.task.index == 0 || r.meta.Index > r.task.index
	s.succeed(q, "", r, news, now)
	switch q {
	case &s.checks:
		s.applyChecks(r.digests)
	case &s.critical:
		s.applyCritical(r.digests)
	case &s.catalog:
		if news {
			s.applyTags(r.tags)
		}
	}
}

// failCatalog backs off. When Consul as a whole is away the cold services are not
// watched by anybody: they are not confirmed from here on.
func (s *schedule) failCatalog(q *query, t consul.Failure, now time.Time) {
	s.fail(q, "", t, now)
	if !t.Outage {
		return
	}
	for _, svc := range s.byName {
		if !svc.busy && svc.failures == 0 && svc.index > 0 {
			s.failService(svc, t, now)
		}
	}
}

// applyChecks finds the services whose checks are not what they were. One that
// is asked for right now is compared when that is done. One that stands as it
// did before has been asked for since.
func (s *schedule) applyChecks(v *digests) {
	s.digests = v
	for _, svc := range s.byName {
		if svc.busy {
			continue
		}
		before := svc.catalogDigest
		svc.catalogDigest = s.catalogDigest(svc)
		svc.dirty = svc.dirty || svc.catalogDigest != before && s.differs(svc)
	}
}

// applyCritical finds the services of which a check became critical or is it no
// longer, long before the answer about all checks is read.
func (s *schedule) applyCritical(v *digests) {
	before := s.criticalDigests
	s.criticalDigests = v
	if before == nil {
		return
	}
	for _, svc := range s.byName {
		if !(svc.busy && svc.watching) && v.of(svc.name, svc.nodes) != before.of(svc.name, svc.nodes) {
			svc.dirty = true
		}
	}
}

// applyTags finds the services whose tags are not what they were, and has all
// cold ones asked for in time: something changed in the catalog that need not
// show in names and tags.
func (s *schedule) applyTags(tags map[string]uint64) {
	before := s.tags
	s.tags = tags
	s.epoch++
	if before == nil {
		return
	}
	for _, svc := range s.byName {
		key := lowerCase(svc.name)
		if tags[key] != before[key] && !(svc.busy && svc.watching) {
			svc.dirty = true
		}
	}
}

func (s *schedule) fail(q *query, name lb.Name, t consul.Failure, now time.Time) {
	if !t.Outage && (q.failures == 0 || q.outage) {
		s.notes = append(s.notes, note{kind: noteUnusable, service: name, reason: t.Reason})
	}
	q.fail(t, now, s.maxRetryPause(), s.random())
}

// maxRetryPause is the longest pause before an answer that could not be used is asked
// for again: a second, longer when there are many such.
func (s *schedule) maxRetryPause() time.Duration {
	n := 0
	for q := range s.queries {
		if q.failures > 0 && !q.outage {
			n++
		}
	}
	return max(time.Second, time.Duration(n)*unusablePace)
}

// succeed notes an answer. When it ends an outage, whoever waits because of
// that outage need not wait any longer.
func (s *schedule) succeed(q *query, name lb.Name, r result, news bool, now time.Time) {
	failed, outage := q.failures > 0, q.outage
	q.succeed(r, news, now)
	if failed && !outage {
		s.notes = append(s.notes, note{kind: noteUsable, service: name})
	}
	if outage {
		s.retryFailed(now, 0)
	}
}

// queries ranges over all there are.
func (s *schedule) queries(yield func(*query) bool) {
	if s.watchesCatalog() {
		for _, q := range s.catalogQueries() {
			if !yield(q) {
				return
			}
		}
	}
	for _, svc := range s.byName {
		if !yield(&svc.query) {
			return
		}
	}
}

// noteOutage notes when the first request fails for an outage and when the last
// one is over it.
func (s *schedule) noteOutage(now time.Time) {
	reason := ""
	for q := range s.queries {
		if q.outage {
			reason = q.problem
			break
		}
	}
	switch down := reason != ""; {
	case down && !s.down:
		s.notes = append(s.notes, note{kind: noteOutage, reason: reason})
		s.down, s.downAt = true, now
	case !down && s.down:
		s.notes = append(s.notes, note{kind: noteOutageOver})
		s.down = false
	}
}

// noteLeftOut notes the instances left out that were not in the answer before.
func (s *schedule) noteLeftOut(svc *service, out []leftOut) {
	told := map[leftOut]bool{}
	for _, l := range out {
		if len(told) == maxLeftOut {
			break
		}
		if !svc.leftOut[l] {
			s.notes = append(s.notes, note{kind: noteLeftOut, service: svc.name, leftOut: l})
		}
		told[l] = true
	}
	svc.leftOut = told
}
