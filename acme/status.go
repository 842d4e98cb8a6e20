package acme

import (
	"slices"

	"thalassa/lb"
)

// Status is the state of an order.
func (i *Issuer) Status(a lb.ACME) lb.OrderStatus {
	id := a.Identity()
	r := i.ledger.record(id)
	at := i.queue.place(id)
	s := lb.OrderStatus{
		State: lb.OrderWaiting, Issued: len(r.Files) > 0, LastRenewal: r.IssuedAt, Next: r.due(), Error: r.LastError, Failures: r.Failures,
		Failed: at.failed, Alone: i.cfg.Alone,
	}
	if w := r.Window; w != nil && s.Issued {
		s.Window = &lb.RenewalWindow{Start: w.Start, End: w.End, Explanation: w.Explanation}
	}
	elsewhere := ""
	if i.pool != nil {
		s.Alone, elsewhere = i.pool.kv.problem(), i.pool.live.elsewhere(id)
	}
	switch {
	case at.running != nil && at.running.orders.Load():
		s.State, s.Step = lb.OrderUnderWay, at.running.current()
	case elsewhere != "":
		s.State, s.Step = lb.OrderUnderWay, "on node "+elsewhere
	case at.isAsked:
		s.State, s.Step = lb.OrderUnderWay, "queue"
	case at.wait.text != "" && !at.wait.elsewhere && (!s.Issued || !r.due().After(i.cfg.Now())):
		s.Error = at.wait.text
		if s.Next.Before(at.wait.until) {
			s.Next = at.wait.until
		}
	case r.Failures > 0:
		s.State = lb.OrderFailed
	case r.LastError != "":
	case s.Issued:
		s.State = lb.OrderIssued
	}
	return s
}

// Check refuses orders that this node may not or cannot make. The error is an *lb.InvalidError.
func (i *Issuer) Check(a lb.ACME) error {
	var fe lb.FieldErrors
	if len(i.cfg.Directories) > 0 && !slices.Contains(i.cfg.Directories, a.Directory) {
		fe.Add("acme.directory", "is not among the servers of the setting acme-directories", "one of them")
	}
	if a.Challenge == lb.DNS01 {
		for _, domain := range a.Domains {
			if _, zone := i.challenges.zones.recordAt(domain); zone == nil {
				fe.Add("acme.domains", domain+" is in no zone of the setting acme-dns", "a zone there, or the challenge "+lb.HTTP01)
			}
		}
	}
	return fe.Err()
}
