package lb

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An UnusedInstance is an instance or a static member that a backend sends no requests
// to, and why.
type UnusedInstance struct {
	ID      string // Consul's; empty of a static member
	Node    string
	Address string // HOST:PORT as registered
	Version string // as registered
	Status  string // Consul's; empty where that is not known
	Kind    UnusedKind
	// Reason is a clause.
	Reason string
	Checks []Check
	// HAProxy is the health of the server in HAProxy; nil: it is not a member of the backend.
	HAProxy *ServerHealth
}

// An UnusedKind classifies the reasons.
type UnusedKind string

// The kinds.
const (
	UnusedInvalid   UnusedKind = "invalid"   // the registration is not valid
	UnusedHAProxy   UnusedKind = "haproxy"   // a member that HAProxy does not use
	UnusedWeight    UnusedKind = "weight"    // a member of weight 0
	UnusedConsul    UnusedKind = "consul"    // not healthy in Consul
	UnusedRefused   UnusedKind = "refused"   // its address administers this node
	UnusedDuplicate UnusedKind = "duplicate" // another instance has its address
	UnusedVersion   UnusedKind = "version"   // the backend uses other versions
)

// A ServerHealth is the health of one server in HAProxy.
type ServerHealth struct {
	Address HostPort
	// Status is HAProxy's, e.g. "UP", "DOWN 1/2", "MAINT", "DRAIN", "no check".
	Status string
	// Check is the result of the last check, e.g. "L4CON"; empty without checks.
	// Code is the HTTP status, Output the details.
	Check  string
	Code   int
	Output string
	// Since is the time of the last change of the status.
	Since time.Time
}

// StatusUnresolved is the status of a server whose host name HAProxy cannot resolve.
const StatusUnresolved = "MAINT (resolution)"

// A serverClass classifies HAProxy's status of a server.
type serverClass int

const (
	classUp serverClass = iota
	classDown
	classDrain
	classMaint
	classUnknown
)

// class is that of a status such as "UP 1/3", "DOWN (agent)", "MAINT (via a/b)", "NOLB".
func (h ServerHealth) class() serverClass {
	switch {
	case strings.HasPrefix(h.Status, "UP"), h.Status == "no check":
		return classUp
	case strings.HasPrefix(h.Status, "DOWN"):
		return classDown
	case strings.HasPrefix(h.Status, "DRAIN"), strings.HasPrefix(h.Status, "NOLB"):
		return classDrain
	case strings.HasPrefix(h.Status, "MAINT"):
		return classMaint
	}
	return classUnknown
}

// IsUp reports whether HAProxy sends requests to the server; a status that is not known
// counts as up.
func (h ServerHealth) IsUp() bool { c := h.class(); return c == classUp || c == classUnknown }

// IsDown reports whether HAProxy's checks find the server down.
func (h ServerHealth) IsDown() bool { return h.class() == classDown }

// IsDraining reports whether the server gets only requests of existing sessions.
func (h ServerHealth) IsDraining() bool { return h.class() == classDrain }

// IsMaintenance reports whether the server is in maintenance.
func (h ServerHealth) IsMaintenance() bool { return h.class() == classMaint }

// CheckText is the result of the last check in words: "L7STS 503 (error response):
// Service Unavailable". Empty: there is none.
func (h ServerHealth) CheckText() string {
	if h.Check == "" {
		return ""
	}
	text := h.Check
	if h.Code > 0 {
		text += " " + strconv.Itoa(h.Code)
	}
	if words := CheckMeaning(h.Check); words != "" {
		text += " (" + words + ")"
	}
	if output := oneLine(CheckOutput(h.Check, h.Output)); output != "" {
		text += ": " + output
	}
	return text
}

// CheckOutput is the details of the last check. Where HAProxy's text about TLS says little, it
// explains what may be wrong with a certificate.
func CheckOutput(result, output string) string {
	switch {
	case result != "L6RSP":
	case strings.Contains(output, "different from the expected"), strings.Contains(output, "different from the configured"):
		return "its certificate is for another name"
	case output == "", output == "SSL handshake failure":
		return "it does not speak TLS, or its certificate has expired or is of another authority, or it refuses HAProxy's certificate"
	}
	return output
}

// Reason says why the server gets no requests; empty: it does.
func (h ServerHealth) Reason() string {
	check := ""
	if text := h.CheckText(); text != "" {
		check = ": " + text
	}
	switch h.class() {
	case classDown:
		return "HAProxy finds it down" + check
	case classDrain:
		return "HAProxy drains it (" + h.Status + ")"
	case classMaint:
		if h.Status == StatusUnresolved {
			return "HAProxy cannot resolve its host name"
		}
		return "HAProxy has it in maintenance (" + h.Status + ")"
	case classUp, classUnknown:
	}
	return ""
}

// CheckMeaning explains a check result of HAProxy (management guide, 9.1, "check_status");
// empty: it is not known.
func CheckMeaning(result string) string {
	switch strings.TrimPrefix(result, "* ") {
	case "UNK":
		return "unknown"
	case "INI":
		return "not checked yet"
	case "SOCKERR":
		return "socket error"
	case "L4OK":
		return "connection accepted"
	case "L4TOUT":
		return "connection timed out"
	case "L4CON":
		return "connection failed"
	case "L6OK":
		return "TLS handshake succeeded"
	case "L6TOUT":
		return "TLS handshake timed out"
	case "L6RSP":
		return "TLS handshake failed"
	case "L7OK":
		return "check passed"
	case "L7OKC":
		return "check passed conditionally"
	case "L7TOUT":
		return "no response in time"
	case "L7RSP":
		return "invalid response"
	case "L7STS":
		return "error response"
	case "PROCERR":
		return "check program failed"
	case "PROCTOUT":
		return "check program timed out"
	case "PROCOK":
		return "check program succeeded"
	}
	return ""
}

