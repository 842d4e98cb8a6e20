package discovery

import (
	"testing"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

var testPolicy = policy{share: 0.5, least: 2, time: 5 * time.Minute, look: time.Second}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	before := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := before.Add(time.Minute)
	one := []lb.Instance{{ID: "a", Node: "n", Status: "passing"}}
	other := []lb.Instance{{ID: "a", Node: "n", Status: "critical"}}
	two := []lb.Instance{{ID: "a", Node: "n", Status: "passing"}, {ID: "b", Node: "n", Status: "passing"}}
	known := lb.Service{Name: "web", Index: 5, Seen: before, Instances: one}
	stale := known
	stale.Stale = "asking consul: connection refused"
	good := func(asked, index uint64, i []lb.Instance) answer {
		return answer{Meta: consul.Meta{Index: index, Leader: true}, asked: asked, at: now, instances: i}
	}
	with := func(a answer, change func(*answer)) answer {
		change(&a)
		return a
	}
	streamed := func(a *answer) { a.Streamed = true }
	for name, test := range map[string]struct {
		previous lb.Service
		answer   answer
		want     lb.Service // only what is compared below
		verdict  verdict
	}{
		"the first answer":   {lb.Service{Name: "web"}, good(0, 7, one), lb.Service{Index: 7, Seen: now, Instances: one}, verdict{changed: true}},
		"the first, empty":   {lb.Service{Name: "web"}, good(0, 7, nil), lb.Service{Index: 7, Seen: now}, verdict{changed: true}},
		"a change":           {known, good(5, 6, other), lb.Service{Index: 6, Seen: now, Instances: other}, verdict{changed: true}},
		"no change":          {known, good(5, 6, one), lb.Service{Index: 6, Seen: now, Instances: one}, verdict{}},
		"the same index":     {known, good(5, 5, one), lb.Service{Index: 5, Seen: now, Instances: one}, verdict{}},
		"confirmed again":    {stale, good(0, 5, one), lb.Service{Index: 5, Seen: now, Instances: one}, verdict{}},
		"no index":           {known, good(0, 0, one), lb.Service{Index: 1, Seen: now, Instances: one}, verdict{}},
		"all gone":           {known, good(5, 6, nil), lb.Service{Index: 6, Seen: now}, verdict{changed: true}},
		"index backwards":    {known, good(5, 4, nil), known, verdict{restart: true}},
		"lower, not blocked": {known, good(0, 4, other), lb.Service{Index: 4, Seen: now, Instances: other}, verdict{changed: true}},
		"streamed, more":     {known, with(good(5, 6, two), streamed), lb.Service{Index: 6, Seen: now, Instances: two}, verdict{changed: true}},
		"streamed, other":    {known, with(good(5, 6, other), streamed), lb.Service{Index: 6, Seen: now, Instances: other}, verdict{changed: true}},
		"streamed, less":     {known, with(good(5, 6, nil), streamed), known, verdict{verify: true}},
		"filtered": {
			known, with(good(0, 6, nil), func(a *answer) { a.Filtered = true }),
			lb.Service{Index: 5, Seen: before, Instances: one, Stale: "consul filtered the answer: the token may not read all of it"},
			verdict{refused: "consul filtered the answer: the token may not read all of it"},
		},
		"leaderless": {
			known, with(good(0, 6, nil), func(a *answer) { a.Leader = false }),
			lb.Service{Index: 5, Seen: before, Instances: one, Stale: "consul has no leader"},
			verdict{refused: "consul has no leader"},
		},
	} {
		got, v := evaluate(test.previous, test.answer, testPolicy, evidence{})
		if v != test.verdict {
			t.Errorf("%s: verdict %+v, want %+v", name, v, test.verdict)
		}
		if got.Name != "web" || got.Index != test.want.Index || !got.Seen.Equal(test.want.Seen) || got.Stale != test.want.Stale || !sameInstances(got.Instances, test.want.Instances) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	if len(known.Instances) != 1 || known.Index != 5 {
		t.Error("the previous service was changed")
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		failures int
		want     time.Duration
	}{
		{1, 250 * time.Millisecond},
		{2, 500 * time.Millisecond},
		{5, 4 * time.Second},
		{8, 32 * time.Second},
		{9, time.Minute},
		{10, time.Minute},
		{1 << 40, time.Minute},
	} {
		if got := backoff(test.failures, 0); got != test.want/2 {
			t.Errorf("after %d failures %v at least, want %v", test.failures, got, test.want/2)
		}
		if got := backoff(test.failures, 0.999); got > test.want || got < test.want*9/10 {
			t.Errorf("after %d failures %v at most, want nearly %v", test.failures, got, test.want)
		}
	}
}
