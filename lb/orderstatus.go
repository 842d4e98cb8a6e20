package lb

import "time"

// The states of an OrderStatus.
const (
	OrderWaiting  = "waiting"  // no attempt can be made now; Error says why
	OrderUnderWay = "ordering" // an attempt is under way
	OrderIssued   = "issued"
	OrderFailed   = "failed" // the last attempt; Next says when the next is
)

// An OrderStatus is how an order stands.
type OrderStatus struct {
	State string
	// Issued: what is served has been issued by the server.
	Issued bool
	// Step is what an attempt does now.
	Step string
	// LastRenewal is when the last certificate was issued; zero: none was.
	LastRenewal time.Time
	// Next is when the next attempt is made.
	Next time.Time
	// Error says why the last attempt failed, or what is waited for.
	Error string
	// Failures counts attempts that failed since the last success.
	Failures int
	// Failed counts attempts of this node that failed since the agent has started.
	Failed uint64
	// Alone says why this node shares its orders with no other node.
	Alone string
}
