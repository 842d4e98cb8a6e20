package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/plan"
)

// at is the address 10.0.0.N:80; the text may be an address of its own, too.
func at(text string) lb.HostPort {
	if !strings.Contains(text, ":") {
		text = "10.0.0." + text + ":80"
	}
	b, err := lb.ParseBind(text)
	if err != nil {
		panic(err)
	}
	return lb.HostPort(b)
}

// poolOf is a dynamic backend with members of weight 1 at addresses as at reads
// them.
func poolOf(addresses string) lb.ResolvedBackend {
	p := lb.ResolvedBackend{Backend: lb.Backend{Key: "live", Type: "dynamic", Service: "shop", Version: "1", Mode: "http", Balance: "roundrobin"}}
	for a := range strings.FieldsSeq(addresses) {
		p.Members = append(p.Members, lb.Member{Address: at(a), Weight: 1})
	}
	return p
}

// slotsOf reads a slot for each word: "7" has the member 10.0.0.7:80, "-7" had
// it, "-" had none.
func slotsOf(text string) []lb.Slot {
	var out []lb.Slot
	for word := range strings.FieldsSeq(text) {
		former, spare := strings.CutPrefix(word, "-")
		switch {
		case !spare:
			out = append(out, lb.Slot{Member: &lb.Member{Address: at(word), Weight: 1}})
		case former == "":
			out = append(out, lb.Slot{})
		default:
			out = append(out, lb.Slot{Former: at(former)})
		}
	}
	return out
}

// slotsText is the inverse of slotsOf.
func slotsText(slots []lb.Slot) string {
	short := func(a lb.HostPort) string {
		return strings.TrimSuffix(strings.TrimPrefix(a.String(), "10.0.0."), ":80")
	}
	words := make([]string, len(slots))
	for i, s := range slots {
		switch {
		case s.Member != nil:
			words[i] = short(s.Member.Address)
		case s.Former != lb.HostPort{}:
			words[i] = "-" + short(s.Former)
		default:
			words[i] = "-"
		}
	}
	return strings.Join(words, " ")
}

func TestLayout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, now, members, want string }{
		{"nobody", "", "", "- - -"},
		{"one", "", "1", "1 - - -"},
		{"room for as many again and one", "", "1 2 3 4", "1 2 3 4 - - - - -"},
		{"room for a switch of many", "", "1 2 3 4 5 6 7 8 9", "1 2 3 4 5 6 7 8 9" + strings.Repeat(" -", 10)},
		{"both families", "", "1 [2001:db8::1]:80", "1 [2001:db8::1] - - -"},
		{"all stay", "2 - 1 -", "1 2", "2 - 1 -"},
		{"the first free one", "1 - 2 -", "1 2 3", "1 3 2 -"},
		{"one leaves", "1 2 - -", "2", "-1 2 - -"},
		{"all leave", "1 2 - -", "", "-1 -2 - -"},
		{"one for another", "1 2 - -", "2 3", "-1 2 3 -"},
		{"all for others", "1 2 - -", "3 4", "-1 -2 3 4"},
		{"and back", "-1 -2 3 4", "1 2", "1 2 -3 -4"},
		{"back in its former slot", "-1 -2 3 -", "2 3", "-1 2 3 -"},
		{"a slot that had nobody first", "-1 2 - -", "2 3", "-1 2 3 -"},
		{"a former member's slot then", "-1 2 -3 4", "2 4 5", "5 2 -3 4"},
		{"the slot of one who is back elsewhere", "-1 1 - -", "1 2", "-1 1 2 -"},
		{"twice as many when there is no spare one", "1 2 3 4", "1 2 3 4 5", "1 2 3 4 5 - - -" + " - - -"},
		{"not in a slot vacated just now", "1 2 -", "3 4", "-1 -2 3 4 - -"},
		{"not fewer", "1" + strings.Repeat(" -", 15), "2", "-1 2" + strings.Repeat(" -", 14)},
		{"an address twice", "1 1 2 -", "1 2", "1 -1 2 -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := slotsOf(c.now)
			wanted := poolOf(c.members)
			laid := plan.LayoutBackend(now, wanted)
			if got := slotsText(laid.Slots); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := slotsText(now); got != c.now {
				t.Errorf("the slots given are %s now", got)
			}
			for _, s := range laid.Slots {
				if s.Member != nil && !slices.ContainsFunc(laid.Members, func(m lb.Member) bool { return m.Address == s.Member.Address }) {
					t.Errorf("%s is no member", s.Member.Address)
				}
			}
		})
	}
}

