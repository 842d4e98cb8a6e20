package haproxy_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"thalassa/lb"
	"thalassa/plan"
	"thalassa/statsock"
)

// A dealer makes pools out of few members.
type dealer struct{ *rand.Rand }

// deal gives three pools some members each; those of the last have no weights,
// which its algorithm would not take.
func (d dealer) deal() []lb.Pool {
	pools := []lb.Pool{pool("live"), pool("raw"), pool("pinned")}
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

// meddle is a command of somebody who changes servers by hand.
func (d dealer) meddle(servers []lb.ServerState) string {
	s := servers[d.IntN(len(servers))]
	set := fmt.Sprintf("set server %s/%s ", s.Backend, s.Server)
	switch d.IntN(5) {
	case 0:
		return set + "state maint"
	case 1:
		return set + "state drain"
	case 2:
		return set + "state ready"
	case 3:
		return fmt.Sprintf("%saddr 127.0.0.%d port %d", set, 1+d.IntN(12), 1+d.IntN(3))
	default:
		return fmt.Sprintf("%sweight %d", set, d.IntN(3))
	}
}

// TestRandomChanges leads one HAProxy through some hundreds of configurations.
// After each its servers are what a reload would have made of them, and in between
// somebody meddles with them.
func TestRandomChanges(t *testing.T) {
	each(t, func(l *lab) {
		d := dealer{rand.New(rand.NewPCG(1, 2))}
		s := l.raise(d.deal()...)
		client := statsock.New(l.cfg.StatsSocket)
		runtime, repairs, reloads := 0, 0, 0
		for range 300 {
			wanted, change := s.next(d.deal()...)
			if len(change.Reload) > 0 {
				s.reload(wanted)
				reloads++
			} else {
				s.adjust(change.Ops...)
				s.running = wanted
				runtime++
			}
			s.stands()
			if _, err := client.Do(l.t.Context(), d.meddle(s.servers())); err != nil {
				l.t.Fatal(err)
			}
			if s.repair() {
				repairs++
			} else {
				reloads++
			}
			s.stands()
		}
		l.t.Logf("%d changes at run time, %d repairs, %d reloads", runtime, repairs, reloads)
		if runtime < 200 || repairs < 200 {
			l.t.Errorf("only %d changes at run time and %d repairs", runtime, repairs)
		}
	})
}

// repair puts the servers right at run time, or else with a reload.
func (s *stage) repair() (atRunTime bool) {
	s.t.Helper()
	servers := s.servers()
	settled := plan.Resettle(s.running, servers)
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
