package stats_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/stats"
)

// told is the moves that a sampler has reported since the last call.
func (f *fixture) told() string {
	var out []string
	for _, m := range f.moves {
		out = append(out, fmt.Sprintf("%s %s %s (%s)", m.Health.Address, m.To, m.Health.Status, m.Health.CheckText()))
	}
	f.moves = nil
	slices.Sort(out) // those of one tick come in any order
	return strings.Join(out, ", ")
}

func (f *fixture) wantsMoves(want string) {
	f.t.Helper()
	f.sample()
	if got := f.told(); got != want {
		f.t.Errorf("moves %q, want %q", got, want)
	}
}

// What HAProxy decides about a member is told once, with its check.
func TestMovesOfMembers(t *testing.T) {
	w, _, _, s1, s2 := shop(t)
	s2.status, s2.change = "DOWN", 3600 // since before
	w.wantsMoves("")
	w.set(func() { s1.status = "UP 1/3" })
	w.wantsMoves("")
	w.set(func() { s1.status, s1.check, s1.last, s1.change = "DOWN", "L4CON", "Connection refused", 0 })
	w.wantsMoves("10.0.0.1:80 down DOWN (L4CON (connection failed): Connection refused)")
	w.set(func() { s1.status, s1.check = "DOWN 1/2", "* L4CON" })
	w.wantsMoves("")
	w.set(func() { s1.status, s1.check, s1.last = "MAINT", "", "" }) // by the agent, or an operator
	w.wantsMoves("")
	w.set(func() { s1.status, s2.status = "UP", "UP" })
	w.wantsMoves("10.0.0.1:80 up UP (), 10.0.0.2:80 up UP ()")
	w.set(func() { s1.status = "DRAIN" })
	w.wantsMoves("10.0.0.1:80 drain DRAIN ()")
	w.set(func() { s1.status = "no check" })
	w.wantsMoves("10.0.0.1:80 up no check ()")
}

// A new member that HAProxy finds down has moved; one that is up has not.
func TestNewMemberThatIsDownHasMoved(t *testing.T) {
	w, _, _, s1, _ := shop(t)
	w.wantsMoves("")
	w.set(func() { s1.address, s1.status, s1.change = "10.0.0.3:80", "DOWN", 0 })
	w.config.Backends = []lb.ResolvedBackend{pool("10.0.0.3:80 1.1.0", "10.0.0.2:80 1.0.0", "", "")}
	w.wantsMoves("10.0.0.3:80 down DOWN ()")
	w.config.Backends = []lb.ResolvedBackend{pool("", "10.0.0.2:80 1.0.0", "", "")}
	w.wantsMoves("") // nobody's
}

// A member that goes up and down all the time does not fill the log.
func TestFlappingIsBounded(t *testing.T) {
	w, _, _, s1, _ := shop(t)
	w.sample()
	for n := range 100 {
		w.set(func() { s1.status, s1.change = [...]string{"DOWN", "UP"}[n%2], 0 })
		w.sample()
	}
	if len(w.moves) != 10 || w.moves[9].To != stats.HealthUp {
		t.Errorf("%d moves: %+v", len(w.moves), w.moves)
	}
}
