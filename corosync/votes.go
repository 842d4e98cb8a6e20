package corosync

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Votes are how corosync counts a quorum: votequorum(5). In the zero value each node has one vote.
type Votes struct {
	// Of are the votes of nodes by name; one that is not here has one.
	Of map[string]int
	// Device are those of a quorum device; 0: there is none.
	Device int
	// Expected are those that somebody has set (expected_votes); 0: they are counted.
	Expected int
	TwoNode  bool // each of two nodes alone has quorum
	// TieBreakers are nodes in their order: the half wins that has the first of those that were
	// there. Empty: neither half has quorum.
	TieBreakers []string
}

// Quorate reports whether those that are left of the nodes that were there have quorum. All members
// of the cluster count, and nodes that are in Of, also if they are no members. A quorum device stays
// with those that are left.
func (v Votes) Quorate(left, there, members []string) bool {
	have, all := v.count(left), v.all(members)
	switch {
	case len(left) == 0:
		return false
	case v.TwoNode && len(v.nodes(members)) == 2:
		return true
	case have*2 == all:
		i := slices.IndexFunc(v.TieBreakers, func(name string) bool { return slices.Contains(there, name) })
		return i >= 0 && slices.Contains(left, v.TieBreakers[i])
	}
	return have*2 > all
}

// Left says how many of the members are left, such as "2 of 3 nodes", and with which votes where these
// are others.
func (v Votes) Left(left, members []string) string {
	nodes := v.nodes(members)
	text := fmt.Sprintf("%d of %d nodes", len(left), len(nodes))
	if have, all := v.count(left), v.all(members); have != len(left) || all != len(nodes) {
		text += fmt.Sprintf(" with %d of %d votes", have, all)
		if v.Device > 0 {
			text += ", those of the quorum device included,"
		}
	}
	return text
}

// nodes are the members and all others that have votes.
func (v Votes) nodes(members []string) []string {
	all := slices.Clone(members)
	for name := range v.Of {
		if !slices.Contains(members, name) {
			all = append(all, name)
		}
	}
	return all
}

func (v Votes) all(members []string) int { return max(v.count(v.nodes(members)), v.Expected) }

// count are the votes of nodes, and of the device.
func (v Votes) count(nodes []string) int {
	n := v.Device
	for _, name := range nodes {
		if own, ok := v.Of[name]; ok {
			n += own
		} else {
			n++
		}
	}
	return n
}

// A voter is a node of the list of nodes.
type voter struct {
	name, votes, id string
}

// votesOf are those of some nodes. quorum returns a key of the section quorum, and of the device in it.
func votesOf(nodes []voter, quorum func(key string) string) Votes {
	v := Votes{Of: map[string]int{}, TwoNode: quorum("two_node") == "1"}
	v.Expected, _ = strconv.Atoi(quorum("expected_votes")) // corosync refuses what is no number
	named := slices.DeleteFunc(slices.Clone(nodes), func(n voter) bool { return n.name == "" })
	for _, n := range named {
		v.Of[n.name] = number(n.votes, 1)
	}
	if quorum("auto_tie_breaker") == "1" {
		v.TieBreakers = tieBreakers(named, quorum("auto_tie_breaker_node"))
	}
	if quorum("device.model") != "" {
		v.Device = number(quorum("device.votes"), max(len(nodes)-1, 1))
	}
	return v
}

// tieBreakers are the nodes of auto_tie_breaker_node in their order: lowest, which is the default,
// highest, or numbers of nodes. corosync reads these until something is no number.
func tieBreakers(nodes []voter, which string) []string {
	slices.SortStableFunc(nodes, func(a, b voter) int { return cmp.Compare(number(a.id, 0), number(b.id, 0)) })
	var names []string
	switch which {
	case "", "lowest", "highest":
		for _, n := range nodes {
			names = append(names, n.name)
		}
		if which == "highest" {
			slices.Reverse(names)
		}
	default:
		for field := range strings.FieldsSeq(which) {
			id := field[:len(field)-len(strings.TrimLeft(field, "0123456789"))]
			if i := slices.IndexFunc(nodes, func(n voter) bool { return n.id == id }); i >= 0 && id != "" {
				names = append(names, nodes[i].name)
			}
			if id != field {
				break
			}
		}
	}
	return names
}

func number(text string, instead int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return instead
}

// ParseVotes reads what corosync has in effect from its map, as corosync-cmapctl writes it. ok: it has
// a list of nodes.
func ParseVotes(out string) (v Votes, ok bool) {
	values, nodes := valuesOf(out), []voter(nil)
	for key := range values {
		if at, isNode := strings.CutSuffix(key, ".ring0_addr"); isNode && strings.HasPrefix(at, "nodelist.node.") {
			nodes = append(nodes, voter{values[at+".name"], values[at+".quorum_votes"], values[at+".nodeid"]})
		}
	}
	slices.SortFunc(nodes, func(a, b voter) int { return cmp.Compare(a.name, b.name) })
	return votesOf(nodes, func(key string) string { return values["quorum."+key] }), len(nodes) > 0
}

// valuesOf are those of corosync's map by key, as corosync-cmapctl writes it.
func valuesOf(out string) map[string]string {
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+) \(\w+\) = (.*)$`).FindAllStringSubmatch(out, -1) {
		values[m[1]] = m[2]
	}
	return values
}

// Votes are those of the file.
func (c Config) Votes() Votes {
	var nodes []voter
	for _, list := range c.root.sections("nodelist") {
		for _, s := range list.sections("node") {
			n := voter{}
			n.name, _ = s.get("name")
			n.votes, _ = s.get("quorum_votes")
			n.id, _ = s.get("nodeid")
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b voter) int { return cmp.Compare(a.name, b.name) })
	return votesOf(nodes, func(key string) string {
		if own, isDevice := strings.CutPrefix(key, "device."); isDevice {
			return c.device(own)
		}
		text, _ := c.quorum(key)
		return text
	})
}

// device returns a key of the quorum device; the last one counts.
func (c Config) device(key string) string {
	for _, s := range slices.Backward(c.root.sections("quorum")) {
		for _, d := range slices.Backward(s.sections("device")) {
			if text, ok := d.get(key); ok {
				return text
			}
		}
	}
	return ""
}
