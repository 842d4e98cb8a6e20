package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/plan"
)

// opText writes an operation in few words.
func opText(op lb.ServerOp) string {
	words := []string{op.Server}
	if op.Add {
		words = append(words, "add")
	}
	if op.Address != nil {
		words = append(words, "addr "+op.Address.String())
	}
	if op.Unused {
		words = append(words, "unused")
	}
	if op.Maintenance {
		words = append(words, "maint")
	}
	if op.Weight != nil {
		words = append(words, fmt.Sprint("weight ", *op.Weight))
	}
	if op.Up {
		words = append(words, "up")
	}
	if op.Ready {
		words = append(words, "ready")
	}
	return strings.Join(words, " ")
}

func opTexts(ops []lb.ServerOp) []string {
	out := make([]string, len(ops))
	for i, op := range ops {
		out[i] = opText(op)
	}
	return out
}

func reasonTexts(reasons []plan.Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = r.Object + " " + r.What + ": " + strings.Join(r.Detail, ", ")
	}
	return out
}

// weighted sets the weights of members, in their order.
func weighted(p lb.ResolvedBackend, weights ...int) lb.ResolvedBackend {
	p.Members = slices.Clone(p.Members)
	for i, w := range weights {
		p.Members[i].Weight = w
	}
	return p
}

// A transition is a change of one slotted backend and what has to be done.
type transition struct {
	name     string
	from, to lb.ResolvedBackend
	balance  string // roundrobin
	mode     string // http
	ops      []string
	runtime  []string
	reload   []string
}

