package lb

import (
	"slices"
	"strconv"
	"strings"
)

// mostNames bounds how many hosts a sentence lists.
const mostNames = 5

// UnresolvedMembers are the members of the backend with these server names, which HAProxy cannot
// resolve and keeps in maintenance.
func (p ResolvedBackend) UnresolvedMembers(servers []string) []Member {
	var out []Member
	for _, m := range p.Members {
		if !m.Address.Host.IsIP() && slices.Contains(servers, m.ServerName()) {
			out = append(out, m)
		}
	}
	return out
}

// Unresolved describes the effect of host names that HAProxy cannot resolve. If all members are
// affected, the backend is empty; otherwise text is a sentence about them, or empty.
func (in Intent) Unresolved(p ResolvedBackend, servers []string) (e EmptyBackend, isEmpty bool, text string) {
	return lost(in, p, p.UnresolvedMembers(servers), "HAProxy cannot resolve the host names of its members: ", "HAProxy cannot resolve ")
}

// Unrouted is Unresolved for members that this machine has no route to.
func (in Intent) Unrouted(p ResolvedBackend, isRouted func(Host) bool) (e EmptyBackend, isEmpty bool, text string) {
	var members []Member
	for _, m := range p.Members {
		if !isRouted(m.Address.Host) {
			members = append(members, m)
		}
	}
	return lost(in, p, members, "this machine has no route to its members: ", "this machine has no route to ")
}

// lost says what it means that some members of a backend get no requests. all begins the
// reason where that is each of them, some the sentence about them elsewhere.
func lost(in Intent, p ResolvedBackend, members []Member, all, some string) (e EmptyBackend, isEmpty bool, text string) {
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
		return EmptyBackend{ID: p.ID(), RoutedBy: in.RoutedBy(p.Key), Reason: all + list}, true, ""
	}
	return EmptyBackend{}, false, p.ID() + ": " + some + list + ", so these members get no requests"
}

// IsElsewhere reports whether raw lines of the backend make HAProxy connect independently of this
// machine's routes.
func (b Backend) IsElsewhere() bool {
	return slices.ContainsFunc(b.Natives, func(n RawLine) bool {
		return slices.ContainsFunc(lineWords(n), func(word string) bool { return isOneOf(" namespace usesrc socks4 interface ", word) })
	})
}
