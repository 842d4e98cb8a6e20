package plan_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/plan"
)

// A balancer is a model of the servers of a running HAProxy: what show servers
// state tells, and what it refuses.
type balancer struct {
	order   []string // ids BACKEND/SERVER
	servers map[string]*lb.ServerState
	loaded  map[string]int // the weights that stood in the file
	static  map[lb.Name]bool
}

// load starts a worker with a configuration.
func load(c lb.Config) *balancer {
	b := &balancer{servers: map[string]*lb.ServerState{}, loaded: map[string]int{}, static: map[lb.Name]bool{}}
	for _, p := range c.Backends {
		b.static[p.Key] = p.Balance == "source"
		for _, s := range p.Servers() {
			id := string(p.Key) + "/" + s.Name
			b.order = append(b.order, id)
			b.servers[id] = &lb.ServerState{Backend: p.Key, Server: s.Name, Address: s.Address, Weight: s.Weight, Maintenance: s.Spare, Up: true}
			b.loaded[id] = s.Weight
		}
	}
	return b
}

func (b *balancer) states() []lb.ServerState {
	out := make([]lb.ServerState, len(b.order))
	for i, id := range b.order {
		out[i] = *b.servers[id]
	}
	return out
}

// adjust does what haproxy.Process.Adjust does. seen is called between any two
// steps.
func (b *balancer) adjust(ops []lb.ServerOp, seen func()) error {
	find := func(op lb.ServerOp) (*lb.ServerState, error) {
		s, ok := b.servers[string(op.Backend)+"/"+op.Server]
		if !ok {
			return nil, fmt.Errorf("no server %s/%s", op.Backend, op.Server)
		}
		return s, nil
	}
	for _, op := range ops {
		if op.Add {
			if err := b.add(op); err != nil {
				return err
			}
			seen()
		}
	}
	for _, op := range ops {
		s, err := find(op)
		if err != nil {
			return err
		}
		if op.Address != nil {
			if !s.Maintenance && op.Unused {
				return fmt.Errorf("%s/%s is in use by %s", op.Backend, op.Server, s.Address)
			}
			s.Address = *op.Address
			seen()
		}
	}
	for _, op := range ops {
		s, err := find(op)
		if err != nil {
			return err
		}
		if op.Maintenance {
			s.Maintenance = true
			seen()
		}
		if op.Weight != nil {
			if w := *op.Weight; b.static[op.Backend] && w != 0 && w != b.loaded[string(op.Backend)+"/"+op.Server] {
				return fmt.Errorf("the balance algorithm of %s is static", op.Backend)
			}
			s.Weight = *op.Weight
			seen()
		}
		if op.Ready {
			s.Maintenance, s.Draining = false, false
			seen()
		}
	}
	return nil
}

// add makes a spare line behind the others of its backend.
func (b *balancer) add(op lb.ServerOp) error {
	id, end := string(op.Backend)+"/"+op.Server, 0
	for i, other := range b.order {
		if b.servers[other].Backend == op.Backend {
			end = i + 1
		}
	}
	switch {
	case b.servers[id] != nil:
		return fmt.Errorf("%s exists", id)
	case b.static[op.Backend]:
		return fmt.Errorf("the balance algorithm of %s is static", op.Backend)
	}
	b.order = slices.Insert(b.order, end, id)
	b.servers[id] = &lb.ServerState{Backend: op.Backend, Server: op.Server, Address: lb.SpareAddress(), Weight: 1, Maintenance: true, Up: true, Added: true}
	b.loaded[id] = 1
	return nil
}

// text says all that matters of the servers: where a server in maintenance would
// lead does not.
func (b *balancer) text() string {
	var lines []string
	for _, s := range b.states() {
		if s.Maintenance {
			s.Address = lb.HostPort{}
			s.Draining = false
		}
		lines = append(lines, fmt.Sprintf("%s/%s %s weight %d maint %t drain %t", s.Backend, s.Server, s.Address, s.Weight, s.Maintenance, s.Draining))
	}
	return strings.Join(lines, "\n")
}

// serving are the backends that have a server that gets traffic.
func (b *balancer) serving() map[lb.Name]bool {
	out := map[lb.Name]bool{}
	for _, s := range b.servers {
		if !s.Maintenance && !s.Draining && s.Weight > 0 {
			out[s.Backend] = true
		}
	}
	return out
}

// slotted makes a configuration of dynamic backends whose structure is the same
// every time.
func (g generator) slotted() lb.Config {
	c := lb.Config{Process: lb.Process{StatsSocket: "/run/a.sock"}}
	for _, b := range []lb.Backend{
		{Key: "a", Mode: "http", Balance: "roundrobin"}, {Key: "b", Mode: "tcp", Balance: "leastconn"}, {Key: "c", Mode: "http", Balance: "source"},
	} {
		b.Type, b.Service, b.Version = "dynamic", "shop", pick(g, lb.Version("1"), "2")
		weighing := 2 // one in so many has weights, which static algorithms do not take
		if b.Balance == "source" {
			weighing = 8
		}
		c.Backends = append(c.Backends, lb.ResolvedBackend{Backend: b, Members: g.members(pick(g, 3, 6, 12), g.IntN(weighing) == 0)})
	}
	return c
}

