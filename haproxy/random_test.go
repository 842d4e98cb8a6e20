package haproxy_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/plan"
	"thalassa/statsock"
)

// A dealer makes pools out of few members.
type dealer struct{ *rand.Rand }

// deal gives three pools some members each; those of the last have no weights,
// which its algorithm would not take.
func (d dealer) deal() []lb.ResolvedBackend {
	pools := []lb.ResolvedBackend{pool("live"), pool("raw"), pool("pinned")}
	pools[1].Mode, pools[1].Balance, pools[2].Balance = "tcp", "leastconn", "source"
	for i := range pools {
		for n := range 4 + d.IntN(6) {
			m := lb.Member{Address: lb.HostPort{Host: lb.Host(fmt.Sprintf("127.0.0.%d", n+1)), Port: uint16(1 + d.IntN(2))}, Weight: 1}
			if n%3 == 2 {
				m.Address.Host = lb.Host(fmt.Sprintf("2001:db8::%x:0", n))
			}
			if i < 2 && d.IntN(3) == 0 {
				m.Weight = []int{0, 2, 256}[d.IntN(3)]
			}
			if d.IntN(2) == 0 {
				pools[i].Members = append(pools[i].Members, m)
			}
		}
	}
	return pools
}

// meddle changes a server as somebody does by hand, and waits until that shows:
// since 3.0 an address is set by a task of its own after the answer.
func (s *slotFixture) meddle(d dealer, client *statsock.Client) {
	s.t.Helper()
	servers := s.servers()
	n := d.IntN(len(servers))
	set := fmt.Sprintf("set server %s/%s ", servers[n].Backend, servers[n].Server)
	do := func(command string) {
		s.t.Helper()
		if _, err := client.Do(s.t.Context(), set+command); err != nil {
			s.t.Fatal(err)
		}
	}
	switch d.IntN(5) {
	case 0:
		do("state maint")
	case 1:
		do("state drain")
	case 2:
		do("state ready")
	case 3:
		address := lb.HostPort{Host: lb.Host(fmt.Sprintf("127.0.0.%d", 1+d.IntN(12))), Port: uint16(1 + d.IntN(3))}
		do(fmt.Sprintf("addr %s port %d", address.Host, address.Port))
		testkit.Eventually(s.t, patience, func() error {
			if got := s.servers()[n].Address; got != address {
				return fmt.Errorf("%s has the address %s, want %s", servers[n].Server, got, address)
			}
			return nil
		})
	default:
		do(fmt.Sprintf("weight %d", d.IntN(3)))
	}
}

// TestRandomChanges leads one HAProxy through some hundreds of configurations.
// After each its servers are what a reload would have made of them, and in between
// somebody meddles with them.
func TestRandomChanges(t *testing.T) {
	each(t, func(fx *fixture) {
		d := dealer{rand.New(rand.NewPCG(1, 2))}
		s := fx.raise(d.deal()...)
		client := statsock.New(fx.cfg.StatsSocket)
		runtime, repairs, reloads := 0, 0, 0
		for range 300 {
			wanted, change := s.next(d.deal()...)
			if len(change.Reload) > 0 {
				s.reload(wanted)
				reloads++
			} else {
				s.adjust(s.ops(wanted)...)
				s.running = wanted
				runtime++
			}
			s.stands()
			s.meddle(d, client)
			if s.repair() {
				repairs++
			} else {
				reloads++
			}
			s.stands()
		}
		fx.t.Logf("%d changes at run time, %d repairs, %d reloads", runtime, repairs, reloads)
		if runtime < 200 || repairs < 200 {
			fx.t.Errorf("only %d changes at run time and %d repairs", runtime, repairs)
		}
	})
}

// repair puts the servers right at run time, or else with a reload.
func (s *slotFixture) repair() (atRunTime bool) {
	s.t.Helper()
	servers := s.servers()
	settled := plan.Reassign(s.running, servers)
	change := plan.Repair(settled, servers)
	if len(change.Reload) == 0 {
		s.adjust(change.Ops...)
		s.running = settled
		return true
	}
	rendered := s.render(settled)
	if _, err := s.Apply(s.t.Context(), rendered.Bytes, ""); err != nil {
		s.t.Fatal(err)
	}
	s.running = settled
	return false
}
