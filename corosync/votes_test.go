package corosync_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"thalassa/corosync"
)

// counted is a corosync.conf with nodes that have so many votes, and what corosync-cmapctl shows of it.
// quorum are lines of the section quorum; those of a device begin with "device.".
func counted(t *testing.T, votes []int, quorum ...string) (file, inEffect corosync.Votes) {
	t.Helper()
	var conf, device, seen strings.Builder
	conf.WriteString("totem {\nversion: 2\n}\nquorum {\nprovider: corosync_votequorum\n")
	seen.WriteString("quorum.provider (str) = corosync_votequorum\n")
	for _, line := range quorum {
		key, value, _ := strings.Cut(line, ": ")
		fmt.Fprintf(&seen, "quorum.%s (u32) = %s\n", key, value)
		if own, ok := strings.CutPrefix(line, "device."); ok {
			device.WriteString(own + "\n")
		} else {
			conf.WriteString(line + "\n")
		}
	}
	if device.Len() > 0 {
		conf.WriteString("device {\n" + device.String() + "}\n")
	}
	conf.WriteString("}\nnodelist {\n")
	for i, n := range votes {
		fmt.Fprintf(&conf, "node {\nring0_addr: 192.0.2.%d\nname: n%d\nnodeid: %d\n", i+1, i+1, i+1)
		fmt.Fprintf(&seen, "nodelist.node.%d.ring0_addr (str) = 192.0.2.%d\nnodelist.node.%d.name (str) = n%d\nnodelist.node.%d.nodeid (u32) = %d\n", i, i+1, i, i+1, i, i+1)
		if n != 1 {
			fmt.Fprintf(&conf, "quorum_votes: %d\n", n)
			fmt.Fprintf(&seen, "nodelist.node.%d.quorum_votes (u32) = %d\n", i, n)
		}
		conf.WriteString("}\n")
	}
	conf.WriteString("}\n")
	c, err := corosync.Parse([]byte(conf.String()))
	if err != nil {
		t.Fatal(err)
	}
	inEffect, ok := corosync.ParseVotes(seen.String())
	if !ok {
		t.Fatalf("no nodes in\n%s", seen.String())
	}
	return c.Votes(), inEffect
}

