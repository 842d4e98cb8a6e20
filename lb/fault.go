package lb

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// MaxFaults bounds the faults that are kept of one service.
const MaxFaults = 100

// A Check is a health check in Consul that does not pass.
type Check struct {
	ID   string
	Name string
	// Status is Consul's: "warning", "critical", or "maintenance" for the check with
	// which Consul marks maintenance mode.
	Status string
	// Output of the last run, at most 512 bytes; of maintenance mode the reason that
	// its operator gave.
	Output string
	// OfNode: it checks the node, not the instance.
	OfNode bool
}

// String is the check as a clause: `check "http" is critical: connection refused`.
func (c Check) String() string {
	output := oneLine(c.Output)
	if output != "" {
		output = ": " + output
	}
	if c.Status == statusMaintenance {
		return c.owner("it") + " is in maintenance mode" + output
	}
	return c.owner("") + "check " + strconv.Quote(cmp.Or(c.Name, c.ID)) + " is " + c.Status + output
}

func (c Check) owner(instance string) string {
	switch {
	case !c.OfNode:
		return instance
	case instance == "":
		return "node's "
	}
	return "its node"
}

// Consul's states of an instance besides passing.
const (
	statusWarning     = "warning"
	statusMaintenance = "maintenance"
)

// A Fault is what is wrong with one registration of a service.
type Fault struct {
	ID   string
	Node string
	// Address is HOST:PORT as registered, which may be neither.
	Address string
	// Version is the service meta "version" as registered.
	Version string
	// Problem says why the registration is not valid, e.g. "port: 0 is not a port,
	// expected 1 to 65535". Empty: only its checks do not pass.
	Problem string
	// Checks that do not pass, at most 8.
	Checks []Check
}

// String names the registration and says what is wrong with it.
func (f Fault) String() string {
	name := cmp.Or(f.ID, "an instance without an id")
	if f.Node != "" {
		name += " on " + f.Node
	}
	if reason := f.reason(); reason != "" {
		return name + ": " + reason
	}
	return name
}

// reason is the problem, else the first check and the number of further ones.
func (f Fault) reason() string {
	if f.Problem != "" {
		return f.Problem
	}
	if len(f.Checks) == 0 {
		return ""
	}
	worst := slices.MaxFunc(f.Checks, func(a, b Check) int { return cmp.Compare(severity(a.Status), severity(b.Status)) })
	reason := worst.String()
	if n := len(f.Checks) - 1; n > 0 {
		reason += " (and " + strconv.Itoa(n) + " more)"
	}
	return reason
}

func severity(status string) int {
	switch status {
	case statusMaintenance:
		return 2
	case statusWarning:
		return 0
	}
	return 1
}

// Unusable lists the faults of registrations that are not valid.
func (s Service) Unusable() []Fault {
	var out []Fault
	for _, f := range s.Faults {
		if f.Problem != "" {
			out = append(out, f)
		}
	}
	return out
}

// fault finds what is known to be wrong with an instance.
func (s Service) fault(i Instance) (Fault, bool) {
	for _, f := range s.Faults {
		if f.ID == i.ID && f.Node == i.Node {
			return f, true
		}
	}
	return Fault{}, false
}

// WhyNone says what keeps a service's instances of some versions from use, at most five
// of them: registrations that are not valid, and instances whose checks do not pass.
// It is empty when nothing is known to be wrong.
func (s Service) WhyNone(versions []Version) string {
	const most = 5
	var out []string
	for _, f := range s.Faults {
		if f.Problem == "" && !slices.ContainsFunc(versions, func(v Version) bool { return s.isUnhealthy(f, v) }) {
			continue
		}
		out = append(out, f.String())
	}
	if n := len(out) - most; n > 0 {
		out = append(out[:most], strconv.Itoa(n)+" more")
	}
	return strings.Join(out, "; ")
}

func (s Service) isUnhealthy(f Fault, v Version) bool {
	return slices.ContainsFunc(s.Instances, func(i Instance) bool { return i.ID == f.ID && i.Node == f.Node && !i.Healthy && i.Is(v) })
}

// oneLine is a text on one line, without control characters, of at most 200 bytes.
func oneLine(s string) string {
	const most = 200
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == '\u2028' || r == '\u2029' || r == 0x7f }), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
