package discovery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
)

var testTime = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// known returns services that Consul has answered for, which changed one second
// after each other.
func known(names string) []*service {
	var out []*service
	for i, n := range strings.Fields(names) {
		out = append(out, &service{
			name: lb.Name(n), known: true, query: query{index: 5}, changedAt: testTime.Add(time.Duration(i) * time.Second),
			refreshDue: testTime.Add(time.Hour),
		})
	}
	return out
}

// scheduleOf returns a schedule of these services with two watch slots.
func scheduleOf(services []*service) *schedule {
	s := &schedule{services: map[lb.Name]*service{}, byName: services, maxWatched: 2, random: func() float64 { return 0 }, policy: testPolicy}
	for _, svc := range services {
		s.services[svc.name] = svc
	}
	return s
}

// describe lists what a decision starts, and what it cancels after a bar.
func describe(s *schedule, d decision) string {
	names := map[*query]string{&s.probe: "probe", &s.catalog.checks: "checks", &s.catalog.critical: "critical", &s.catalog.tags: "tags"}
	for _, svc := range s.byName {
		names[&svc.query] = string(svc.name)
	}
	var words []string
	for _, t := range d.start {
		words = append(words, names[t.query]+map[bool]string{true: "?", false: ""}[t.index > 0])
	}
	for _, q := range d.cancel {
		words = append(words, "| "+names[q])
	}
	return strings.Join(words, " ")
}

// A question mark stands for a blocking query.
func TestDecide(t *testing.T) {
	t.Parallel()
	now := testTime.Add(time.Minute)
	watched := func(s *schedule, names ...lb.Name) {
		for _, n := range names {
			s.services[n].busy, s.services[n].blocking = true, true
			s.watching++
		}
	}
	for name, c := range map[string]struct {
		services string
		change   func(*schedule)
		want     string
	}{
		"few services have blocking queries": {"a b", func(*schedule) {}, "b? a?"},
		"a new service is urgent":            {"a b", func(s *schedule) { s.services["b"].index = 0 }, "b a?"},
		"an outdated service is urgent":      {"a b", func(s *schedule) { s.services["a"].outdated = true }, "a b?"},
		"a query that must pause":            {"a b", func(s *schedule) { s.services["a"].due = now.Add(1) }, "b?"},
		"the recent ones of many":            {"a b c", func(*schedule) {}, "critical tags checks c? b?"},
		"among equals, the recent one": {"a b c", func(s *schedule) {
			for _, svc := range s.byName {
				svc.changedAt = testTime
			}
			s.services["c"].recent = true
		}, "critical tags checks c? a?"},
		"preemption":      {"a b c", func(s *schedule) { watched(s, "a", "b") }, "critical tags checks | a"},
		"no preemption":   {"a b c", func(s *schedule) { watched(s, "b", "c") }, "critical tags checks"},
		"one at a time":   {"a b c d", func(s *schedule) { watched(s, "a", "b"); s.services["a"].preempted = true }, "critical tags checks"},
		"not too often":   {"a b c", func(s *schedule) { watched(s, "a", "b"); s.nextPreempted = now.Add(1) }, "critical tags checks"},
		"a refresh":       {"a b c", func(s *schedule) { watched(s, "b", "c"); s.services["a"].refreshDue = now }, "critical tags checks a"},
		"a new epoch":     {"a b c", func(s *schedule) { watched(s, "b", "c"); s.catalog.epoch++ }, "critical tags checks a"},
		"not needed":      {"a b", func(s *schedule) { s.catalog.tags.busy = true }, "b? a? | tags"},
		"held instances":  {"a b", func(s *schedule) { s.held = 1 }, "probe b? a?"},
		"an outage":       {"a b", func(s *schedule) { s.outage.noted = true }, "probe b? a?"},
		"no slots at all": {"a b c", func(s *schedule) { watched(s, "b", "c"); s.fetching = fetchConns; s.services["a"].outdated = true }, "critical tags checks"},
	} {
		s := scheduleOf(known(c.services))
		c.change(s)
		before := stateOf(s)
		if got := describe(s, decide(s, now)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if after := stateOf(s); after != before {
			t.Errorf("%s: deciding changed the state\n%s\n%s", name, before, after)
		}
	}
}

// stateOf prints the state that a decision depends on.
func stateOf(s *schedule) string {
	var b strings.Builder
	fmt.Fprintln(&b, s.watching, s.fetching, s.nextRefresh, s.nextPreempted, s.catalog, s.probe)
	for _, svc := range s.byName {
		fmt.Fprintf(&b, "%+v\n", *svc)
	}
	return b.String()
}

// A decision with a thousand services, when one of them has changed.
func BenchmarkAssign(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("s%04d", i)
	}
	s := scheduleOf(known(strings.Join(names, " ")))
	s.maxWatched = 23
	now := testTime.Add(time.Hour)
	for range 3 {
		now = now.Add(time.Second)
		s.assign(now)
	}
	svc := s.byName[500]
	for b.Loop() {
		now = now.Add(time.Microsecond)
		svc.outdated, svc.busy, s.fetching = true, false, 0
		s.assign(now)
	}
}
