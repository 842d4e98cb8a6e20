package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/figures"
)

// A soak is a node that random actions are done to while clients ask it.
type soak struct {
	*testing.T

	n    *node
	f    *fleet
	rand *rand.Rand
	load *testkit.Load

	version string // that the backend points at
	sick    map[string]bool
	ports   []int        // of further frontends
	further map[int]bool // those that exist, by index of their port
	actions map[string]int
	recent  []string
	outages []outage
	// outdated is the file of the time when all was settled last.
	outdated string
}

// An outage is the time from the kill of HAProxy's worker until HAProxy answers
// again and then, perhaps first with the members of a moment before, has all that
// was asked for. Nothing can save the connections that were open in it.
type outage struct{ from, answered, over time.Time }

// took reports whether the outage took the request along.
func (o outage) took(f testkit.Failure) bool {
	return f.Ended.After(o.from) && (o.over.IsZero() || f.Opened.Before(o.over))
}

// TestSoak does everything that happens to a node in its life to it, at random and
// fast: half of the time all of it, then all but what ends the agent or HAProxy's
// processes, to see whether they grow. No request fails but those that a killed
// worker takes along. THALASSA_SOAK is its duration, THALASSA_SOAK_SEED makes the
// same choices again; the long form is `make soak`.
func TestSoak(t *testing.T) {
	duration, seed := lasting(t, "THALASSA_SOAK", 16*time.Second)
	begin := time.Now()
	s := newSoak(t, seed, duration)
	figures.Append(t, "soak", begin, seed, s.figures)
	all := slices.Concat(gentle(), violent())
	for time.Since(begin) < duration/2 || s.actions["kill HAProxy's worker"] == 0 || s.actions["kill the agent"] == 0 {
		s.some(all)
		s.settled()
	}
	before := s.goroutines()
	gauges := []gauge{s.n.measure()}
	for time.Since(begin) < duration || len(gauges) < 6 {
		s.some(gentle())
		s.settled()
		if gauges = append(gauges, s.n.measure()); len(gauges)%10 == 0 {
			t.Logf("%s: %d requests; %v", time.Since(begin).Round(time.Second), s.load.Result().Requests, gauges[len(gauges)-1])
		}
	}
	s.conclude(gauges, before)
}

// lasting returns how long a test of random actions takes, and the seed of its choices:
// from the environment variables NAME and NAME_SEED, or short and at random.
func lasting(t *testing.T, name string, short time.Duration) (duration time.Duration, seed uint64) {
	t.Helper()
	duration, seed = short, rand.Uint64()
	if text := os.Getenv(name); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	seed = seedOf(t, name, seed)
	t.Logf("%s=%s %s_SEED=%d", name, duration, name, seed)
	return duration, seed
}

// seedOf is the seed in the environment variable NAME_SEED, or the given one.
func seedOf(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name + "_SEED")
	if text == "" {
		return otherwise
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s_SEED: %v", name, err)
	}
	return seed
}

// times is the number in an environment variable. Without it the test is skipped, which a target of
// make runs.
func times(t *testing.T, name, target string) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		t.Skip("make " + target + " runs it")
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, expected a number above 0", name, text)
	}
	return n
}

func newSoak(t *testing.T, seed uint64, duration time.Duration) *soak {
	t.Helper()
	consul := testkit.DurableConsul(t)
	s := &soak{
		T: t, f: newFleet(t, consul), n: newNode(t, consul.Address(), "--haproxy-hard-stop-after", "20s", "--hold-time", "5s"),
		rand: rand.New(rand.NewPCG(seed, 0)), version: "1", //nolint:gosec // to be repeated, not secret
		sick: map[string]bool{}, ports: testkit.Ports(t, 4), further: map[int]bool{}, actions: map[string]int{},
	}
	t.Cleanup(s.tell)
	s.n.start()
	for _, name := range []string{"1-a", "1-b", "1-c", "2-a", "2-b", "3-a"} {
		s.come(1, name)
	}
	s.n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1"}`)
	s.n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":%q,"backend":"live"}`, s.n.address()))
	s.settled()
	s.load = testkit.StartLoad(t, testkit.LoadConfig{
		Address: s.n.address(), KeepAlive: 8, Fresh: 8, Pause: 20 * time.Millisecond, For: 2*duration + 10*time.Minute,
	})
	return s
}