func transitions() []transition {
	return []transition{
		{name: "nothing", from: poolOf("1 2"), to: poolOf("1 2")},
		{
			name: "one comes", from: poolOf("1"), to: poolOf("1 2"),
			ops: []string{"s2 addr 10.0.0.2:80 unused ready"}, runtime: []string{"backend/live members: +10.0.0.2:80"},
		},
		{
			name: "one goes", from: poolOf("1 2"), to: poolOf("2"),
			ops: []string{"s1 maint"}, runtime: []string{"backend/live members: -10.0.0.1:80"},
		},
		{
			name: "one goes for another", from: poolOf("1 2"), to: poolOf("2 3"),
			ops:     []string{"s3 addr 10.0.0.3:80 unused ready", "s1 maint"},
			runtime: []string{"backend/live members: -10.0.0.1:80, +10.0.0.3:80"},
		},
		{
			name: "all for others", from: poolOf("1 2"), to: poolOf("3 4 [2001:db8::1]:80"),
			ops: []string{
				"s3 addr 10.0.0.3:80 unused ready", "s4 addr 10.0.0.4:80 unused ready", "s5 addr [2001:db8::1]:80 unused ready",
				"s1 maint", "s2 maint",
			},
			runtime: []string{"backend/live members: -10.0.0.1:80, -10.0.0.2:80, +10.0.0.3:80, +10.0.0.4:80, +[2001:db8::1]:80"},
		},
		{
			name: "the last one goes", from: poolOf("1"), to: poolOf(""),
			ops: []string{"s1 maint"}, runtime: []string{"backend/live members: -10.0.0.1:80"},
		},
		{
			name: "weights", from: poolOf("1 2 3"), to: weighted(poolOf("1 2 3"), 0, 5, 1),
			ops:     []string{"s2 weight 5", "s1 weight 0"},
			runtime: []string{"backend/live weight: 10.0.0.1:80 weight 1 → 0, 10.0.0.2:80 weight 1 → 5"},
		},
		{
			name: "traffic to the other one", from: weighted(poolOf("1 2"), 1, 0), to: weighted(poolOf("1 2"), 0, 1),
			ops:     []string{"s2 weight 1", "s1 weight 0"},
			runtime: []string{"backend/live weight: 10.0.0.1:80 weight 1 → 0, 10.0.0.2:80 weight 0 → 1"},
		},
		{
			name: "a heavy one for another", from: weighted(poolOf("1 2"), 9, 1), to: weighted(poolOf("2 3"), 1, 5),
			ops:     []string{"s3 addr 10.0.0.3:80 unused weight 5 ready", "s1 maint weight 1"},
			runtime: []string{"backend/live members: -10.0.0.1:80, +10.0.0.3:80"},
		},
		{
			name: "light ones come", from: poolOf("1 2"), to: weighted(poolOf("1 2 3"), 247, 247, 26),
			ops:     []string{"s1 weight 247", "s2 weight 247", "s3 addr 10.0.0.3:80 unused weight 26 ready"},
			runtime: []string{"backend/live members: +10.0.0.3:80", "backend/live weight: 10.0.0.1:80 weight 1 → 247, 10.0.0.2:80 weight 1 → 247"},
		},
		{
			name: "heavy ones get lighter", from: weighted(poolOf("1 2 3"), 190, 190, 120), to: weighted(poolOf("1 2 3"), 80, 80, 240),
			ops:     []string{"s3 weight 240", "s1 weight 80", "s2 weight 80"},
			runtime: []string{"backend/live weight: 10.0.0.1:80 weight 190 → 80, 10.0.0.2:80 weight 190 → 80, 10.0.0.3:80 weight 120 → 240"},
		},
		{
			name: "light ones go", from: weighted(poolOf("1 2 3"), 247, 247, 26), to: poolOf("1 2"),
			ops:     []string{"s3 maint weight 1", "s1 weight 1", "s2 weight 1"},
			runtime: []string{"backend/live members: -10.0.0.3:80", "backend/live weight: 10.0.0.1:80 weight 247 → 1, 10.0.0.2:80 weight 247 → 1"},
		},
		{
			name: "in mode tcp", mode: "tcp", from: poolOf("1"), to: poolOf("2"),
			ops:     []string{"s2 addr 10.0.0.2:80 ready", "s1 maint"},
			runtime: []string{"backend/live members: -10.0.0.1:80, +10.0.0.2:80"},
		},
		{
			name: "static algorithm", balance: "source", from: poolOf("1"), to: poolOf("2"),
			ops:     []string{"s2 addr 10.0.0.2:80 unused ready", "s1 maint"},
			runtime: []string{"backend/live members: -10.0.0.1:80, +10.0.0.2:80"},
		},
		{
			name: "weight under a static algorithm", balance: "uri depth 2", from: poolOf("1"), to: weighted(poolOf("1"), 5),
			reload: []string{"backend/live weight: 10.0.0.1:80 weight 1 → 5"},
		},
		{
			name: "a heavy one comes under a static algorithm", balance: "static-rr", from: poolOf("1"), to: weighted(poolOf("1 2"), 1, 5),
			reload: []string{"backend/live members: +10.0.0.2:80", "backend/live weight: s2 weight 1 → 5"},
		},
		{
			name: "a heavy one goes under a static algorithm", balance: "hdr(host)", from: weighted(poolOf("1 2"), 1, 5), to: poolOf("1"),
			reload: []string{"backend/live members: -10.0.0.2:80", "backend/live weight: s2 weight 5 → 1"},
		},
		{
			name: "more than there is room for", from: poolOf("1"), to: weighted(poolOf("2 3 4 5 6"), 1, 1, 1, 1, 7),
			ops: []string{
				"s2 addr 10.0.0.2:80 unused ready", "s3 addr 10.0.0.3:80 unused ready", "s4 addr 10.0.0.4:80 unused ready",
				"s5 add addr 10.0.0.5:80 ready", "s6 add addr 10.0.0.6:80 weight 7 ready", "s1 maint",
				"s7 add", "s8 add", "s9 add", "s10 add", "s11 add",
			},
			runtime: []string{
				"backend/live members: -10.0.0.1:80, +10.0.0.2:80, +10.0.0.3:80, +10.0.0.4:80, +10.0.0.5:80, +10.0.0.6:80",
				"backend/live slots: 4 → 11",
			},
		},
		{
			name: "more than there is room for, all slots in use", from: poolOf("1 2 3"), to: poolOf("4 5 6 7 8 9 10 11"),
			runtime: []string{
				"backend/live members: -10.0.0.1:80, -10.0.0.2:80, -10.0.0.3:80, +10.0.0.4:80, +10.0.0.5:80, +10.0.0.6:80, +10.0.0.7:80," +
					" +10.0.0.8:80, +10.0.0.9:80, +10.0.0.10:80, +10.0.0.11:80",
				"backend/live slots: 7 → 17",
			},
			ops: []string{
				"s4 addr 10.0.0.4:80 unused ready", "s5 addr 10.0.0.5:80 unused ready", "s6 addr 10.0.0.6:80 unused ready", "s7 addr 10.0.0.7:80 unused ready",
				"s8 add addr 10.0.0.8:80 ready", "s9 add addr 10.0.0.9:80 ready", "s10 add addr 10.0.0.10:80 ready", "s11 add addr 10.0.0.11:80 ready",
				"s1 maint", "s2 maint", "s3 maint", "s12 add", "s13 add", "s14 add", "s15 add", "s16 add", "s17 add",
			},
		},
		{
			name: "more than there is room for under a static algorithm", balance: "uri", from: poolOf("1"), to: poolOf("2 3 4 5"),
			reload: []string{
				"backend/live members: -10.0.0.1:80, +10.0.0.2:80, +10.0.0.3:80, +10.0.0.4:80, +10.0.0.5:80",
				"backend/live slots: 4 → 9, balance uri takes no lines at run time",
			},
		},
		{
			name: "a member with a name", from: poolOf("1"), to: poolOf("1 a.example.org:80"),
			reload: []string{"backend/live members: +a.example.org:80", "backend/live slots: 4 → none"},
		},
	}
}

