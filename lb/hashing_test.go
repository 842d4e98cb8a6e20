package lb_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
)

func static(t *testing.T, s lb.BackendSpec, members ...string) lb.Backend {
	t.Helper()
	s.Type = "static"
	for _, m := range members {
		b, err := lb.ParseBind(m)
		if err != nil {
			t.Fatal(err)
		}
		s.Members = append(s.Members, lb.MemberSpec{Host: string(b.Host), Port: int(b.Port)})
	}
	b, err := s.Parse("live")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPlacement(t *testing.T) {
	t.Parallel()
	consistent, mapped := []string{"hash-type consistent djb2"}, []string{"hash-type consistent", " hash-type  map-based"}
	unnumbered := lb.Process{Unnumbered: true}
	old, young, templated := lb.Process{}, lb.Process{HashKey: true}, lb.Process{HashKey: true, HashType: "consistent"}
	for _, c := range []struct {
		process lb.Process
		balance string
		stable  bool
		natives []string
		want    lb.Placement
		warns   string
	}{
		{young, "roundrobin", false, consistent, lb.PlacedByLine, ""},
		{young, "random(2)", false, consistent, lb.PlacedByLine, ""},
		{young, "uri depth 2", false, consistent, lb.PlacedByAddress, ""},
		{young, "hdr(host)", true, consistent, lb.PlacedByAddress, ""},
		{templated, "hash src", false, nil, lb.PlacedByAddress, ""},
		{templated, "source", false, mapped, lb.PlacedByLine, `"hash-type consistent"`},
		{young, "source", false, nil, lb.PlacedByLine, `"hash-type consistent"`},
		{young, "rdp-cookie(x)", true, nil, lb.PlacedByNumber, ""},
		{old, "url_param id", true, consistent, lb.PlacedByNumber, ""},
		{unnumbered, "url_param id", true, consistent, lb.PlacedByNumber, "has no effect"},
		{unnumbered, "url_param id", true, nil, lb.PlacedByNumber, ""},
		{old, "url_param id", false, consistent, lb.PlacedByLine, "reload for each change of the members"},
		{old, "uri", false, nil, lb.PlacedByLine, "best with"},
		{young, "uri", false, []string{"hash-type consistent", "default-server hash-key id"}, lb.PlacedByLine, ""},
		{young, "uri", false, []string{"hash-type consistent", "default-server hash-key addr-port"}, lb.PlacedByAddress, ""},
	} {
		b := static(t, lb.BackendSpec{Balance: c.balance, HashStable: c.stable, Natives: c.natives}, "10.0.0.1:80")
		if got := c.process.Populate(b, lb.Snapshot{}).Placement; got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
		if got := c.process.UnstableHash(b); (got == "") != (c.warns == "") || !strings.Contains(got, c.warns) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestHashStableNeedsAHash(t *testing.T) {
	t.Parallel()
	for path, s := range map[string]lb.BackendSpec{
		"":           {Balance: "uri", HashStable: true},
		"hashStable": {Balance: "leastconn", HashStable: true},
		"natives[0]": {Balance: "uri", HashStable: true, Natives: []string{"default-server hash-key id"}},
	} {
		err := static(t, s).CheckNew()
		if (err == nil) != (path == "") || err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// TestNumbersFollowTheAddresses in whatever order the members stand, and a member that
// leaves changes those of others only where two have met.
func TestNumbersFollowTheAddresses(t *testing.T) {
	t.Parallel()
	const count = 3000 // some of them meet
	members := make([]string, count)
	for i := range members {
		members[i] = fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)
	}
	numbers := func(members []string) map[string]int {
		b := static(t, lb.BackendSpec{Balance: "uri", HashStable: true, Natives: []string{"server x 10.1.0.1:80 id 5000"}}, members...)
		servers := lb.Process{}.Populate(b, lb.Snapshot{}).Servers()
		if !slices.IsSortedFunc(servers, func(a, b lb.Server) int { return strings.Compare(string(a.Address.Host), string(b.Address.Host)) }) {
			t.Error("the lines are not sorted")
		}
		out := map[string]int{}
		taken := map[int]bool{5000: true}
		for _, s := range servers {
			if taken[s.ID] || s.ID < 1<<10 || s.ID >= 1<<20 {
				t.Fatalf("%s has the number %d", s.Name, s.ID)
			}
			taken[s.ID], out[s.Name] = true, s.ID
		}
		return out
	}
	before := numbers(members)
	slices.Reverse(members)
	if !maps.Equal(numbers(members), before) {
		t.Error("another order, other numbers")
	}
	moved := 0
	for name, number := range numbers(members[:count-100]) {
		if before[name] != number {
			moved++
		}
	}
	if moved > 5 {
		t.Errorf("%d of %d numbers have changed", moved, count-100)
	}
}
