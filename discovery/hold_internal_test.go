package discovery

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"thalassa/consul"
	"thalassa/lb"
)

// members makes healthy instances of these ids, which are letters: a has the port
// 1000, and a2 as well.
func members(ids string) []lb.Instance {
	var out []lb.Instance
	for id := range strings.FieldsSeq(ids) {
		out = append(out, lb.Instance{
			ID: id, Node: "n-" + id, Address: lb.HostPort{Host: "10.0.0.1", Port: 1000 + uint16(id[0]-'a')}, Status: consul.Passing, Healthy: true,
		})
	}
	return out
}

// ids of the instances of a service, in order; those held in brackets.
func ids(s lb.Service) string {
	var out []string
	for _, i := range s.Instances {
		if i.Held {
			i.ID = "[" + i.ID + "]"
		}
		out = append(out, i.ID)
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(strings.Trim(a, "[]"), strings.Trim(b, "[]")) })
	return strings.Join(out, " ")
}

// A step is an answer and what is known after it.
type step struct {
	at       time.Duration
	answer   string // ids; with "silent" nodes after a bar
	evidence evidence
	want     string
	doubt    lb.Doubt
	released string
	index    uint64 // 0: higher than before
}

func TestHold(t *testing.T) {
	t.Parallel()
	const all = "a b c d e f"
	const held = "[a] [b] [c] [d] [e] [f]"
	sane, away := evidence{readable: true}, evidence{restarted: true, readable: true}
	for name, steps := range map[string][]step{
		"one goes": {{answer: "a b c d e", want: "a b c d e"}},
		"an address is another's": {
			{answer: "a2", want: "a2 [b] [c] [d] [e] [f]"},
			{at: time.Second / 2, answer: "a2 b2", want: "a2 b2 [c] [d] [e] [f]"},
		},
		"half of them go":       {{answer: "a b c", want: "a b c"}},
		"most go, and come":     {{answer: "a", want: "a [b] [c] [d] [e] [f]"}, {at: time.Second / 2, answer: all, want: all, released: "the instances are back"}},
		"most go for good":      {{answer: "a", want: "a [b] [c] [d] [e] [f]"}, {at: time.Second, answer: "a", want: "a", released: "a second answer confirmed it"}},
		"the look comes early":  {{answer: "a", want: "a [b] [c] [d] [e] [f]"}, {at: time.Second - 1, answer: "a", want: "a [b] [c] [d] [e] [f]"}},
		"all replaced by more":  {{answer: "u v w x y z", want: "u v w x y z"}},
		"most replaced":         {{answer: "a u v w", want: "a u v w"}},
		"all go for good":       {{answer: "", evidence: sane, want: held}, {at: time.Second, answer: "", evidence: sane, want: "", released: "a second answer confirmed it"}},
		"the right to read":     {{answer: "", want: held, doubt: lb.DoubtBlind}, {at: time.Hour, answer: "", want: held, doubt: lb.DoubtBlind}, {at: 2 * time.Hour, answer: all, want: all, released: "the instances are back"}},
		"the right comes back":  {{answer: "", want: held, doubt: lb.DoubtBlind}, {at: time.Hour, answer: "", evidence: sane, want: "", released: "a second answer confirmed it"}},
		"a restart":             {{answer: "", evidence: away, want: held, doubt: lb.DoubtRestart}, {at: time.Minute, answer: "b", evidence: away, want: "[a] b [c] [d] [e] [f]", doubt: lb.DoubtRestart}, {at: 2 * time.Minute, answer: all, want: all, released: "the instances are back"}},
		"a restart, all new":    {{answer: "", evidence: away, want: held, doubt: lb.DoubtRestart}, {at: 5 * time.Minute, answer: "", evidence: sane, want: "", released: "nothing changed for 5m0s"}},
		"a restart sticks":      {{answer: "", evidence: away, want: held, doubt: lb.DoubtRestart}, {at: 4 * time.Minute, answer: "", evidence: sane, want: held, doubt: lb.DoubtRestart}},
		"restarted and blind":   {{answer: "", evidence: evidence{restarted: true}, want: held, doubt: lb.DoubtRestart}, {at: time.Hour, answer: "", want: held, doubt: lb.DoubtRestart}},
		"an older state":        {{answer: "a", index: 3, want: "a [b] [c] [d] [e] [f]", doubt: lb.DoubtRestart}},
		"more go while held":    {{answer: "a b", want: "a b [c] [d] [e] [f]"}, {at: time.Second / 2, answer: "a", want: "a [b] [c] [d] [e] [f]"}},
		"some come back":        {{answer: "", evidence: away, want: held, doubt: lb.DoubtRestart}, {at: 1, answer: "a b c d e", evidence: away, want: "a b c d e [f]", doubt: lb.DoubtRestart}},
		"others come meanwhile": {{answer: "z", want: "[a] [b] [c] [d] [e] [f] z"}},
		"nodes fall silent": {
			{answer: "a b | c d e f", evidence: sane, want: "a b [c] [d] [e] [f]", doubt: lb.DoubtSilent},
			{at: time.Hour, answer: "a b | c d e f", evidence: sane, want: "a b [c] [d] [e] [f]", doubt: lb.DoubtSilent},
			{at: 2 * time.Hour, answer: all, want: all, released: "the instances are back"},
		},
		"one node falls silent": {{answer: "a b c d e | f", want: "a b c d e f"}},
		"one by one":            {{answer: "a", evidence: evidence{base: 12}, want: "a [b] [c] [d] [e] [f]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			s := lb.Service{Name: "web", Index: 5, Seen: start, Instances: members(all)}
			for n, step := range steps {
				s = step.take(t, n, s, start)
			}
		})
	}
}