func TestComputeOfSlots(t *testing.T) {
	t.Parallel()
	for _, c := range transitions() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range []*lb.ResolvedBackend{&c.from, &c.to} {
				if c.balance != "" {
					p.Balance = c.balance
				}
				if c.mode != "" {
					p.Mode = c.mode
				}
			}
			running := plan.Layout(nil, lb.Config{Backends: []lb.ResolvedBackend{c.from}})
			wanted := plan.Layout(plan.SlotsOf(running), lb.Config{Backends: []lb.ResolvedBackend{c.to}})
			change := plan.Compute(&running, wanted)
			if got := reasonTexts(change.Reload); !slices.Equal(got, c.reload) {
				t.Errorf("reasons to reload:\ngot  %q\nwant %q", got, c.reload)
			}
			if len(c.reload) > 0 {
				return
			}
			ops := plan.Ops(running, wanted)
			if got := opTexts(ops); !slices.Equal(got, c.ops) || change.Servers != len(ops) {
				t.Errorf("operations:\ngot  %q\nwant %q", got, c.ops)
			}
			if got := reasonTexts(change.Runtime); !slices.Equal(got, c.runtime) {
				t.Errorf("differences:\ngot  %q\nwant %q", got, c.runtime)
			}
			for _, op := range ops {
				if op.Backend != "live" {
					t.Errorf("an operation on backend %q", op.Backend)
				}
			}
		})
	}
}

