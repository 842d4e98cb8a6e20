package canary_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"thalassa/api/node"
	"thalassa/canary"
	"thalassa/client"
	"thalassa/lb"
)

// A fixture is an agent, a HAProxy and the traffic through it, in memory. It is
// used in a synctest bubble by one goroutine.
type fixture struct {
	t *testing.T

	backend client.Backend // without members
	edits   int            // its entity tag

	healthy map[string]int      // instances of each version
	nature  map[string]behavior // of each version
	lines   map[string]*counter // by version: its instances share one
	traffic time.Time           // was worked off until then
	rate    int                 // requests a second

	asked    int                                // deploys
	onDeploy map[int]func(applied func()) error // instead of the n-th deploy; applied does it
	onRead   map[int]func() error               // before the n-th reading of counters
	reads    int
	away     time.Time // no answer until then
	appears  time.Time // when the first instance of version 2 is there
	pending  string    // why deploys do not take effect

	said     []string // the events
	onReport func(canary.Event) error
}

// behavior is how a version's members answer.
type behavior struct {
	bad    int // of 100 requests get a 503
	broken int // of 100 get no answer
	ms     float64
	status string // of HAProxy's check; UP
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{
		t: t, rate: 100, traffic: time.Now(),
		backend:  client.Backend{ID: "backend/live", Key: "live", Type: "dynamic", Name: "shop", Version: "1"},
		healthy:  map[string]int{"1": 3, "2": 3},
		nature:   map[string]behavior{"1": {ms: 5}, "2": {ms: 5}},
		lines:    map[string]*counter{},
		onDeploy: map[int]func(func()) error{}, onRead: map[int]func() error{},
	}
}

// change is a change of the definition.
func (w *fixture) change(f func(*client.Backend)) {
	w.work()
	f(&w.backend)
	w.edits++
}

func (w *fixture) current() client.Backend {
	b := w.backend
	b.ETag = strconv.Quote(strconv.Itoa(w.edits))
	b.Members = w.members()
	return b
}

// split is what the traffic goes to.
func (w *fixture) split() lb.Split {
	split := lb.Split(w.backend.Versions)
	if len(split) == 0 {
		split = lb.Split{{Version: lb.Version(w.backend.Version), Weight: 100}}
	}
	return slices.DeleteFunc(slices.Clone(split), func(s lb.Share) bool { return s.Weight == 0 || w.healthy[string(s.Version)] == 0 })
}

func (w *fixture) line(version string) *counter {
	if w.lines[version] == nil {
		w.lines[version] = &counter{ServerStats: node.ServerStats{Server: "s" + version}}
	}
	return w.lines[version]
}

// work sends the requests of the time that has passed.
func (w *fixture) work() {
	passed := time.Since(w.traffic)
	w.traffic = time.Now()
	total := 0
	for _, s := range w.split() {
		total += s.Weight
	}
	for _, s := range w.split() {
		n, c := w.nature[string(s.Version)], w.line(string(s.Version))
		requests := int(passed.Seconds()*float64(w.rate)) * s.Weight / total
		for i := range requests {
			switch {
			case i%100 < n.bad:
				c.respond(503, n.ms)
			case i%100 < n.bad+n.broken:
				c.Requests++
				c.ResponseErrors++
			default:
				c.respond(200, n.ms)
			}
		}
	}
}

func (w *fixture) members() []client.Member {
	var list []client.Member
	for _, s := range w.split() {
		for i := range w.healthy[string(s.Version)] {
			m := w.line(string(s.Version)).member(string(s.Version), fmt.Sprint(s.Version, "/", i))
			m.Stats.Status = "UP"
			if status := w.nature[m.Version].status; status != "" {
				m.Stats.Status = status
			}
			if i > 0 { // the first has it all
				m.Stats = &node.ServerStats{Server: fmt.Sprint("s", s.Version, i), Status: m.Stats.Status}
			}
			list = append(list, m)
		}
	}
	return list
}

func answer(status int, code, message string) error {
	return &client.Error{Status: status, Code: code, Message: message}
}

