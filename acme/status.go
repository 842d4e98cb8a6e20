package acme

import (
	"slices"

	"thalassa/lb"
)

// ownOrders is why orders are not shared.
const ownOrders = "each node orders on its own"

// Status is the state of an order.
func (i *Issuer) Status(a lb.ACME) lb.OrderStatus {
	id := a.Identity()
	r := i.record(id)
	i.mu.Lock()
	running, asked := i.running[id], i.asked[id]
	i.mu.Unlock()
	s := lb.OrderStatus{
		State: lb.OrderWaiting, Issued: len(r.Files) > 0, LastRenewal: r.IssuedAt, Next: r.due(), Error: r.LastError, Failures: r.Failures, Alone: ownOrders,
	}
	switch {
	case running != nil:
		s.State, s.Step = lb.OrderUnderWay, running.current()
	case asked:
		s.State, s.Step = lb.OrderUnderWay, "queue"
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
			if _, zone := zones(i.cfg.DNS).recordAt(domain); zone == nil {
				fe.Add("acme.domains", domain+" is in no zone of the setting acme-dns", "a zone there, or the challenge "+lb.HTTP01)
			}
		}
	}
	return fe.Err()
}