// TestComputeOfSlotsInUse: with slots that were not laid out after those that
// run, a slot in use would have to take another member.
func TestComputeOfSlotsInUse(t *testing.T) {
	t.Parallel()
	from, to := poolOf("1"), poolOf("2")
	from.Slots, to.Slots = slotsOf("1 -"), slotsOf("2 -")
	change := plan.Compute(&lb.Config{Backends: []lb.ResolvedBackend{from}}, lb.Config{Backends: []lb.ResolvedBackend{to}})
	want := []string{"backend/live members: -10.0.0.1:80, +10.0.0.2:80", "backend/live slots: s1 is in use by 10.0.0.1:80"}
	if got := reasonTexts(change.Reload); !slices.Equal(got, want) || len(change.Runtime) != 0 {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	from.Mode, to.Mode = "tcp", "tcp"
	running, wanted := lb.Config{Backends: []lb.ResolvedBackend{from}}, lb.Config{Backends: []lb.ResolvedBackend{to}}
	change = plan.Compute(&running, wanted)
	if got := opTexts(plan.Ops(running, wanted)); !slices.Equal(got, []string{"s1 addr 10.0.0.2:80 up"}) || len(change.Reload) != 0 {
		t.Errorf("in mode tcp: %q, %q", got, change.Diff())
	}
}

func TestComputeReloadsForTheRestOfABackend(t *testing.T) {
	t.Parallel()
	running := plan.Layout(nil, lb.Config{Backends: []lb.ResolvedBackend{poolOf("1")}})
	other := poolOf("1 2")
	other.Balance = "leastconn"
	wanted := plan.Layout(plan.SlotsOf(running), lb.Config{Backends: []lb.ResolvedBackend{other}})
	change := plan.Compute(&running, wanted)
	if got := change.Diff(); !slices.Equal(got, []string{"backend/live balance: roundrobin → leastconn", "backend/live members: +10.0.0.2:80"}) || len(change.Reload) != 1 {
		t.Errorf("got %q, reasons to reload %v", got, change.Reload)
	}
	static := poolOf("1")
	static.Type = "static"
	change = plan.Compute(&running, plan.Layout(plan.SlotsOf(running), lb.Config{Backends: []lb.ResolvedBackend{static}}))
	if got := reasonTexts(change.Reload); !slices.Equal(got, []string{"backend/live slots: 4 → none"}) {
		t.Errorf("dynamic becomes static: %q", got)
	}
}

func TestRepair(t *testing.T) {
	t.Parallel()
	unused := []string{"s3 127.0.0.1:1 maint", "s4 10.0.0.9:80 maint", "foreign 9", "s5 9"}
	for _, c := range []struct {
		name    string
		balance string
		servers []string // s1 and s2; s3 and s4 are spare
		ops     []string
		runtime string
		reload  string
	}{
		{name: "as it should be", servers: []string{"s1 1", "s2 2 weight 5"}},
		{
			name: "out of use", servers: []string{"s1 1 maint", "s2 2 weight 5 drain"}, ops: []string{"s1 ready", "s2 ready"},
			runtime: "backend/live servers: 10.0.0.1:80 was out of use, 10.0.0.2:80 was out of use",
		},
		{
			name: "weights", servers: []string{"s1 1 weight 0", "s2 2 weight 256"}, ops: []string{"s1 weight 1", "s2 weight 5"},
			runtime: "backend/live servers: 10.0.0.1:80 weight 0 → 1, 10.0.0.2:80 weight 256 → 5",
		},
		{
			name: "another address, out of use", servers: []string{"s1 6 maint", "s2 2 weight 5"}, ops: []string{"s1 addr 10.0.0.1:80 unused ready"},
			runtime: "backend/live servers: +10.0.0.1:80",
		},
		{name: "another address, in use", servers: []string{"s1 6", "s2 2 weight 5"}, reload: "backend/live slots: s1 is in use by 10.0.0.6:80"},
		{name: "another port, in use", servers: []string{"s1 10.0.0.1:81", "s2 2 weight 5"}, reload: "backend/live slots: s1 is in use by 10.0.0.1:81"},
		{name: "lost", servers: []string{"s2 2 weight 5"}, reload: "backend/live slots: s1 is missing"},
		{name: "lost between others", servers: []string{"s1 1"}, reload: "backend/live slots: s2 is missing"},
		{name: "static algorithm", balance: "source", servers: []string{"s1 1 weight 0", "s2 2 weight 5"}, reload: "backend/live weight: s1 weight 0 → 1"},
		{
			name: "static algorithm, out of use", balance: "source", servers: []string{"s1 1 maint", "s2 2 weight 5"}, ops: []string{"s1 ready"},
			runtime: "backend/live servers: 10.0.0.1:80 was out of use",
		},
	} {
		p := weighted(poolOf("1 2"), 1, 5)
		p.Slots = []lb.Slot{{Member: &p.Members[0]}, {Member: &p.Members[1]}, {}, {}}
		if c.balance != "" {
			p.Balance = c.balance
		}
		change := plan.Repair(lb.Config{Backends: []lb.ResolvedBackend{p}}, statesOf("live", append(c.servers, unused...)...))
		runtime, reload := strings.Join(reasonTexts(change.Runtime), "; "), strings.Join(reasonTexts(change.Reload), "; ")
		if reload != c.reload || runtime != c.runtime || !slices.Equal(opTexts(change.Ops), c.ops) {
			t.Errorf("%s: got %q, %q, reload %q\nwant %q, %q, %q", c.name, opTexts(change.Ops), runtime, reload, c.ops, c.runtime, c.reload)
		}
	}
}

func TestRepairOfSpareSlots(t *testing.T) {
	t.Parallel()
	p := poolOf("")
	p.Slots = make([]lb.Slot, 4)
	change := plan.Repair(lb.Config{Backends: []lb.ResolvedBackend{p}}, statesOf("live", "s1 6", "s2 7 drain weight 9", "s3 8 maint weight 7", "s4 9 maint drain"))
	if got, want := opTexts(change.Ops), []string{"s3 weight 1", "s1 maint", "s2 maint weight 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := reasonTexts(change.Runtime), []string{"backend/live servers: -10.0.0.6:80, -10.0.0.7:80, s3 weight 7 → 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRepairAddsLines that HAProxy lacks behind the others, as after a reload with an
// older file.
func TestRepairAddsLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ balance, native, reload string }{
		{balance: "roundrobin"},
		{balance: "leastconn"},
		{balance: "uri", native: "hash-type  consistent sdbm"},
		{balance: "source", native: "hash-type map-based", reload: "backend/live slots: s3 is missing, s4 is missing"},
		{balance: "static-rr", native: "hash-type consistent", reload: "backend/live slots: s3 is missing, s4 is missing"},
	} {
		p := poolOf("1 2 3")
		p.Balance, p.Slots = c.balance, slotsOf("1 2 3 -")
		if c.native != "" {
			p.Natives = []lb.RawLine{lb.RawLine(c.native)}
		}
		got := plan.Repair(lb.Config{Backends: []lb.ResolvedBackend{p}}, statesOf("live", "s1 1", "s2 2", "foreign 9"))
		if c.reload != "" {
			if reload := strings.Join(reasonTexts(got.Reload), "; "); reload != c.reload || got.Lines != 0 {
				t.Errorf("%s: %d lines and %q, want %q", c.balance, got.Lines, reload, c.reload)
			}
			continue
		}
		ops, runtime := opTexts(got.Ops), strings.Join(reasonTexts(got.Runtime), "; ")
		if !slices.Equal(ops, []string{"s3 add addr 10.0.0.3:80 ready", "s4 add"}) || got.Lines != 2 ||
			runtime != "backend/live servers: +10.0.0.3:80, +s4" || len(got.Reload) > 0 {
			t.Errorf("%s: %q, %d lines, %q, %v", c.balance, ops, got.Lines, runtime, got.Reload)
		}
		if by := got.WithoutLines("the template counts servers"); by.Lines+by.Servers != 0 ||
			strings.Join(reasonTexts(by.Reload), "; ") != "backend/live servers: +10.0.0.3:80, +s4; process runtime: the template counts servers" {
			t.Errorf("without lines: %+v", by)
		}
	}
}

// TestRepairOfAddedLines: those of slots are compared, and what somebody else has added is
// left alone.
func TestRepairOfAddedLines(t *testing.T) {
	t.Parallel()
	p := poolOf("1")
	p.Slots = slotsOf("1 -")
	servers := statesOf("live", "s1 1", "s2 127.0.0.1:1 maint", "s3 9")
	for i := range servers {
		servers[i].Added, servers[i].Deviation = i > 0, "has TLS off, expected on"
	}
	servers[0].Deviation = ""
	got := plan.Repair(lb.Config{Backends: []lb.ResolvedBackend{p}}, servers)
	if reload := strings.Join(reasonTexts(got.Reload), "; "); reload != "backend/live servers: s2 has TLS off, expected on" {
		t.Errorf("got %q", reload)
	}
}

func TestRepairLeavesBackendsWithoutSlotsAlone(t *testing.T) {
	t.Parallel()
	static := poolOf("1")
	static.Type = "static"
	change := plan.Repair(lb.Config{Backends: []lb.ResolvedBackend{static}}, statesOf("live", "10.0.0.1:80 6 maint", "s1 7"))
	if !change.Empty() {
		t.Errorf("got %q", change.Diff())
	}
}

// TestRepairOfSettings: what a server has otherwise than its file says needs another
// worker, whether a slot or not, and whatever else is to be done.
func TestRepairOfSettings(t *testing.T) {
	wanted := plan.Layout(nil, lb.Config{Backends: []lb.ResolvedBackend{weighted(lb.ResolvedBackend{
		Backend: lb.Backend{Key: "live", Type: "dynamic", Service: "shop", Mode: "http", Balance: "roundrobin"},
		Members: []lb.Member{{Address: lb.HostPort{Host: "10.0.0.1", Port: 80}}},
	}, 1)}})
	servers := []lb.ServerState{
		{Backend: "fixed", Server: "10.0.0.9:80", Address: lb.HostPort{Host: "10.0.0.9", Port: 80}, Deviation: "has TLS off, expected on"},
		{Backend: "fixed", Server: "10.0.0.8:80", Address: lb.HostPort{Host: "10.0.0.8", Port: 80}, Weight: 7},
	}
	for i, s := range wanted.Backends[0].Servers() {
		state := lb.ServerState{Backend: "live", Server: s.Name, Address: s.Address, Weight: s.Weight, Maintenance: s.Spare}
		if i < 2 {
			state.Deviation = "has check port 1, expected 0"
		}
		servers = append(servers, state)
	}
	servers[2].Weight = 3
	got := plan.Repair(wanted, servers)
	want := []string{
		"backend/fixed servers: 10.0.0.9:80 has TLS off, expected on",
		"backend/live servers: s1 has check port 1, expected 0, s2 has check port 1, expected 0",
	}
	if texts := reasonTexts(got.Reload); !slices.Equal(texts, want) || len(got.Ops) != 1 {
		t.Errorf("got %q, %d operations", texts, len(got.Ops))
	}
}