func TestDropSpares(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, now, members, want string }{
		{"nobody", "", "", "-"},
		{"as many as there are", "", "1 2 3", "1 2 3"},
		{"no room for others", "1 2 - -", "1 2 3", "1 2 3 -"},
		{"one more", "1 2 3", "1 2 3 4", "1 2 3 4"},
		{"in a slot vacated just now, rather than in another one", "1 2 3", "1 2 4", "1 2 4"},
		{"all that are", "1 2 - -", "3 4 5 6 7", "6 7 3 4 5"},
		{"not fewer", "1 2 - - -", "1", "1 -2 - - -"},
	} {
		wanted := poolOf(c.members)
		wanted.Arrivals = 10
		if got := slotsText(plan.DropSparesOf(slotsOf(c.now), wanted).Slots); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.name, got, c.want)
		}
	}
	first, second := poolOf("1"), poolOf("2 3")
	first.Key, second.Key = "first", "second"
	c := plan.DropSpares(plan.Slots{"second": slotsOf("2")}, lb.Config{Backends: []lb.ResolvedBackend{first, second}})
	if got := slotsText(c.Backends[0].Slots) + ", " + slotsText(c.Backends[1].Slots); got != "1, 2 3" {
		t.Errorf("got %s", got)
	}
}

func TestLayoutGivesOnlyDynamicBackendsSlots(t *testing.T) {
	t.Parallel()
	named, static := poolOf("1 a.example.org:80"), poolOf("1 2")
	static.Type = "static"
	for _, p := range []lb.ResolvedBackend{named, static} {
		if got := plan.LayoutBackend(slotsOf("1 2 - -"), p); got.Slots != nil || len(got.Members) != 2 {
			t.Errorf("%s: %+v", p.Type, got)
		}
	}
}

// TestLayoutKeepsRoomForASwitch counts slots by the members of a backend, the instances
// of another version, and the slots that there are.
func TestLayoutKeepsRoomForASwitch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ now, members, arrivals, want int }{
		{0, 0, 0, 3},
		{0, 1, 0, 4},
		{0, 100, 0, 201},   // a version of as many may come
		{0, 100, 100, 201}, // and is there
		{0, 3, 10, 14},
		{0, 100, 3, 201},
		{0, 127, 0, 255},
		{0, 1000, 0, 1128}, // nobody has seen another version
		{0, 1000, 1000, 2001},
		{0, 1000, 5000, 2001}, // no more than twice the pool,
		{0, 3, 5000, 132},     // or so many
		{0, 0, 5000, 129},
		{201, 100, 101, 201},
		{201, 100, 102, 402}, // ahead of the switch
		{9, 4, 5, 9},
		{9, 4, 6, 18},
		{9, 4, 5000, 133},
		{1128, 1000, 128, 1128},
		{1128, 1000, 129, 2256},
	} {
		p := poolOf("")
		p.Arrivals = c.arrivals
		for n := range c.members {
			p.Members = append(p.Members, lb.Member{Address: at(fmt.Sprintf("10.%d.%d.1:80", n/250, n%250)), Weight: 1})
		}
		var now []lb.Slot
		for i := range c.now {
			slot := lb.Slot{}
			if i < c.members {
				slot.Member = &p.Members[i]
			}
			now = append(now, slot)
		}
		if got := len(plan.LayoutBackend(now, p).Slots); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
		if len(now) == 0 {
			continue
		}
		if got := len(plan.Fit(now, p).Slots); got != c.now {
			t.Errorf("%+v: to be done with what there is got %d", c, got)
		}
	}
}

// TestLayoutOfManyMembers: where there are thousands of servers each backend has few
// spare ones, but for versions that are there.
func TestLayoutOfManyMembers(t *testing.T) {
	t.Parallel()
	var pools []lb.ResolvedBackend
	for n := range 500 {
		p := poolOf("1 2 3 4 5 6 7 8 9 10")
		p.Key = lb.Name(fmt.Sprintf("p%d", n))
		pools = append(pools, p)
	}
	pools[1].Arrivals = 12
	for _, c := range []struct{ pools, first, second int }{{499, 21, 23}, {500, 18, 23}} {
		laid := plan.Layout(nil, lb.Config{Backends: pools[:c.pools]}).Backends
		if first, second := len(laid[0].Slots), len(laid[1].Slots); first != c.first || second != c.second {
			t.Errorf("%d pools: got %d and %d slots, want %d and %d", c.pools, first, second, c.first, c.second)
		}
	}
}

// TestGrowthDoubles: members that come one by one cost a logarithm of reloads.
func TestGrowthDoubles(t *testing.T) {
	t.Parallel()
	p, growths := plan.LayoutBackend(nil, poolOf("")), 0
	for n := 1; n <= 200; n++ {
		size := len(p.Slots)
		p.Members = append(p.Members, lb.Member{Address: at(fmt.Sprintf("10.0.1.%d:80", n)), Weight: 1})
		if p = plan.LayoutBackend(p.Slots, p); len(p.Slots) != size {
			growths++
		}
	}
	if growths > 7 || len(p.Slots) > 400 {
		t.Errorf("%d growths to %d slots", growths, len(p.Slots))
	}
}

func TestLayoutTakesTheNewWeightAndMeta(t *testing.T) {
	t.Parallel()
	p := poolOf("1")
	p.Members[0].Weight, p.Members[0].Meta = 7, map[string]string{"pid": "1"}
	got := plan.LayoutBackend(slotsOf("- 1 - -"), p).Slots[1].Member
	if got == nil || got.Weight != 7 || got.Meta["pid"] != "1" {
		t.Errorf("got %+v", got)
	}
}