func (st step) take(t *testing.T, n int, s lb.Service, start time.Time) lb.Service {
	t.Helper()
	present, quiet, _ := strings.Cut(st.answer, "|")
	a := answer{Meta: consul.Meta{Index: s.Index + 1, Leader: true}, at: start.Add(st.at), instances: members(present)}
	if st.index > 0 {
		a.Index = st.index
	}
	for _, i := range members(quiet) {
		i.Status, i.Healthy = consul.Critical, false
		a.instances = append(a.instances, i)
		if a.silent == nil {
			a.silent = map[identity]bool{}
		}
		a.silent[identityOf(i)] = true
	}
	e := st.evidence
	e.base = max(e.base, 6)
	before := s
	s, v := evaluate(s, a, testPolicy, e)
	if got := ids(s); got != st.want {
		t.Fatalf("step %d: %q, want %q", n, got, st.want)
	}
	if changed := ids(s) != ids(before); changed && !v.changed {
		t.Errorf("step %d: changed without telling", n)
	}
	if isHeld := strings.Contains(st.want, "["); (s.Hold != nil) != isHeld {
		t.Fatalf("step %d: hold %+v", n, s.Hold)
	}
	if h := s.Hold; h != nil && (h.Doubt != st.doubt || h.Lost != strings.Count(st.want, "[") || !h.Since.Equal(start) ||
		h.Until.IsZero() != (h.Doubt == lb.DoubtBlind || h.Doubt == lb.DoubtSilent)) {
		t.Errorf("step %d: hold %+v, want doubt %q", n, *h, st.doubt)
	}
	if s.Released != st.released {
		t.Errorf("step %d: released %q, want %q", n, s.Released, st.released)
	}
	return s
}

func TestHoldingCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	p := testPolicy
	p.share = 1
	before := lb.Service{Name: "web", Index: 5, Seen: time.Now(), Instances: members("a b c")}
	got, _ := evaluate(before, answer{Meta: consul.Meta{Index: 6, Leader: true}, at: time.Now()}, p, evidence{base: 3})
	if len(got.Instances) != 0 || got.Hold != nil {
		t.Errorf("%+v, want nothing held", got)
	}
}