// A quorum is of votes, as corosync counts them, and not of nodes. The file says the same as corosync.
func TestQuorate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		votes  []int
		quorum []string
		left   string // one digit for each node
		want   bool
		text   string
	}{
		"one alone":             {[]int{1}, nil, "1", true, "1 of 1 nodes"},
		"nobody":                {[]int{1}, nil, "", false, "0 of 1 nodes"},
		"two_node":              {[]int{1, 1}, []string{"two_node: 1"}, "2", true, "1 of 2 nodes"},
		"two without two_node":  {[]int{1, 1}, nil, "2", false, "1 of 2 nodes"},
		"two_node, and three":   {[]int{1, 1, 1}, []string{"two_node: 1"}, "2", false, "1 of 3 nodes"},
		"the tie breaker":       {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1"}, "13", true, "2 of 4 nodes"},
		"the others of a tie":   {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1"}, "24", false, "2 of 4 nodes"},
		"the highest":           {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1", "auto_tie_breaker_node: highest"}, "24", true, "2 of 4 nodes"},
		"the lowest, by name":   {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1", "auto_tie_breaker_node: lowest"}, "13", true, "2 of 4 nodes"},
		"not the highest":       {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1", "auto_tie_breaker_node: highest"}, "12", false, "2 of 4 nodes"},
		"the first of a list":   {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1", "auto_tie_breaker_node: 3 1"}, "23", true, "2 of 4 nodes"},
		"the second of a list":  {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1", "auto_tie_breaker_node: 3 1"}, "12", false, "2 of 4 nodes"},
		"a list with a comma":   {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1", "auto_tie_breaker_node: 3,1"}, "23", true, "2 of 4 nodes"},
		"no number of a node":   {[]int{1, 1, 1, 1}, []string{"auto_tie_breaker: 1", "auto_tie_breaker_node: first"}, "12", false, "2 of 4 nodes"},
		"one with most votes":   {[]int{3, 1, 1}, nil, "1", true, "1 of 3 nodes with 3 of 5 votes"},
		"all without that one":  {[]int{3, 1, 1}, nil, "23", false, "2 of 3 nodes with 2 of 5 votes"},
		"one without a vote":    {[]int{1, 1, 1, 0}, nil, "14", false, "2 of 4 nodes with 1 of 3 votes"},
		"a device":              {[]int{1, 1, 1, 1}, []string{"device.model: net", "device.votes: 1"}, "34", true, "2 of 4 nodes with 3 of 5 votes, those of the quorum device included,"},
		"too few for a device":  {[]int{1, 1, 1, 1}, []string{"device.model: net", "device.votes: 1"}, "4", false, "1 of 4 nodes with 2 of 5 votes, those of the quorum device included,"},
		"a device for the last": {[]int{1, 1, 1}, []string{"device.model: net"}, "3", true, "1 of 3 nodes with 3 of 5 votes, those of the quorum device included,"},
		"votes that are set":    {[]int{1, 1, 1}, []string{"expected_votes: 5"}, "12", false, "2 of 3 nodes with 2 of 5 votes"},
	} {
		file, inEffect := counted(t, tc.votes, tc.quorum...)
		if !reflect.DeepEqual(file, inEffect) {
			t.Errorf("%s: the file has %+v, corosync %+v", name, file, inEffect)
		}
		var members, left []string
		for i := range tc.votes {
			members = append(members, fmt.Sprintf("n%d", i+1))
		}
		for _, digit := range tc.left {
			left = append(left, "n"+string(digit))
		}
		if got := file.Quorate(left, members, members); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
		if got := file.Left(left, members); got != tc.text {
			t.Errorf("%s: %q", name, got)
		}
		// A member that others have not seen yet counts as well.
		if got := file.Quorate(left, members, left); got != tc.want && len(left) > 0 {
			t.Errorf("%s: %t by the nodes that are left alone", name, got)
		}
	}
}

// Nodes that corosync has no names for have one vote each.
func TestVotesOfUnknown(t *testing.T) {
	t.Parallel()
	members := []string{"a", "b", "c"}
	for _, v := range []corosync.Votes{{}, {TwoNode: true}} {
		if !v.Quorate(members[:2], members, members) || v.Quorate(members[:1], members, members) {
			t.Errorf("%+v does not count nodes", v)
		}
	}
	if !(corosync.Votes{TwoNode: true}).Quorate(members[:1], members[:2], members[:2]) {
		t.Error("one of two has no quorum")
	}
	if _, ok := corosync.ParseVotes("totem.config_version (u64) = 3\n"); ok {
		t.Error("nothing was said of nodes")
	}
	unnamed, err := corosync.Parse([]byte("nodelist {\nnode {\nring0_addr: 192.0.2.1\n}\nnode {\nring0_addr: 192.0.2.2\n}\n}\n"))
	if err != nil || !slices.Equal([]bool{unnamed.Votes().Quorate(members[:2], members[:2], members[:2]), unnamed.Votes().Quorate(members[:1], members[:2], members[:2])}, []bool{true, false}) {
		t.Errorf("%v, %+v", err, unnamed.Votes())
	}
}

// The tie breaker is the first of the nodes that were there: one that was off before decides nothing.
func TestTieBreakerThatIsOff(t *testing.T) {
	t.Parallel()
	all := []string{"n1", "n2", "n3", "n4"}
	for which, order := range map[string][]string{"lowest": {"n2", "n3", "n4"}, "highest": {"n4", "n3", "n2"}, "1 4 2": {"n4", "n2", "n3"}} {
		file, _ := counted(t, []int{1, 1, 1, 1}, "auto_tie_breaker: 1", "auto_tie_breaker_node: "+which)
		for _, lost := range all[1:] {
			left := slices.DeleteFunc(slices.Clone(all[1:]), func(n string) bool { return n == lost })
			if got, want := file.Quorate(left, all[1:], all), lost != order[0]; got != want {
				t.Errorf("%s, n1 is off and %s is lost: %t", which, lost, got)
			}
		}
	}
}
