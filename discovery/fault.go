package discovery

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	"thalassa/consul"
	"thalassa/lb"
)

// maxFaultChecks bounds the checks that are kept of one registration.
const maxFaultChecks = 8

// faultsOf finds what is wrong with registrations, sorted by node and id. With more than
// lb.MaxFaults, those that are not valid take precedence.
func faultsOf(entries []*consul.Entry) []lb.Fault {
	var invalid, failing []lb.Fault
	for _, e := range entries {
		if e == nil || e.Service == nil {
			continue
		}
		f := lb.Fault{Problem: problemOf(e), Checks: failingChecks(e.Checks)}
		switch {
		case f.Problem != "" && len(invalid) < lb.MaxFaults:
			invalid = append(invalid, identified(f, e))
		case f.Problem == "" && len(f.Checks) > 0 && len(failing) < lb.MaxFaults:
			failing = append(failing, identified(f, e))
		}
	}
	out := slices.Concat(invalid, failing)
	out = out[:min(len(out), lb.MaxFaults)]
	slices.SortFunc(out, func(a, b lb.Fault) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID)) })
	return out
}

// problemOf says why a registration is not valid; empty: it is.
func problemOf(e *consul.Entry) string {
	if _, err := parseInstance(e, false); err != nil {
		return err.Error()
	}
	version := bounded(e.Service.Meta["version"])
	if version == "" {
		return ""
	}
	if _, err := lb.ParseVersion(version); err != nil {
		return "version: " + err.Error() + "; only its tags choose it"
	}
	return ""
}

// identified is the fault with what names its registration.
func identified(f lb.Fault, e *consul.Entry) lb.Fault {
	f.ID, f.Version = bounded(e.Service.ID), bounded(e.Service.Meta["version"])
	address := e.Service.Address
	if e.Node != nil {
		f.Node = bounded(e.Node.Node)
		address = cmp.Or(address, e.Node.Address)
	}
	f.Address = net.JoinHostPort(bounded(address), strconv.Itoa(e.Service.DefaultPort()))
	return f
}

// failingChecks are the checks that do not pass, bounded.
func failingChecks(checks []consul.EntryCheck) []lb.Check {
	var out []lb.Check
	for _, c := range checks {
		if c.Status == consul.Passing && !isMaintenance(c.Check) || len(out) == maxFaultChecks {
			continue
		}
		check := lb.Check{ID: bounded(c.CheckID), Name: bounded(c.Name), Status: bounded(c.Status), Output: bounded(c.Output), OfNode: c.ServiceID == ""}
		if isMaintenance(c.Check) {
			check.Status, check.Output = consul.Maintenance, bounded(c.Notes)
		}
		out = append(out, check)
	}
	return out
}

func sameFaults(a, b []lb.Fault) bool {
	return slices.EqualFunc(a, b, func(a, b lb.Fault) bool {
		return a.ID == b.ID && a.Node == b.Node && a.Address == b.Address && a.Version == b.Version && a.Problem == b.Problem &&
			slices.Equal(a.Checks, b.Checks)
	})
}
