package lb

import "time"

// The states of an OrderStatus.
const (
	OrderWaiting  = "waiting"  // no attempt can be made now; Error says why
	OrderUnderWay = "ordering" // an attempt is under way
	OrderIssued   = "issued"
	OrderFailed   = "failed" // the last attempt failed; Next is the time of the next
)

// An OrderStatus is the state of an order.
type OrderStatus struct {
	State string
	// Issued: the served certificate was issued by the server; otherwise it is a stand-in.
	Issued bool
	// Step is the current step of the attempt.
	Step string
	// LastRenewal is when the last certificate was issued; zero: none was.
	LastRenewal time.Time
	// Next is the time of the next attempt.
	Next time.Time
	// Window is when the server wants the certificate to be renewed; nil: it has not said.
	Window *RenewalWindow
	// Error says why the last attempt failed, or what the order waits for.
	Error string
	// Failures counts attempts that failed since the last success.
	Failures int
	// Failed counts attempts of this node that failed since the agent has started.
	Failed uint64
	// Alone says why this node does not share its orders with other nodes.
	Alone string
}

// A RenewalWindow is when a server wants a certificate to be renewed (RFC 9773).
type RenewalWindow struct {
	Start, End time.Time
	// Explanation is the http or https URL of a page for people; empty: there is none.
	Explanation string
}