// members are some of those on the first hosts, sorted like those of a
// configuration.
func (g generator) members(hosts int, weighs bool) []lb.Member {
	var out []lb.Member
	speaks := g.IntN(3) == 0 // about TLS
	for i := range hosts {
		if g.IntN(2) == 0 {
			continue
		}
		m := lb.Member{Address: lb.HostPort{Host: lb.Host(fmt.Sprintf("10.0.0.%d", i)), Port: uint16(pick(g, 80, 80, 81))}, Weight: 1}
		if i%3 == 2 {
			m.Address.Host = lb.Host(fmt.Sprintf("2001:db8::%x", i+1))
		}
		if weighs {
			m.Weight = pick(g, 0, 1, 1, 1, 5, 256)
		}
		if speaks {
			m.TLS = g.ownTLS()
		}
		out = append(out, m)
	}
	return out
}

// ownTLS is what a member may say about TLS.
func (g generator) ownTLS() lb.OwnTLS {
	return pick(g, lb.OwnTLS{}, lb.OwnTLS{}, lb.OwnTLS{Off: true}, lb.OwnTLS{ServerName: "a.example"}, lb.OwnTLS{ServerName: "b.example"})
}

// carryOut brings b from one configuration to another as the agent does. It
// reports whether that took a reload.
func carryOut(t *testing.T, b *balancer, change plan.Change, wanted lb.Config) (_ *balancer, reloaded bool) {
	t.Helper()
	if len(change.Reload) > 0 {
		return load(wanted), true
	}
	before, after := b.serving(), load(wanted).serving()
	ops := plan.Repair(wanted, b.states()).Ops
	if len(ops) != change.Servers {
		t.Fatalf("%q, but %d servers were to change", opTexts(ops), change.Servers)
	}
	err := b.adjust(ops, func() {
		now := b.serving()
		for key := range before {
			if after[key] && !now[key] {
				t.Fatalf("backend %s has nobody in between: %q", key, opTexts(ops))
			}
		}
	})
	if err != nil {
		t.Fatalf("%q: %v", opTexts(ops), err)
	}
	if got, want := b.text(), load(wanted).text(); got != want {
		t.Fatalf("after %q:\n%s\nwith a reload:\n%s", opTexts(ops), got, want)
	}
	return b, false
}

// TestOperationsDoWhatAReloadWouldDo follows a HAProxy through many
// configurations.
func TestOperationsDoWhatAReloadWouldDo(t *testing.T) {
	t.Parallel()
	runtime, reloads, seeds := 0, 0, 60
	if testing.Short() {
		seeds = 6
	}
	for seed := range uint64(seeds) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		running := plan.Layout(nil, g.slotted())
		b := load(running)
		for range 40 {
			wanted := plan.Layout(plan.SlotsOf(running), g.slotted())
			change := plan.Compute(&running, wanted)
			if ops := plan.Ops(running, wanted); len(ops) > 0 && len(change.Diff()) == 0 {
				t.Fatalf("%q, and no word why", opTexts(ops))
			}
			var reloaded bool
			if b, reloaded = carryOut(t, b, change, wanted); reloaded {
				reloads++
				checkReasons(t, change, running, wanted)
			} else {
				runtime++
			}
			running = wanted
		}
	}
	if t.Logf("%d changes at run time, %d reloads", runtime, reloads); runtime < 8*seeds || reloads < 3*seeds/2 {
		t.Errorf("%d changes at run time, %d reloads: want more", runtime, reloads)
	}
}

// checkReasons accepts weights and a lack of slots, also for members that speak of TLS, under a
// static algorithm.
func checkReasons(t *testing.T, change plan.Change, running, wanted lb.Config) {
	t.Helper()
	speaks := func(m lb.Member) bool { return m.TLS != lb.OwnTLS{} }
	for i, p := range wanted.Backends {
		grown := p.Balance == "source" && len(p.Slots) > len(running.Backends[i].Slots)
		heavy := p.Balance == "source" && slices.ContainsFunc(slices.Concat(p.Members, running.Backends[i].Members), func(m lb.Member) bool { return m.Weight != 1 })
		for _, r := range change.Reload {
			if r.Object == p.ID() && !grown && !heavy && !(p.Balance == "source" && slices.ContainsFunc(p.Members, speaks)) {
				t.Fatalf("%s needs no reload: %v", p.ID(), r)
			}
		}
	}
}

