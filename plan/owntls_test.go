package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/plan"
)

// speakingPool is a backend with a member for each word: "1" says nothing about TLS, "1!" speaks
// none, "1=x" is called x.
func speakingPool(text string) lb.ResolvedBackend {
	p := poolOf("")
	for word := range strings.FieldsSeq(text) {
		m := lb.Member{Weight: 1}
		host, name, _ := strings.Cut(word, "=")
		host, m.TLS.Off = strings.CutSuffix(host, "!")
		m.Address, m.TLS.ServerName = at(host), name
		p.Members = append(p.Members, m)
	}
	return p
}

// linesText are the names of the slots, each with its member.
func linesText(p lb.ResolvedBackend) string {
	var out []string
	for _, s := range p.Servers() {
		text := s.Name
		if !s.Spare {
			text += ":" + strings.TrimSuffix(strings.TrimPrefix(s.Address.String(), "10.0.0."), ":80")
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// TestMembersThatSpeakOfTLS: what a line says about TLS never changes, and members only get a
// line that says what they do.
func TestMembersThatSpeakOfTLS(t *testing.T) {
	t.Parallel()
	var now []lb.Slot
	for _, step := range []struct{ members, want string }{
		{"1! 2=x", "s1 s2 s3 s4-notls:1 s5-tls-x:2"},
		{"1! 2=x 3", "s1:3 s2 s3 s4-notls:1 s5-tls-x:2"},
		{"1 2=x 3", "s1:3 s2:1 s3 s4-notls s5-tls-x:2"},
		{"2=y 3", "s1:3 s2 s3 s4-notls s5-tls-x s6-tls-y:2"},
		{"2=x 3! 4=y", "s1 s2 s3 s4-notls:3 s5-tls-x:2 s6-tls-y s7-tls-y:4"}, // s6 may have requests of 2
		{"4=y 2=x", "s1 s2 s3 s4-notls s5-tls-x:2 s6-tls-y s7-tls-y:4"},
		{"4=y 2=y", "s1 s2 s3 s4-notls s5-tls-x s6-tls-y:2 s7-tls-y:4"},
	} {
		p := speakingPool(step.members)
		before := p
		before.Slots = now
		for _, s := range now {
			if s.Member != nil {
				before.Members = append(before.Members, *s.Member)
			}
		}
		p = plan.LayoutBackend(now, p)
		if got := linesText(p); got != step.want {
			t.Fatalf("%s: got %s, want %s", step.members, got, step.want)
		}
		if now != nil {
			running, wanted := lb.Config{Backends: []lb.ResolvedBackend{before}}, lb.Config{Backends: []lb.ResolvedBackend{p}}
			if c := plan.Compute(&running, wanted); len(c.Reload) > 0 || c.Servers == 0 {
				t.Errorf("%s: got %+v", step.members, c)
			}
		}
		now = p.Slots
	}
}

// TestLinesOfGoneServerNames: names that come and go do not leave lines without end, and what an
// agent finds that starts anew has the lines of before.
func TestLinesOfGoneServerNames(t *testing.T) {
	t.Parallel()
	var now []lb.Slot
	most := 0
	for i := range 1000 {
		p := plan.LayoutBackend(now, speakingPool(fmt.Sprintf("1 2=n%d.example", i)))
		most, now = max(most, len(p.Slots)), p.Slots
		if got := linesText(p); !strings.Contains(got, fmt.Sprintf("-tls-n%d.example:2", i)) || !strings.HasPrefix(got, "s1:1 ") {
			t.Fatalf("got %s", got)
		}
	}
	if most > 150 {
		t.Errorf("got %d lines for two members", most)
	}
	var states []lb.ServerState
	for _, s := range (lb.ResolvedBackend{Backend: lb.Backend{Key: "live"}, Slots: now}).Servers() {
		states = append(states, lb.ServerState{Backend: "live", Server: s.Name, Address: s.Address, Weight: s.Weight, Maintenance: s.Spare})
	}
	found := plan.SlotsIn(states)["live"]
	if !slices.EqualFunc(found, now, func(a, b lb.Slot) bool { return a.TLS == b.TLS && (a.Member == nil) == (b.Member == nil) }) {
		t.Errorf("got %v, want %v", found, now)
	}
}

// TestLinesOfGoneMembersInAFix: where a backend has to do with the lines that it has, none is
// dropped; where HAProxy cannot have more, those of members that are gone go first.
func TestLinesOfGoneMembersInAFix(t *testing.T) {
	t.Parallel()
	names := func(from, count int) string {
		var b strings.Builder
		for i := range count {
			fmt.Fprintf(&b, " 10.%d.0.%d:80=n%d.example", from, i, from*1000+i)
		}
		return b.String()
	}
	before := plan.LayoutBackend(nil, speakingPool(names(1, 130)))
	if shared := len(before.Slots) - 130; shared != 3 {
		t.Errorf("%d lines that no member can use", shared)
	}
	left := plan.Fit(before.Slots, speakingPool(names(1, 1)))
	if len(left.Slots) != len(before.Slots) {
		t.Errorf("%d lines became %d", len(before.Slots), len(left.Slots))
	}
	again := plan.Fit(left.Slots, speakingPool(names(1, 130)))
	running, wanted := lb.Config{Backends: []lb.ResolvedBackend{left}}, lb.Config{Backends: []lb.ResolvedBackend{again}}
	if c := plan.Compute(&running, wanted); len(c.Reload) > 0 || c.Servers != 129 {
		t.Errorf("got %+v", c)
	}
	now := plan.LayoutBackend(nil, speakingPool(names(1, 100))).Slots
	if got := plan.DropSparesOf(now, speakingPool(names(2, 100))).Slots; len(got) != len(now) {
		t.Errorf("%d lines became %d", len(now), len(got))
	}
}
