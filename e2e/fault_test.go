package e2e_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	nodeapi "thalassa/api/node"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/statsock"
)

var update = flag.Bool("update", false, "write the table in docs/reliability.md anew, with what was measured")

// faultTime is how long each fault lasts at least: longer than a second look, and
// than HAProxy's checks take.
const faultTime = 4 * time.Second

// A fault is one way in which Consul fails a service, and what became of it.
type fault struct {
	name string // a clause about Consul
	// shows is what the service says meanwhile, as words of Stale or Hold; empty:
	// nothing is to be noticed.
	shows      string
	node       *node
	consul     *testkit.ConsulAgent
	service    string
	backend    string // in HAProxy
	begin, end func()
	during     func() // again and again; may be nil

	shown   bool
	missing int // healthy servers that HAProxy did not use at some moment, at most
	took    time.Duration
}

// matrix is the faults with all that they need.
type matrix struct {
	tb     testing.TB
	ports  []int // of what instances a, b and c lead to, and d, which comes later
	faults []*fault
}

// member registers one of a service's instances.
func (m *matrix) member(consul *testkit.ConsulAgent, service string, i int, meta string) {
	consul.Register(testkit.Instance{
		ID: fmt.Sprintf("%s-%d", service, i), Service: service, Address: "127.0.0.1", Port: m.ports[i], Meta: map[string]string{"version": "1.0.0", "note": meta},
	})
}

func (m *matrix) members(f *fault) {
	for i := range 3 {
		m.member(f.consul, f.service, i, "")
	}
}

// add puts a fault of another service into the matrix.
func (m *matrix) add(n *node, consul *testkit.ConsulAgent, name, shows string, begin, end func(service string)) *fault {
	f := &fault{name: name, shows: shows, node: n, consul: consul, service: fmt.Sprintf("s%d", len(m.faults))}
	f.backend = f.service
	f.begin, f.end = func() { begin(f.service) }, func() { end(f.service) }
	m.faults = append(m.faults, f)
	m.members(f)
	return f
}

// Whatever Consul does, no healthy server is taken out of use, and soon after
// the fault's end changes are followed again. docs/reliability.md has the table.
func TestFaults(t *testing.T) {
	m := &matrix{tb: t}
	for _, name := range []string{"a", "b", "c", "d"} {
		m.ports = append(m.ports, testkit.StartWeb(t, name).Port)
	}
	m.lies()
	m.losses()
	m.tokens()
	m.start()
	m.watch(m.begin(), func(f *fault) bool { return f.shown })
	m.watch(m.end(), m.recovered)
	for _, f := range m.faults {
		if f.missing > 0 {
			t.Errorf("%s: %d healthy servers removed", f.name, f.missing)
		}
		if *update && f.took > 2*time.Second {
			t.Errorf("%s: recovered after %v, want 2 s", f.name, f.took)
		}
		t.Logf("%-60s recovered after %v", f.name, f.took.Round(10*time.Millisecond))
	}
	m.document()
}

// lies are told by a proxy about one service each.
func (m *matrix) lies() {
	consul := testkit.Consul(m.tb)
	l := newLiar(m.tb, consul.Address())
	n := newNode(m.tb, l.address())
	for _, f := range []struct {
		name, shows string
		lie         lie
	}{
		{"answers with an error", "HTTP 500", fails(500, "rpc error making call: EOF")},
		{"has no leader", "No cluster leader", fails(500, "No cluster leader")},
		{"has no leader and answers `[]` all the same", "no leader", says("[]", "X-Consul-KnownLeader", "false")},
		{"refuses the token", "HTTP 403", fails(403, "ACL not found")},
		{"has too many connections", "HTTP 429", fails(429, "Your IP is issuing too many concurrent connections")},
		{"filters the answer", "filtered", says("[]", "X-Consul-Results-Filtered-By-ACLs", "true")},
		{"answers with malformed JSON", "malformed", says(`[{"Service":{"Port":"80"}}]`)},
		{"cuts the answer", "connection was closed", cut},
		{"is another program", "HTTP 404", fails(404, "<html>")},
		{"sends a byte now and then", "", drip},
		{"hangs up, and does not answer from then on", "connection was closed|no answer in time", hangingAfter(hangUp)},
		{"has an index that goes backwards, and no instances", string(lb.DoubtRestart), says("[]", "X-Consul-Index", "1")},
		{"hears nothing from the nodes, whose services are well", string(lb.DoubtSilent), silenced},
		{"lists nothing, once", "", once(says("[]"))},
	} {
		m.add(n, consul, f.name, f.shows, func(s string) { l.tell(s, f.lie) }, func(s string) { l.tell(s, nil) })
	}
	flood := m.add(n, consul, "changes a service without a pause", "", nop, nop)
	count := 0
	flood.during = func() {
		for range 5 {
			count++
			m.member(consul, flood.service, 3, strconv.Itoa(count))
		}
	}
}