// The members of an earlier run are not given up for the first answer of this
// one, which may be that of a Consul which has just started, too.
func TestHoldAfterAStart(t *testing.T) {
	t.Parallel()
	before := lb.Service{Name: "web", Index: 5, Seen: time.Now().Add(-time.Hour), Stale: Unconfirmed, Instances: members("a b c")}
	got, _ := evaluate(before, answer{Meta: consul.Meta{Index: 6, Leader: true}, at: time.Now()}, testPolicy, evidence{base: 3, readable: true})
	if ids(got) != "[a] [b] [c]" || got.Hold.Doubt != lb.DoubtRestart || got.Stale != "" {
		t.Errorf("%+v, want all held", got)
	}
}

func TestSilent(t *testing.T) {
	t.Parallel()
	entry := func(id string, checks ...consul.Check) *consul.Entry {
		return &consul.Entry{Node: &consul.Node{Node: "n"}, Service: &consul.Service{ID: id}, Checks: reports(checks...)}
	}
	gossip := func(status string) consul.Check { return consul.Check{CheckID: serfHealth, Status: status} }
	own := func(status string) consul.Check {
		return consul.Check{CheckID: "c", ServiceID: "s", Status: status}
	}
	got := silent([]*consul.Entry{
		nil,
		{},
		entry("well", gossip("passing"), own("passing")), entry("silent", gossip("critical"), own("passing")), entry("bare", gossip("critical")),
		entry("ill", gossip("critical"), own("critical")), entry("warns", gossip("critical"), own("warning")), entry("ill alone", gossip("passing"), own("critical")),
		entry("maintained", gossip("critical"), consul.Check{CheckID: consul.NodeMaintenance, Status: "critical"}),
		entry("named alike", consul.Check{CheckID: serfHealth, ServiceID: "named alike", Status: "critical"}),
	}, false)
	if want := map[identity]bool{{"n", "silent"}: true, {"n", "bare"}: true}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// holding returns a schedule with a service that holds all its instances.
func holding(now time.Time) (*schedule, *service) {
	s := &schedule{services: map[lb.Name]*service{}, maxWatched: 5, random: func() float64 { return 0 }, policy: testPolicy}
	s.want([]lb.Name{"web"}, now)
	svc := s.services["web"]
	for _, i := range []string{"a b c", ""} {
		now = now.Add(time.Millisecond)
		s.assign(now)
		s.apply(result{task: task{slot: fetchSlot, query: &svc.query, service: svc}, meta: consul.Meta{Index: 7, Leader: true}, answer: answer{
			Meta: consul.Meta{Index: 7, Leader: true}, at: now, instances: members(i),
		}}, now)
		svc.due, svc.index = now, 0
	}
	return s, svc
}

// Held instances that HAProxy finds down for long enough, without interruption, are
// released one by one.
func TestScheduleReleasesWhatHAProxyFindsDown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, svc := holding(now)
	if ids(svc.current) != "[a] [b] [c]" {
		t.Fatalf("%s, want all held", ids(svc.current))
	}
	seconds := func(n float64) time.Time { return now.Add(time.Duration(n * float64(time.Second))) }
	down := func(ports ...uint16) map[lb.HostPort]bool {
		out := map[lb.HostPort]bool{}
		for _, p := range ports {
			out[lb.HostPort{Host: "10.0.0.1", Port: p}] = true
		}
		return out
	}
	for _, step := range []struct {
		at   float64
		down map[lb.HostPort]bool
		want string
	}{
		{1, down(1000, 1001), "[a] [b] [c]"},
		{2, down(1000, 1001, 4711), "[a] [b] [c]"},
		{3, down(1000), "[a] [b] [c]"},
		{4, down(1000, 1001), "[b] [c]"},
		{6.9, down(1001), "[b] [c]"},
		{7, down(1001, 1002), "[c]"},
		{9.9, down(1002), "[c]"},
		{10, down(1002), ""},
	} {
		s.changed = false
		before := ids(svc.current)
		s.observe(step.down, seconds(step.at))
		if got := ids(svc.current); got != step.want || s.changed != (got != before) {
			t.Errorf("after %v s: %q (told %t), want %q", step.at, got, s.changed, step.want)
		}
	}
	if svc.current.Hold != nil || !strings.Contains(svc.current.Released, "HAProxy") {
		t.Errorf("%+v, want it released", svc.current)
	}
}

