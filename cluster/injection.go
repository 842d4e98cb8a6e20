package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/lb"
)

// States that an Injection supposes of a node.
const (
	NodeOnline  = "online"  // it has joined
	NodeOffline = "offline" // it has left after it stopped everything
	NodeUnclean = "unclean" // it has failed: Pacemaker fences it if it can
)

// MaxInjections is how many events a simulation may suppose.
const MaxInjections = 50

// An Injection is an event that a simulation supposes. It is about one of a node with its
// state, the result of an operation, a ticket, and quorum.
type Injection struct {
	Node  string `json:"node,omitempty"`
	State string `json:"state,omitempty"` // of Node

	// Resource, Operation, Interval in milliseconds and Code are the result of an operation
	// on Node.
	Resource  string `json:"resource,omitempty"`
	Operation string `json:"op,omitempty"`
	Interval  int    `json:"intervalMs,omitempty"`
	Code      *int   `json:"code,omitempty"` // of OCF: 0 to 255

	Ticket string `json:"ticket,omitempty"`
	Action string `json:"action,omitempty"` // on Ticket: grant, revoke, standby, activate

	Quorum *bool `json:"quorum,omitempty"`
}

func injectedOperations() []string {
	return strings.Fields("monitor start stop promote demote notify migrate_to migrate_from")
}

// Check reports missing and unexpected fields at a path. The error is an *lb.InvalidError.
func (i Injection) Check(at string) error {
	var fe lb.FieldErrors
	isOperation, isNode := i.Resource+i.Operation != "" || i.Code != nil || i.Interval != 0, i.Node+i.State != ""
	isTicket := i.Ticket+i.Action != ""
	kinds := 0
	for _, is := range []bool{isOperation || isNode, isTicket, i.Quorum != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		fe.Add(at, "is about "+strconv.Itoa(kinds)+" events", `one of {"node", "state"}, {"resource", "op", "intervalMs", "node", "code"}, {"ticket", "action"} and {"quorum"}`)
		return fe.Err()
	}
	switch {
	case isOperation:
		i.checkOperation(&fe, at)
	case isNode:
		i.checkName(&fe, at+".node", i.Node)
		if !slices.Contains([]string{NodeOnline, NodeOffline, NodeUnclean}, i.State) {
			fe.Add(at+".state", "is "+strconv.Quote(i.State), "online, offline or unclean")
		}
	case isTicket:
		i.checkName(&fe, at+".ticket", i.Ticket)
		if !slices.Contains([]string{"grant", "revoke", "standby", "activate"}, i.Action) {
			fe.Add(at+".action", "is "+strconv.Quote(i.Action), "grant, revoke, standby or activate")
		}
	}
	return fe.Err()
}

func (i Injection) checkOperation(fe *lb.FieldErrors, at string) {
	i.checkName(fe, at+".resource", i.Resource)
	i.checkName(fe, at+".node", i.Node)
	if i.State != "" {
		fe.Add(at+".state", "has no meaning for the result of an operation", "no value")
	}
	if !slices.Contains(injectedOperations(), i.Operation) {
		fe.Add(at+".op", "is "+strconv.Quote(i.Operation), strings.Join(injectedOperations(), ", "))
	}
	if i.Interval < 0 {
		fe.Add(at+".intervalMs", "is "+strconv.Itoa(i.Interval), "milliseconds, or 0 for an operation that is done once")
	}
	if i.Code == nil || *i.Code < 0 || *i.Code > 255 {
		fe.Add(at+".code", "is no exit code", "a number from 0 to 255, as a resource agent ends with")
	}
}

func (Injection) checkName(fe *lb.FieldErrors, at, name string) {
	if !isName(name) {
		fe.Add(at, "is "+strconv.Quote(name), "letters, digits and . _ : - not beginning with -")
	}
}

// String is the event in a sentence without an end: "node lb1 fails".
func (i Injection) String() string {
	switch {
	case i.Resource != "":
		every := ""
		if i.Interval > 0 {
			every = fmt.Sprintf(" every %d ms", i.Interval)
		}
		return fmt.Sprintf("%s%s of %s on %s ends with %d", i.Operation, every, i.Resource, i.Node, *i.Code)
	case i.Node != "" && i.State == NodeUnclean:
		return "node " + i.Node + " fails"
	case i.Node != "" && i.State == NodeOffline:
		return "node " + i.Node + " leaves the cluster"
	case i.Node != "":
		return "node " + i.Node + " joins the cluster"
	case i.Ticket != "":
		return i.Action + " of ticket " + i.Ticket
	case i.Quorum != nil && *i.Quorum:
		return "this partition has quorum"
	}
	return "this partition loses quorum"
}

// CheckInjections checks a list at a path. The error is an *lb.InvalidError.
func CheckInjections(at string, list []Injection) error {
	var fe lb.FieldErrors
	if len(list) > MaxInjections {
		fe.Add(at, fmt.Sprintf("has %d events", len(list)), fmt.Sprintf("at most %d", MaxInjections))
		return fe.Err()
	}
	for n, i := range list {
		if err := i.Check(fmt.Sprintf("%s[%d]", at, n)); err != nil {
			return err
		}
	}
	return nil
}

// A Scenario is what a simulation supposes beside the CIB.
type Scenario struct {
	Inject []Injection
	// At is the time for rules; zero: now.
	At time.Time
}