func TestLayoutOfAConfiguration(t *testing.T) {
	t.Parallel()
	other := poolOf("3")
	other.Key = "other"
	c := plan.Layout(plan.Slots{"live": slotsOf("- 1 - -"), "gone": slotsOf("9")}, lb.Config{Backends: []lb.ResolvedBackend{poolOf("1"), other}})
	if got := slotsText(c.Backends[0].Slots) + "|" + slotsText(c.Backends[1].Slots); got != "- 1 - -|3 - - -" {
		t.Errorf("got %s", got)
	}
	again := plan.SlotsOf(c)
	if len(again) != 2 || slotsText(again["live"]) != "- 1 - -" || slotsText(again["other"]) != "3 - - -" {
		t.Errorf("got %+v", again)
	}
}

// state of a server line, from "NAME ADDRESS [weight N] [maint] [drain]".
func state(backend lb.Name, text string) lb.ServerState {
	f := strings.Fields(text)
	s := lb.ServerState{Backend: backend, Server: f[0], Address: at(f[1]), Weight: 1}
	for i, word := range f[2:] {
		switch word {
		case "maint":
			s.Maintenance = true
		case "drain":
			s.Draining = true
		case "weight":
			if _, err := fmt.Sscan(f[i+3], &s.Weight); err != nil {
				panic(err)
			}
		}
	}
	return s
}

func statesOf(backend lb.Name, lines ...string) []lb.ServerState {
	out := make([]lb.ServerState, len(lines))
	for i, line := range lines {
		out[i] = state(backend, line)
	}
	return out
}

func TestSlotsIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		servers []string
		want    string
	}{
		"nothing":            {nil, ""},
		"as started":         {[]string{"s1 1", "s2 127.0.0.1:1 maint"}, "1 -"},
		"after changes":      {[]string{"s1 1 maint", "s2 2"}, "-1 2"},
		"draining":           {[]string{"s1 1 drain"}, "1"},
		"a gap":              {[]string{"s1 1", "s3 3"}, "1"},
		"not from the first": {[]string{"s2 2", "s3 3"}, ""},
		"foreign servers":    {[]string{"10.0.0.9:80 9", "s01 8", "s0 8", "s1 1", "backup 7", "s2 2", "S3 6", "s+3 6", "sx 6", "s 6"}, "1 2"},
	} {
		if got := slotsText(plan.SlotsIn(statesOf("live", c.servers...))["live"]); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	mixed := append(statesOf("a", "s1 1"), append(statesOf("b", "s1 2"), statesOf("a", "s2 3")...)...)
	got := plan.SlotsIn(mixed)
	if slotsText(got["a"]) != "1 3" || slotsText(got["b"]) != "2" {
		t.Errorf("two backends: %+v", got)
	}
}

func TestReassign(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		slots   string
		servers []string
		want    string
	}{
		{"as it should be", "1 2 - -", []string{"s1 1", "s2 2", "s3 127.0.0.1:1 maint", "s4 127.0.0.1:1 maint"}, "1 2 - -"},
		{"out of use", "1 2 - -", []string{"s1 1 maint", "s2 2 drain", "s3 127.0.0.1:1 maint", "s4 127.0.0.1:1 maint"}, "1 2 - -"},
		{"another address", "1 2 - -", []string{"s1 6", "s2 2", "s3 127.0.0.1:1 maint", "s4 127.0.0.1:1 maint"}, "-6 2 1 -"},
		{"addresses exchanged", "1 2 -", []string{"s1 2", "s2 1", "s3 127.0.0.1:1 maint"}, "2 1 -"},
		{"a spare one in use", "1 2 - -", []string{"s1 1", "s2 2", "s3 6", "s4 127.0.0.1:1 maint"}, "1 2 -6 -"},
		{"a slot too few", "1 2 - -", []string{"s1 2", "s2 1"}, "1 2 - -"},
		{"a server that looks like a slot", "1 -", []string{"s1 1", "s2 127.0.0.1:1 maint", "s3 9"}, "1 -"},
		{"no room for a switch", "1 -", []string{"s1 6", "s2 127.0.0.1:1 maint"}, "-6 1"},
	} {
		p := poolOf("1 2")
		if c.slots == "1 -" {
			p = poolOf("1")
		}
		p.Arrivals = 2
		p.Slots = slotsOf(c.slots)
		settled := plan.Reassign(lb.Config{Backends: []lb.ResolvedBackend{p}}, statesOf("live", c.servers...))
		if got := slotsText(settled.Backends[0].Slots); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// TestNoSlotsWithAgentChecks: HAProxy asks the agent of a spare line, too.
func TestNoSlotsWithAgentChecks(t *testing.T) {
	t.Parallel()
	p := poolOf("1 2")
	p.AgentCheck = true
	if got := plan.LayoutBackend(slotsOf("1 2 - -"), p); got.Slots != nil || len(got.Servers()) != 2 {
		t.Errorf("got %s", slotsText(got.Slots))
	}
}