func TestScheduleReleasesOnAccept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, svc := holding(now)
	s.accept("none", now)
	s.accept("web", now)
	if ids(svc.current) != "" || svc.current.Hold != nil || svc.current.Released != lb.Accepted || !s.changed || s.published {
		t.Errorf("%+v, want nothing held", svc.current)
	}
	s.changed = false
	s.accept("web", now)
	if s.changed {
		t.Error("accepted again, though nothing is held")
	}
}

// While instances are held, the probe is repeated; otherwise it is not sent.
func TestScheduleSendsTheProbe(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, svc := holding(now)
	asked := func(tasks []task) *task {
		i := slices.IndexFunc(tasks, func(t task) bool { return t.query == &s.probe })
		if i < 0 {
			return nil
		}
		return &tasks[i]
	}
	now = now.Add(10 * time.Millisecond)
	first := asked(s.assign(now).start)
	if first == nil {
		t.Fatal("not asked")
	}
	fetching := s.fetching
	s.apply(result{task: *first, meta: consul.Meta{Leader: true}, readable: true}, now)
	if s.fetching != fetching-1 || s.probe.busy || !s.readable.Equal(now) {
		t.Errorf("%d slots in use, readable at %v", s.fetching, s.readable)
	}
	if d := s.assign(now); asked(d.start) != nil || d.next.Sub(now) > testPolicy.look {
		t.Errorf("asked %v, again in %v", asked(d.start), d.next.Sub(now))
	}
	now = now.Add(testPolicy.look)
	if asked(s.assign(now).start) == nil {
		t.Error("not asked again")
	}
	s.apply(result{task: *first, err: consul.ErrNoLeader}, now)
	s.accept("web", now)
	if asked(s.assign(now.Add(time.Hour)).start) != nil || svc.current.Hold != nil {
		t.Error("asked though nothing is held")
	}
}

// gone applies answers with so many instances, at times from the first one.
func gone(t *testing.T, s *schedule, svc *service, counts map[time.Duration]int) {
	t.Helper()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, at := range slices.Sorted(maps.Keys(counts)) {
		now, meta := begin.Add(at), consul.Meta{Index: 7, Leader: true}
		all := members("a b c d e f g h i j")
		s.assign(now)
		s.apply(result{task: task{slot: fetchSlot, query: &svc.query, service: svc}, meta: meta, answer: answer{Meta: meta, at: now, instances: all[:counts[at]]}}, now)
		svc.due, svc.index = now, 0
	}
}

// What goes piece by piece within some seconds is lost at once, and what goes
// after that is not.
func TestLossesOfSomeSecondsAreOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		counts map[time.Duration]int
		held   int
	}{
		"after a quiet hour":  {map[time.Duration]int{0: 10, time.Hour: 6, time.Hour + 5*time.Second: 4}, 2},
		"too slowly":          {map[time.Duration]int{0: 10, time.Hour: 6, time.Hour + lossWindow: 4}, 0},
		"an hour in between":  {map[time.Duration]int{0: 10, time.Second: 8, time.Hour: 4}, 0},
		"from the smaller on": {map[time.Duration]int{0: 10, time.Second: 8, time.Hour: 3}, 5},
		"grown in between":    {map[time.Duration]int{0: 4, time.Hour: 10, time.Hour + time.Second: 5, time.Hour + 2*time.Second: 4}, 1},
	} {
		s := &schedule{services: map[lb.Name]*service{}, maxWatched: 5, random: func() float64 { return 0 }, policy: testPolicy}
		s.want([]lb.Name{"web"}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		svc := s.services["web"]
		gone(t, s, svc, c.counts)
		if got := strings.Count(ids(svc.current), "["); got != c.held {
			t.Errorf("%s: %d are held, want %d: %s", name, got, c.held, ids(svc.current))
		}
	}
}