// Unused lists what the backend sends no requests to, the most urgent first: registrations that are
// not valid, members that HAProxy does not use or that have weight 0, then instances that are not
// healthy, then those of other versions. health is what HAProxy says of the backend's servers; it
// may lack some.
func (p ResolvedBackend) Unused(snap Snapshot, health []ServerHealth) []UnusedInstance {
	service := snap.Services[p.Service]
	if p.Type == "static" {
		service = Service{}
	}
	var out []UnusedInstance
	for _, f := range service.Unusable() {
		if !slices.ContainsFunc(service.Instances, func(i Instance) bool { return i.ID == f.ID && i.Node == f.Node }) {
			out = append(out, UnusedInstance{ID: f.ID, Node: f.Node, Address: f.Address, Version: f.Version, Kind: UnusedInvalid, Reason: f.Problem, Checks: f.Checks})
		}
	}
	used, servers := p.used(service), p.servers(health)
	for _, m := range p.Members {
		s, known := servers[m.Address]
		if !known { // its weight is known all the same
			s = InstanceServer{Backend: p.Key, Weight: m.Weight, Override: m.Override}
		}
		if s.Reason() != "" {
			u := unusedMember(m, used[m.Address], s)
			if problem := p.Transport.TLS.metaProblem(m.Meta); problem != "" {
				u.Reason += "; " + problem
			}
			out = append(out, u)
		}
	}
	return append(out, p.notMembers(service)...)
}

// used lists the instances that are members of the backend, by address: of several with
// one address the first.
func (p ResolvedBackend) used(s Service) map[HostPort]Instance {
	split, out := p.Split(), map[HostPort]Instance{}
	for _, i := range s.Instances {
		_, ours := split.of(i)
		if _, taken := out[i.Address]; ours && i.Healthy && !taken {
			out[i.Address] = i
		}
	}
	return out
}

// unusedMember is a member that HAProxy does not use. i is its instance; the zero value:
// it has none.
func unusedMember(m Member, i Instance, s InstanceServer) UnusedInstance {
	u := UnusedInstance{
		ID: i.ID, Node: i.Node, Status: i.Status, Address: m.Address.String(), Version: string(m.Version),
		Kind: UnusedHAProxy, Reason: s.Reason(),
	}
	if s.Status != "" {
		u.HAProxy = &s.ServerHealth
	}
	if s.IsUp() {
		u.Kind = UnusedWeight
	}
	return u
}

// notMembers lists the instances of the service that are no members of the backend.
func (p ResolvedBackend) notMembers(service Service) []UnusedInstance {
	split, used := p.Split(), p.used(service)
	var unhealthy, others []UnusedInstance
	for _, i := range service.Instances {
		_, ours := split.of(i)
		first := used[i.Address]
		if ours && i.Healthy && first.is(i) {
			continue
		}
		u := service.unused(i)
		switch {
		case u.Reason != "":
			unhealthy = append(unhealthy, u)
		case ours:
			u.Kind, u.Reason = UnusedDuplicate, "instance "+first.ID+" has the same address"
			unhealthy = append(unhealthy, u)
		default:
			u.Kind, u.Reason = UnusedVersion, otherVersion(i, p.Backend)
			others = append(others, u)
		}
	}
	return append(unhealthy, others...)
}

// is reports whether both are the same registration.
func (i Instance) is(other Instance) bool { return i.ID == other.ID && i.Node == other.Node }

// unused describes an instance, with the reason why no backend uses it; empty: one may.
func (s Service) unused(i Instance) UnusedInstance {
	u := UnusedInstance{ID: i.ID, Node: i.Node, Address: i.Address.String(), Version: string(i.Version), Status: i.Status}
	f, faulty := s.fault(i)
	if faulty {
		u.Checks, u.Version = f.Checks, cmp.Or(f.Version, u.Version)
	}
	switch {
	case i.Refused != "":
		u.Kind, u.Reason = UnusedRefused, i.Refused
	case !i.Healthy:
		u.Kind = UnusedConsul
		u.Reason = cmp.Or(Fault{Checks: f.Checks}.reason(), "Consul's status is "+i.Status)
		if i.Status == statusWarning {
			u.Reason += "; that is not accepted (setting accept-warning)"
		}
	case f.Problem != "":
		u.Kind, u.Reason = UnusedInvalid, f.Problem
	}
	return u
}

// Reason says why no backend uses the instance, or why it is in use although Consul does
// not list it; empty: nothing keeps a backend from using it.
func (s Service) Reason(i Instance) (reason string, checks []Check) {
	u := s.unused(i)
	if u.Reason == "" && i.Held && s.Hold != nil {
		u.Reason = "held in use: " + s.Hold.String()
	}
	return u.Reason, u.Checks
}

func otherVersion(i Instance, b Backend) string {
	has := "has no version"
	switch {
	case i.Version != "":
		has = "has version " + string(i.Version)
	case len(i.Tags) > 0:
		has = "has no version, and the tags " + oneLine(strings.Join(i.Tags, ", "))
	}
	return has + "; the backend uses " + b.Selection()
}