// drift changes what a stranger could change with set server.
func (b *balancer) drift(server, kind, value byte) {
	if len(b.order) == 0 {
		return
	}
	s := b.servers[b.order[int(server)%len(b.order)]]
	switch kind % 5 {
	case 0:
		s.Maintenance = value%2 == 0
	case 1:
		s.Draining = value%2 == 0
	case 2:
		s.Address.Host = lb.Host(fmt.Sprintf("10.0.0.%d", value%16))
	case 3:
		s.Address.Port = uint16(value) + 1
	default:
		s.Weight = int(value)
		if b.static[s.Backend] && value != 0 {
			s.Weight = b.loaded[b.order[int(server)%len(b.order)]]
		}
	}
}

// checkRepaired puts right what drift has done to a HAProxy that runs c, after
// some changes.
func checkRepaired(t *testing.T, seed uint64, drift []byte) (reloaded bool) {
	t.Helper()
	g := generator{rand.New(rand.NewPCG(seed, 2))}
	running := plan.Layout(nil, g.slotted())
	b := load(running)
	for range g.IntN(3) {
		wanted := plan.Layout(plan.SlotsOf(running), g.slotted())
		b, _ = carryOut(t, b, plan.Compute(&running, wanted), wanted)
		running = wanted
	}
	if change := plan.Repair(running, b.states()); !change.Empty() {
		t.Fatalf("nobody changed anything: %q", change.Diff())
	}
	before := b.text()
	for d := range slices.Chunk(drift, 3) {
		if len(d) == 3 {
			b.drift(d[0], d[1], d[2])
		}
	}
	found := plan.Repair(running, b.states())
	if found.Empty() != (b.text() == before) {
		t.Fatalf("drift of\n%s\nto\n%s\nwas found to be %q", before, b.text(), found.Diff())
	}
	settled := plan.Reassign(running, b.states())
	checkReassigned(t, running, settled)
	change := plan.Repair(settled, b.states())
	if len(change.Reload) > 0 {
		return true
	}
	if err := b.adjust(change.Ops, func() {}); err != nil {
		t.Fatalf("%q: %v", opTexts(change.Ops), err)
	}
	if got, want := b.text(), load(settled).text(); got != want {
		t.Fatalf("after %q:\n%s\nwant:\n%s", opTexts(change.Ops), got, want)
	}
	checkFoundAgain(t, settled, b)
	return false
}

// checkReassigned: other slots, the same members, the same weights.
func checkReassigned(t *testing.T, running, settled lb.Config) {
	t.Helper()
	for i, p := range settled.Backends {
		if len(p.Slots) < len(running.Backends[i].Slots) {
			t.Fatalf("%d slots became %d", len(running.Backends[i].Slots), len(p.Slots))
		}
		for _, c := range [][]lb.Slot{running.Backends[i].Slots, p.Slots} {
			found := map[lb.HostPort]int{}
			for _, s := range c {
				if s.Member != nil {
					found[s.Member.Address] = s.Member.Weight
				}
			}
			want := map[lb.HostPort]int{}
			for _, m := range p.Members {
				want[m.Address] = m.Weight
			}
			if !maps.Equal(found, want) {
				t.Fatalf("%v are in slots, want %v", found, want)
			}
		}
	}
}

// checkFoundAgain: an agent that comes later finds the same slots and has nothing
// to do.
func checkFoundAgain(t *testing.T, running lb.Config, b *balancer) {
	t.Helper()
	unknown := running
	unknown.Backends = slices.Clone(running.Backends)
	for i := range unknown.Backends {
		unknown.Backends[i].Slots = nil
	}
	again := plan.Layout(plan.SlotsIn(b.states()), unknown)
	if change := plan.Repair(again, b.states()); !change.Empty() {
		t.Fatalf("the next agent would do %q: %q", opTexts(change.Ops), change.Diff())
	}
	if change := plan.Compute(&running, again); !change.Empty() {
		t.Fatalf("the next agent found other slots: %q", change.Diff())
	}
}

func TestRepairRestoresTheConfiguration(t *testing.T) {
	t.Parallel()
	reloads, pairs := 0, 1500
	if testing.Short() {
		pairs = 150
	}
	for seed := range uint64(pairs) {
		g := rand.New(rand.NewPCG(seed, 3))
		drift := make([]byte, 3*g.IntN(6))
		for i := range drift {
			drift[i] = byte(g.IntN(256))
		}
		if checkRepaired(t, seed, drift) {
			reloads++
		}
	}
	if t.Logf("%d of %d needed a reload", reloads, pairs); reloads == 0 || reloads > pairs/2 {
		t.Errorf("%d of %d needed a reload", reloads, pairs)
	}
}

func FuzzRepair(f *testing.F) {
	f.Add(uint64(1), []byte{})
	f.Add(uint64(2), []byte{0, 0, 0, 1, 2, 3, 4, 4, 0})
	f.Add(uint64(3), []byte{0, 2, 1, 1, 2, 0, 2, 3, 80, 3, 1, 0})
	f.Fuzz(func(t *testing.T, seed uint64, drift []byte) { checkRepaired(t, seed, drift) })
}