// tell explains a failure.
func (s *soak) tell() {
	if !s.Failed() {
		return
	}
	s.Logf("after %v; addresses %v", s.recent, s.f.address)
	s.Logf("backend live points at %s; Consul says %v, expected %v", s.version, s.registered(), s.wanted())
	for _, path := range []string{"/services", "/status"} {
		_, answer := s.n.try(http.MethodGet, path, "")
		s.Logf("the agent says %s", answer)
	}
	_ = s.n.agent.Process.Signal(syscall.SIGQUIT) // its log tells what each goroutine does
}

// some does a few actions in a row, without a look in between.
func (s *soak) some(actions []action) {
	s.Helper()
	weights := 0
	for _, d := range actions {
		weights += d.weight
	}
	for range 1 + s.rand.IntN(8) {
		at := s.rand.IntN(weights)
		for _, d := range actions {
			if at -= d.weight; at < 0 {
				s.actions[d.name]++
				s.recent = append(s.recent, d.name)
				d.do(s)
				break
			}
		}
	}
}

// settled waits until HAProxy runs what was asked for, and sees to it that no
// request failed so far.
func (s *soak) settled() {
	s.Helper()
	s.n.settles(s.f, s.healthy(s.version)...)
	for i := range s.outages {
		if s.outages[i].over.IsZero() {
			s.outages[i].over = time.Now()
		}
	}
	s.outdated = s.n.config()
	if s.load == nil {
		return
	}
	if lost := s.lost(); len(lost) > 0 {
		s.Fatalf("%d of %d requests failed after %v, the first: %+v", len(lost), s.load.Result().Requests, s.recent, lost[0])
	}
	s.recent = nil
}

// lost are the failed requests that no killed worker took along.
func (s *soak) lost() []testkit.Failure {
	return slices.DeleteFunc(s.load.Result().Failures, func(f testkit.Failure) bool {
		return slices.ContainsFunc(s.outages, func(o outage) bool { return o.took(f) })
	})
}

// healthy are the instances of a version that may get requests.
func (s *soak) healthy(version string) []string {
	return slices.DeleteFunc(s.f.names(version), func(name string) bool { return s.sick[name] })
}

// goroutines counts the agent's by having it tell them with its last words, and
// starts it again.
func (s *soak) goroutines() int {
	s.Helper()
	told := len(s.n.log.String())
	s.n.signal(syscall.SIGQUIT)
	count := strings.Count(s.n.log.String()[told:], "\ngoroutine ")
	if count == 0 {
		s.Fatalf("the agent does not tell of its goroutines: %s", s.n.log.String()[told:])
	}
	s.n.start()
	s.settled()
	return count
}

// figures are what the page about reliability shows of a soak.
func (s *soak) figures() map[string]int {
	changes, kills := 0, 0
	for name, n := range s.actions {
		if strings.HasPrefix(name, "kill ") {
			kills += n
		}
		changes += n
	}
	r := s.load.Result()
	return map[string]int{"requests": r.Requests, "failed beside a kill of HAProxy's worker": r.Failed, "actions": changes, "kills": kills}
}

// conclude says what was done and seen, and finds growth.
func (s *soak) conclude(gauges []gauge, before int) {
	s.Helper()
	after := s.goroutines()
	r := s.load.Stop()
	for _, name := range slices.Sorted(maps.Keys(s.actions)) {
		s.Logf("%6d × %s", s.actions[name], name)
	}
	late := 0
	for _, o := range s.outages {
		for _, f := range r.Failures {
			if o.took(f) && f.Opened.After(o.answered) {
				late++
			}
		}
	}
	s.Logf("%d requests, %d failed by %d kills of HAProxy's worker, %d of them after its first answer", r.Requests, r.Failed, len(s.outages), late)
	s.Logf("first %v", gauges[0])
	s.Logf("last  %v", gauges[len(gauges)-1])
	s.Logf("%d goroutines of the agent, %d at the end", before, after)
	if err := growth(gauges); err != nil {
		s.Errorf("in %d measurements: %v", len(gauges), err)
	}
	if after > before+8 {
		s.Errorf("%d goroutines became %d", before, after)
	}
	if lost := s.lost(); len(lost) > 0 || r.Failed > len(r.Failures) {
		s.Errorf("%d of %d failed requests fell into no outage: %v", len(lost), r.Failed, lost)
	}
}