// What an earlier run knew is of use for the start alone.
func TestScheduleForgetsWhatAnEarlierRunKnew(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	old := func(name lb.Name) lb.Service {
		return lb.Service{Name: name, Stale: Unconfirmed, Seen: now, Instances: members("a b c")}
	}
	s := &schedule{
		services: map[lb.Name]*service{}, maxWatched: 5, random: func() float64 { return 0 }, policy: testPolicy,
		initial: map[lb.Name]lb.Service{"web": old("web"), "soon": old("soon"), "late": old("late")},
	}
	s.want([]lb.Name{"web"}, now)
	s.want([]lb.Name{"web", "soon"}, now.Add(time.Second))
	s.want([]lb.Name{"web", "soon", "late"}, now.Add(24*time.Hour))
	if got := s.snapshot().Services; len(got) != 2 || got["late"].Instances != nil {
		t.Errorf("known are %v", got)
	}
}

// A service that Consul never answers for says nothing about the others for long.
func TestOneServiceWithoutAnAnswerIsNoOutageForEver(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for after, doubt := range map[time.Duration]lb.Doubt{time.Minute: lb.DoubtRestart, time.Hour: ""} {
		s := &schedule{services: map[lb.Name]*service{}, maxWatched: 5, random: func() float64 { return 0 }, policy: testPolicy}
		s.want([]lb.Name{"bad", "web"}, begin)
		s.assign(begin)
		bad, web := s.services["bad"], s.services["web"]
		answered := func(ids string, now time.Time) {
			m := consul.Meta{Index: 7, Leader: true}
			s.apply(result{task: task{slot: fetchSlot, query: &web.query, service: web}, meta: m, answer: answer{Meta: m, at: now, instances: members(ids)}}, now)
		}
		answered("a b c d e f", begin)
		for _, now := range []time.Time{begin, begin.Add(after)} {
			s.apply(result{task: task{slot: fetchSlot, query: &bad.query, service: bad}, err: api.StatusError{Code: 500}}, now)
		}
		answered("a", begin.Add(after))
		if h := web.current.Hold; h == nil || h.Doubt != doubt {
			t.Errorf("after %v: %+v, want the doubt %q", after, h, doubt)
		}
	}
}

// Nobody knows how long ago a hold of an earlier run began: the clock may have been set in
// between. So its time begins anew with the agent.
func TestHoldOfAnEarlierRunBeginsAnew(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	for name, since := range map[string]time.Time{"long ago": begun.Add(-24 * time.Hour), "later": begun.Add(24 * time.Hour)} {
		before := lb.Service{Name: "web", Index: 5, Seen: since, Stale: Unconfirmed, Instances: members("a b c"), Hold: &lb.Hold{Since: since, Lost: 3, Doubt: lb.DoubtRestart}}
		s := &schedule{
			services: map[lb.Name]*service{}, maxWatched: 5, random: func() float64 { return 0 }, policy: testPolicy,
			initial: map[lb.Name]lb.Service{"web": before},
		}
		s.want([]lb.Name{"web"}, begun)
		svc := s.services["web"]
		if svc.current.Hold.Since.After(begun) {
			t.Errorf("%s: held since %s, which is in the future", name, svc.current.Hold.Since)
		}
		at := func(after time.Duration) lb.Service {
			now := begun.Add(after)
			s.readable = now
			got, _ := evaluate(svc.current, answer{Meta: consul.Meta{Index: 6, Leader: true}, at: now}, testPolicy, s.evidence(svc, now))
			return got
		}
		if got := at(testPolicy.time - time.Second); ids(got) != "[a] [b] [c]" {
			t.Errorf("%s: within the time of this run %s are left, expected all", name, ids(got))
		}
		if got := at(testPolicy.time + time.Second); got.Hold != nil || len(got.Instances) > 0 {
			t.Errorf("%s: after the time of this run %s are held still", name, ids(got))
		}
	}
}
