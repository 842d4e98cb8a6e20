package ocsp

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"thalassa/lb"
)

// Status is how the response of a file stands, by its digest; false: no client gets it.
func (s *Stapler) Status(digest string) (lb.StapleStatus, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[digest]
	if e == nil {
		return lb.StapleStatus{}, false
	}
	out := lb.StapleStatus{MustStaple: e.mustStaple(), Failures: e.failures, Error: e.problem, Revoked: errors.Is(e.last, errRevoked)}
	if e.problem != "" {
		return out, true
	}
	out.Next = e.next
	if err := cmp.Or(e.last, e.giving); err != nil {
		out.Error = err.Error()
	}
	if e.isUsable(s.cfg.Now()) && e.given.file != "" {
		out.ThisUpdate, out.NextUpdate = e.response.thisUpdate, e.response.nextUpdate
	}
	return out, true
}

func (e *entry) mustStaple() bool { return e.pair.leaf != nil && e.pair.mustStaple() }

// Warnings are sentences about certificates that are revoked, that demand a response and have
// none, or whose response ends although it should have been renewed.
func (s *Stapler) Warnings() []string {
	s.mu.Lock()
	all := make([]*entry, 0, len(s.entries))
	for _, e := range s.entries {
		all = append(all, e)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.target.File.Name, b.target.File.Name) })
	var out []string
	for _, e := range all {
		status, ok := s.Status(e.target.File.Digest)
		id := lb.Certificate{Key: e.target.Certificate}.ID()
		switch {
		case !ok:
		case status.Revoked:
			out = append(out, id+" is revoked, says the OCSP responder of its authority: replace it")
		case status.MustStaple && status.NextUpdate.IsZero():
			out = append(out, id+" demands a stapled OCSP response (must-staple), and there is none: "+cmp.Or(status.Error, "none has been fetched yet"))
		case status.Failures > 0 && s.endsSoon(status):
			out = append(out, id+" has no fresh OCSP response: "+status.Error)
		}
	}
	return out
}

// endsSoon reports whether a response ends within a quarter of its life, or has ended.
func (s *Stapler) endsSoon(status lb.StapleStatus) bool {
	life := status.NextUpdate.Sub(status.ThisUpdate)
	return status.NextUpdate.IsZero() || status.NextUpdate.Sub(s.cfg.Now()) < max(life/4, time.Minute)
}