func nop(string) {}

// hangingAfter does something once and never answers from then on.
func hangingAfter(first lie) lie {
	return func(w http.ResponseWriter, r *http.Request, truth http.HandlerFunc) {
		if r.URL.Query().Get("index") != "" {
			first(w, r, truth)
		}
		never(w, r, truth)
	}
}

// losses are of Consul as a whole.
func (m *matrix) losses() {
	steady := testkit.Consul(m.tb)
	l := newLiar(m.tb, steady.Address())
	m.add(newNode(m.tb, l.address()), steady, "hangs up on everybody", "connection was closed",
		func(string) { l.tell("*", hangUp) }, func(string) { l.tell("*", nil) })

	frozen := testkit.Consul(m.tb)
	signal := func(sig syscall.Signal) func(string) {
		return func(string) {
			if err := syscall.Kill(frozen.PID(), sig); err != nil {
				m.tb.Error(err)
			}
		}
	}
	m.tb.Cleanup(func() { _ = syscall.Kill(frozen.PID(), syscall.SIGCONT) })
	m.add(newNode(m.tb, frozen.Address()), frozen, "stands still", "", signal(syscall.SIGSTOP), signal(syscall.SIGCONT))

	lost := testkit.Consul(m.tb)
	var f *fault
	f = m.add(newNode(m.tb, lost.Address()), lost, "is killed, and its successor knows no service yet", string(lb.DoubtRestart),
		func(string) { lost.Restart() }, func(string) { m.members(f) })
}

// tokens lose their rights.
func (m *matrix) tokens() {
	consul := testkit.GuardedConsul(m.tb)
	l := newLiar(m.tb, consul.Address())
	changes := 0
	poke := func(service string) { // a change has Consul answer whoever waits
		changes++
		m.member(consul, service, 0, strconv.Itoa(changes))
	}
	blind := func(string) { l.tell("*", anonymous) }
	see := func(string) { l.tell("*", nil) }
	all, _ := consul.NewToken("all", readAll)
	m.add(m.tokenNode(l.address(), all), consul, "takes the agent for anonymous, who may see nothing", string(lb.DoubtBlind), blind, see)
	killed := m.add(m.tokenNode(l.address(), all), consul, "does so, and the agent is killed and starts again", string(lb.DoubtBlind)+"|"+string(lb.DoubtRestart), blind, see)
	again := false
	killed.during = func() {
		if killed.shown && !again {
			again = true
			killed.node.signal(syscall.SIGKILL)
			killed.node.start()
			killed.shown = false // it has to show again
		}
	}

	fading, setRules := consul.NewToken("fading", readAll)
	asksAgain := newLiar(m.tb, consul.Address()) // else it may be told only after the wait of 45 s
	m.add(m.tokenNode(asksAgain.address(), fading), consul, "takes the right to read services from the token", "filtered",
		func(service string) {
			setRules(`node_prefix "" { policy = "read" }`)
			asksAgain.tell(service, once(fails(500, "try again")))
		},
		func(service string) {
			setRules(readAll)
			asksAgain.tell(service, nil)
		})

	doomed, _ := consul.NewToken("doomed", readAll)
	n := m.tokenNode(consul.Address(), doomed)
	unknown := m.add(n, consul, "does not know the token any more", "HTTP 403",
		func(string) { m.deleteToken(consul, doomed) },
		func(string) {
			next, _ := consul.NewToken("next", readAll)
			m.write(n.path("token"), next)
		})
	unknown.during = func() { poke(unknown.service) }
}

