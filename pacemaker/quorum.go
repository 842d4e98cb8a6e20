package pacemaker

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// votes are how corosync counts a quorum.
type votes struct {
	// of are the votes of nodes by name; one that is not here has one.
	of map[string]int
	// device are those of a quorum device; 0: there is none.
	device  int
	twoNode bool // each of two nodes alone has quorum
	// tieBreaker is the node whose half wins; empty: neither half has quorum.
	tieBreaker string
	known      bool // corosync has said so
}

// votes asks corosync. Where it does not answer, each node has one vote, and each of two has
// quorum alone, as pcs and crmsh set clusters up.
func readVotes(ctx context.Context, c *Cluster, members []string) votes {
	if c.isLive() && c.cfg.File == "" {
		if out, err := c.run(ctx, call{tool: "corosync-cmapctl", plain: true}); err == nil {
			return parseVotes(string(out))
		}
	}
	return votes{twoNode: len(members) == 2}
}

// parseVotes reads corosync's map (corosync-cmapctl): votequorum(5).
func parseVotes(out string) votes {
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+) \(\w+\) = (.*)$`).FindAllStringSubmatch(out, -1) {
		values[m[1]] = m[2]
	}
	v := votes{of: map[string]int{}, known: true, twoNode: values["quorum.two_node"] == "1"}
	lowest := 0
	for _, key := range slices.Sorted(maps.Keys(values)) {
		at, isName := strings.CutSuffix(key, ".name")
		if !isName || !strings.HasPrefix(at, "nodelist.node.") {
			continue
		}
		name, count := values[key], 1
		if n, err := strconv.Atoi(values[at+".quorum_votes"]); err == nil {
			count = n
		}
		v.of[name] = count
		id, _ := strconv.Atoi(values[at+".nodeid"])
		if values["quorum.auto_tie_breaker"] == "1" && (v.tieBreaker == "" || id < lowest) {
			v.tieBreaker, lowest = name, id
		}
	}
	if values["quorum.device.model"] != "" {
		v.device = 1
		if n, err := strconv.Atoi(values["quorum.device.votes"]); err == nil {
			v.device = n
		}
	}
	return v
}

// quorate reports whether some of the members have quorum if the others vanish at the same
// time. A quorum device stays with them.
func (v votes) quorate(left, members []string) bool {
	count := func(names []string) int {
		n := v.device
		for _, name := range names {
			if own, ok := v.of[name]; ok {
				n += own
			} else {
				n++
			}
		}
		return n
	}
	have, all := count(left), count(members)
	switch {
	case len(left) == 0:
		return false
	case v.twoNode && len(members) == 2:
		return true
	case have*2 == all:
		return v.tieBreaker != "" && slices.Contains(left, v.tieBreaker)
	}
	return have*2 > all
}
