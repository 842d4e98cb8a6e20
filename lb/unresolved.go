package lb

import (
	"slices"
	"strconv"
	"strings"
)

// mostNames bounds how many host names a sentence lists.
const mostNames = 5

// UnresolvedMembers are the members of the backend among servers, by the names of those
// that HAProxy keeps in maintenance because it cannot resolve their host names.
func (p ResolvedBackend) UnresolvedMembers(servers []string) []Member {
	var out []Member
	for _, m := range p.Members {
		if !m.Address.Host.IsIP() && slices.Contains(servers, m.ServerName()) {
			out = append(out, m)
		}
	}
	return out
}

// Unresolved tells what it means that HAProxy cannot resolve the names of these servers of
// a backend. With all of its members it has none in effect; else text is a sentence about
// those, or empty.
func (in Intent) Unresolved(p ResolvedBackend, servers []string) (e EmptyBackend, isEmpty bool, text string) {
	members := p.UnresolvedMembers(servers)
	if len(members) == 0 {
		return EmptyBackend{}, false, ""
	}
	var names []string
	for _, m := range members[:min(len(members), mostNames)] {
		names = append(names, string(m.Address.Host))
	}
	slices.Sort(names)
	list := strings.Join(slices.Compact(names), ", ")
	if more := len(members) - mostNames; more > 0 {
		list += " and " + strconv.Itoa(more) + " more"
	}
	if len(members) == len(p.Members) && !slices.ContainsFunc(p.Natives, RawLine.answers) {
		return EmptyBackend{ID: p.ID(), RoutedBy: in.RoutedBy(p.Key), Reason: "HAProxy cannot resolve the host names of its members: " + list}, true, ""
	}
	return EmptyBackend{}, false, p.ID() + ": HAProxy cannot resolve " + list + ", so these members get no requests"
}
