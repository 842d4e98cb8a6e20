package discovery

import (
	"context"
	"errors"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// A result is the outcome of a task.
type result struct {
	task task
	err  error
	took time.Duration
	meta consul.Meta

	// Of a request for one service:
	answer        answer
	leftOut       []leftOut
	readable      bool // of the probe: Consul lists its own service
	serviceDigest uint64
	nodes         []string
	// Of a request over the whole catalog, one of these:
	digests *digests
	tags    map[string]uint64
}

// apply processes the result of a task that assign returned.
func (s *schedule) apply(r result, now time.Time) {
	r.task.query.busy = false
	switch r.task.slot {
	case watchSlot:
		s.watching--
	case fetchSlot:
		s.fetching--
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
	s.notes = append(s.notes, s.outage.note(s.queries, now)...)
}

// applyService processes the result of a request for one service.
func (s *schedule) applyService(svc *service, r result, now time.Time) {
	preempted := svc.preempted
	svc.preempted = false
	switch {
	case preempted && errors.Is(r.err, context.Canceled):
		// This is no failure. The service is requested once more, because nobody
		// watched it since its last answer.
		svc.recent, svc.outdated = false, true
		return
	case r.err != nil:
		s.failService(svc, consul.Diagnose(r.err), now)
		return
	}
	if svc.outage || s.outage.isRecent(now, s.policy.time) {
		s.outage.expectRecovery(now, s.policy.time) // other queries may fail first, or for other reasons
	}
	next, v := evaluate(svc.current, r.answer, s.policy, s.evidence(svc, now))
	switch {
	case v.refused != "":
		s.failService(svc, consul.Failure{Reason: v.refused, Outage: !r.answer.Leader}, now)
	case v.restart:
		s.outage.expectRecovery(now, s.policy.time)
		svc.restart(now)
	case v.verify:
		svc.index, svc.due = 0, now
	default:
		s.acceptAnswer(svc, next, v, r, now)
	}
}

// acceptAnswer stores an answer that evaluate accepted.
func (s *schedule) acceptAnswer(svc *service, next lb.Service, v verdict, r result, now time.Time) {
	before := svc.current
	if v.changed || v.explained || before.Stale != "" || !svc.known {
		s.published, s.changed = false, true
	}
	s.confirmed = true
	if svc.known && v.changed {
		svc.changedAt = now
	}
	svc.current, svc.known = next, true
	svc.serviceDigest, svc.nodes = r.serviceDigest, r.nodes
	svc.epoch = r.task.epoch
	half := refreshTime(len(s.byName)) / 2
	svc.refreshDue = now.Add(half + time.Duration(s.random()*float64(half)))
	s.succeed(&svc.query, svc.name, r, v.changed, now)
	s.keepCount(svc, before, r.answer, now)
	s.notes = append(s.notes, svc.noteLeftOut(r.leftOut)...)
	s.catalog.compare(svc, now)
}

// failService keeps the instances of a service and marks it as not confirmed.
func (s *schedule) failService(svc *service, f consul.Failure, now time.Time) {
	s.fail(&svc.query, svc.name, f, now)
	s.changed = s.changed || svc.known && svc.current.Stale == ""
	s.published = false
	svc.current.Stale = f.Reason
}

// applyCatalog processes the result of a request over the whole catalog.
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
		s.outage.expectRecovery(now, s.policy.time)
		q.restart(now)
		return
	}
	news := r.task.index == 0 || r.meta.Index > r.task.index
	s.succeed(q, "", r, news, now)
	switch q {
	case &s.catalog.checks:
		s.catalog.applyChecks(r.digests, s.byName)
	case &s.catalog.critical:
		s.catalog.applyCritical(r.digests, s.byName)
	case &s.catalog.tags:
		if news {
			s.catalog.applyTags(r.tags, s.byName)
		}
	}
}

// failCatalog backs off. In an outage, nothing watches the services without a
// blocking query: they are not confirmed any more.
func (s *schedule) failCatalog(q *query, f consul.Failure, now time.Time) {
	s.fail(q, "", f, now)
	if !f.Outage {
		return
	}
	for _, svc := range s.byName {
		if !svc.busy && svc.failures == 0 && svc.index > 0 {
			s.failService(svc, f, now)
		}
	}
}