func (w *fixture) absent() error {
	if time.Now().Before(w.away) {
		return answer(http.StatusServiceUnavailable, "unavailable", "nobody answers")
	}
	if w.backend.ID == "" {
		return answer(http.StatusNotFound, "not_found", "backend/live does not exist")
	}
	return nil
}

// Backend reads the backend.
func (w *fixture) Backend(ctx context.Context, _ string) (client.Backend, error) {
	if ctx.Err() != nil {
		return client.Backend{}, ctx.Err()
	}
	if err := w.absent(); err != nil {
		return client.Backend{}, err
	}
	return w.current(), nil
}

// MembersWithStats reads the counters.
func (w *fixture) MembersWithStats(ctx context.Context, _ string) ([]client.Member, error) {
	w.work()
	w.reads++
	if f := w.onRead[w.reads]; f != nil {
		if err := f(); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := w.absent(); err != nil {
		return nil, err
	}
	return w.members(), nil
}

// Deploy checks the condition and health, and changes the versions.
func (w *fixture) Deploy(ctx context.Context, _ string, d client.DeployRequest, conditions ...client.Condition) (client.Backend, client.Applied, error) {
	w.work()
	w.asked++
	if ctx.Done() != nil {
		w.t.Error("a change can be cut short")
	}
	header := http.Header{}
	for _, c := range conditions {
		c(header)
	}
	applied := client.Applied{Applied: w.pending == "", Path: "runtime", Reason: w.pending, Revision: uint64(w.edits + 1), DurationMS: 2}
	do := func() {
		if d.Version != w.backend.Version || d.Versions.String() != lb.Split(w.backend.Versions).String() {
			w.change(func(b *client.Backend) { b.Version, b.Versions = d.Version, node.Versions(d.Versions) })
		}
	}
	if f := w.onDeploy[w.asked]; f != nil {
		if err := f(do); err != nil {
			return client.Backend{}, client.Applied{}, err
		}
		return w.current(), applied, nil
	}
	if err := w.absent(); err != nil {
		return client.Backend{}, client.Applied{}, err
	}
	if header.Get("If-Match") != w.current().ETag {
		return client.Backend{}, client.Applied{}, answer(http.StatusPreconditionFailed, "precondition_failed", "backend/live has changed")
	}
	for end := time.Now().Add(d.Wait); ; {
		missing := w.missing(d)
		if missing == "" {
			break
		}
		if !time.Now().Before(end) {
			return client.Backend{}, client.Applied{}, answer(http.StatusConflict, "conflict", "backend/live: version "+missing+" of service shop has no healthy instance")
		}
		pause(100 * time.Millisecond)
	}
	do()
	return w.current(), applied, ctx.Err()
}

func (w *fixture) missing(d client.DeployRequest) string {
	if !w.appears.IsZero() && !time.Now().Before(w.appears) {
		w.healthy["2"] = 1
	}
	if d.Version != "" && w.healthy[d.Version] == 0 {
		return d.Version
	}
	for _, s := range d.Versions {
		if s.Weight > 0 && w.healthy[string(s.Version)] == 0 {
			return string(s.Version)
		}
	}
	return ""
}

func pause(d time.Duration) { <-time.After(d) }

// deploy makes a canary of version 2 in four steps of a minute each.
func (w *fixture) deploy(ctx context.Context, adjust ...func(*canary.Config)) error {
	w.t.Helper()
	abortOn, err := canary.ParseConditions("5xx>1%,errors>2%,rtime>500ms")
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := canary.Config{Backend: "live", Version: "2", Steps: []int{5, 25, 50, 100}, Interval: 2 * time.Second, AbortOn: abortOn, Report: func(e canary.Event) error {
		w.said = append(w.said, fmt.Sprintf("%s %d%% %s", e.Kind, e.Percent, e.Selection))
		if w.onReport != nil {
			return w.onReport(e)
		}
		return nil
	}}
	for _, a := range adjust {
		a(&cfg)
	}
	return canary.Run(ctx, w, cfg)
}

// stands demands which versions the backend is at.
func (w *fixture) stands(selection string) {
	w.t.Helper()
	if got := w.backend.Selection(); got != selection {
		w.t.Errorf("the backend is at %s, want %s; %q", got, selection, w.said)
	}
}