const (
	management = "11111111-2222-3333-4444-555555555555"
	readAll    = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`
)

// tokenNode is a node whose agent reads its token from a file.
func (m *matrix) tokenNode(consul, token string) *node {
	n := newNode(m.tb, consul)
	m.write(n.path("token"), token)
	n.flags = append(n.flags, "--consul-token-file", n.path("token"), "--register=false")
	return n
}

func (m *matrix) write(file, text string) {
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		m.tb.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		m.tb.Fatal(err)
	}
}

func (m *matrix) deleteToken(consul *testkit.ConsulAgent, secret string) {
	var tokens []struct{ AccessorID, SecretID string }
	m.decode(consul.Do(http.MethodGet, "/v1/acl/tokens", nil), &tokens)
	for _, t := range tokens {
		if t.SecretID == secret {
			consul.Do(http.MethodDelete, "/v1/acl/token/"+t.AccessorID, nil)
			return
		}
	}
	m.tb.Fatal("the token is not there")
}

func (m *matrix) decode(data []byte, v any) {
	m.tb.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		m.tb.Fatal(err)
	}
}

// start starts every node, with a backend for each of its services, and waits
// until HAProxy uses all instances.
func (m *matrix) start() {
	started := map[*node]bool{}
	for _, f := range m.faults {
		if !started[f.node] {
			f.node.start()
			started[f.node] = true
		}
		f.node.call(200, http.MethodPut, "/backends/"+f.service, fmt.Sprintf(`{"type":"dynamic","name":%q,"version":"1.0.0","health":{"uri":"/","interval":500}}`, f.service))
	}
	for _, f := range m.faults {
		testkit.Eventually(m.tb, patience, func() error {
			used, err := f.used()
			if err == nil && len(used) != 3 {
				err = fmt.Errorf("%s: HAProxy uses ports %v", f.name, used)
			}
			return err
		})
	}
}

// used are the ports that HAProxy sends requests to.
func (f *fault) used() ([]int, error) {
	servers, err := statsock.New(f.node.path("h.sock")).ShowServers(f.node.tb.Context(), f.backend)
	var ports []int
	for _, s := range servers {
		if !s.Maintenance && !s.Draining {
			ports = append(ports, s.Port)
		}
	}
	return ports, err
}

// state is what the agent says about the service.
func (f *fault) state() (nodeapi.ServiceStatus, error) {
	code, body := f.node.try(http.MethodGet, "/services/"+f.service, "")
	var s nodeapi.ServiceStatus
	if code != http.StatusOK {
		return s, fmt.Errorf("%d %s", code, body)
	}
	return s, json.Unmarshal([]byte(body), &s)
}

func (m *matrix) begin() time.Time {
	for _, f := range m.faults {
		f.begin()
	}
	return time.Now().Add(faultTime)
}

func (m *matrix) end() time.Time {
	for _, f := range m.faults {
		f.end()
		f.during = nil
		m.member(f.consul, f.service, 3, "new")
		f.took = -time.Duration(time.Now().UnixNano())
	}
	return time.Now()
}

// watch looks at everything again and again, until the moment at least, and
// until all are done.
func (m *matrix) watch(least time.Time, done func(*fault) bool) {
	testkit.Eventually(m.tb, patience+faultTime, func() error {
		var waiting []error
		for _, f := range m.faults {
			if f.during != nil {
				f.during()
			}
			m.look(f)
			if !done(f) {
				s, err := f.state()
				waiting = append(waiting, fmt.Errorf("%s: %q %+v %v", f.name, s.Stale, s.Hold, err)) //nolint:errorlint // to be read
			}
		}
		if time.Now().Before(least) {
			waiting = append(waiting, errors.New("not long enough yet"))
		}
		return errors.Join(waiting...)
	})
}

// look counts the healthy servers that are not in use, and finds out whether the
// agent tells what is wrong.
func (m *matrix) look(f *fault) {
	used, err := f.used()
	if err != nil {
		m.tb.Error(err)
		return
	}
	missing := 0
	for _, port := range m.ports[:3] {
		if !slices.Contains(used, port) {
			missing++
		}
	}
	f.missing = max(f.missing, missing)
	s, err := f.state()
	if err != nil || f.shown {
		return // the agent is being started again
	}
	text := s.Stale
	if s.Hold != nil {
		text += s.Hold.String()
	}
	f.shown = f.shows == "" || regexp.MustCompile(f.shows).MatchString(text)
}

// recovered reports whether the agent follows changes again, and when it did for
// the first time.
func (m *matrix) recovered(f *fault) bool {
	if f.took > 0 {
		return true
	}
	used, err := f.used()
	s, failed := f.state()
	if err != nil || failed != nil || len(used) != 4 || s.Stale != "" || s.Hold != nil {
		return false
	}
	f.took += time.Duration(time.Now().UnixNano())
	return true
}

// document compares the table in docs/reliability.md with what happened, but for
// the times, or writes it anew.
func (m *matrix) document() {
	const file, head, foot = "../docs/reliability.md", "<!-- faults: written by the tests -->\n", "<!-- end of faults -->\n"
	data, err := os.ReadFile(file)
	if err != nil {
		m.tb.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(data), head)
	old, after, ended := strings.Cut(rest, foot)
	if !begun || !ended {
		m.tb.Fatalf("%s has no place for the table", file)
	}
	var table strings.Builder
	table.WriteString("| Consul … | the service shows | healthy servers removed | recovered after |\n|---|---|---|---|\n")
	for _, f := range m.faults {
		shows := "nothing"
		if f.shows != "" {
			shows = strings.ReplaceAll(f.shows, "|", " or ")
		}
		fmt.Fprintf(&table, "| %s | %s | %d | %.1f s |\n", f.name, shows, f.missing, f.took.Seconds())
	}
	times := regexp.MustCompile(`[0-9.]+ s \|\n`)
	switch {
	case *update:
		if err := os.WriteFile(file, []byte(before+head+table.String()+foot+after), 0o600); err != nil {
			m.tb.Fatal(err)
		}
	case times.ReplaceAllString(old, "") != times.ReplaceAllString(table.String(), ""):
		m.tb.Errorf("%s is not what the tests found (-update writes it anew):\n%s", file, table.String())
	}
}
