package plan

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// operation returns the operation that brings one server to what is wanted.
func operation(want lb.Server, is lb.ServerState) lb.ServerOp {
	op := lb.ServerOp{Server: want.Name}
	if want.Weight != is.Weight {
		weight := want.Weight // allocated only where it differs, which is rare
		op.Weight = &weight
	}
	if want.Spare {
		op.Maintenance = !is.Maintenance
		return op
	}
	if want.Address != is.Address {
		address := want.Address
		op.Address, op.Up = &address, !is.Maintenance && !want.Maintenance
	}
	if want.Maintenance {
		op.Maintenance = !is.Maintenance
		return op
	}
	op.Ready = is.Maintenance || is.Draining
	return op
}

// isNothing reports whether an operation changes nothing.
func isNothing(op lb.ServerOp) bool {
	return !op.Add && op.Address == nil && op.Weight == nil && !op.Maintenance && !op.Ready
}

// isTaken reports whether an operation gives another address to a server in use.
func isTaken(op lb.ServerOp, is lb.ServerState) bool { return op.Address != nil && !is.Maintenance }

// obstacle says why only a reload can do what an operation is for. An empty what says that the
// operation can be carried out.
func obstacle(p lb.ResolvedBackend, op lb.ServerOp, want lb.Server, is lb.ServerState) (what string, detail []string) {
	switch {
	case op.Weight != nil && !takesWeights(p.Balance):
		return "weight", []string{weightText(want.Name, is.Weight, want.Weight)}
	case isTaken(op, is) && p.Mode != "tcp":
		return "slots", []string{want.Name + " is in use by " + is.Address.String()}
	}
	return "", nil
}

// missing says that HAProxy does not have a server.
func missing(want lb.Server) (what string, detail []string) {
	return "slots", []string{want.Name + " is missing"}
}

// describe says what an operation corrects.
func describe(op lb.ServerOp, want lb.Server, is lb.ServerState) []string {
	var detail []string
	if want.Maintenance && op.Address == nil && op.Maintenance {
		return []string{want.Address.String() + " was in use"}
	}
	if op.Maintenance || isTaken(op, is) {
		detail = append(detail, "-"+is.Address.String())
	}
	switch {
	case op.Address != nil:
		return append(detail, "+"+want.Address.String())
	case op.Maintenance:
		return detail
	case want.Spare, want.Maintenance:
		return []string{weightText(want.Name, is.Weight, want.Weight)}
	case op.Weight != nil:
		detail = append(detail, weightText(want.Address.String(), is.Weight, want.Weight))
	}
	if op.Ready {
		detail = append(detail, want.Address.String()+" was out of use")
	}
	return detail
}

func weightText(who string, from, to int) string {
	return who + " weight " + strconv.Itoa(from) + " → " + strconv.Itoa(to)
}

// A step is an operation and its rank: lower ranks come first.
type step struct {
	op   lb.ServerOp
	rank int
}

// rank orders operations. Servers get traffic before others lose it, so that a backend is never
// empty in between. For servers that stay, a weight grows before other servers come, and shrinks
// after others have gone. So no server ever gets more traffic in between than before or after: its
// weight may be small for a reason. Spare lines can wait.
func rank(op lb.ServerOp, is lb.ServerState) int {
	const heavier, coming, going, lighter, spare = 0, 1, 2, 3, 4
	switch {
	case op.Add && !op.Ready:
		return spare
	case op.Maintenance:
		return going
	case op.Ready || op.Address != nil:
		return coming
	case op.Weight != nil && *op.Weight < is.Weight && !is.Maintenance:
		return lighter
	}
	return heavier
}

// inOrder gives the operations of the steps, the lowest rank first.
func inOrder(steps []step) []lb.ServerOp {
	if len(steps) == 0 {
		return nil
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.rank - b.rank })
	ops := make([]lb.ServerOp, len(steps))
	for i, s := range steps {
		ops[i] = s.op
	}
	return ops
}

// takesWeights reports whether a balance algorithm accepts weights at run time (HAProxy
// configuration manual, "balance": dynamic algorithms).
func takesWeights(balance string) bool {
	for _, dynamic := range []string{"roundrobin", "leastconn", "first", "random"} {
		if strings.HasPrefix(balance, dynamic) {
			return true
		}
	}
	return false
}

// states are the servers of a backend as a HAProxy has them that runs the backend. The address of a
// spare slot is not known: it may be that of a former member.
func states(p lb.ResolvedBackend) []lb.ServerState {
	servers := p.Servers()
	out := make([]lb.ServerState, len(servers))
	for i, s := range servers {
		out[i] = lb.ServerState{Backend: p.Key, Server: s.Name, Address: s.Address, Weight: s.Weight, Maintenance: s.Spare || s.Maintenance}
		if s.Spare {
			out[i].Address = lb.HostPort{}
		}
	}
	return out
}
