package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// A fleet is the instances of service shop that a test has registered, each a web
// server that answers its name.
type fleet struct {
	tb      testing.TB
	consul  *testkit.ConsulAgent
	address map[string]string // by name
	present map[string]bool
}

func newFleet(tb testing.TB, consul *testkit.ConsulAgent) *fleet {
	tb.Helper()
	return &fleet{tb: tb, consul: consul, address: map[string]string{}, present: map[string]bool{}}
}

// come registers instances "VERSION-NUMBER" with a weight in Consul.
func (f *fleet) come(weight int, names ...string) {
	f.tb.Helper()
	for _, name := range names {
		if f.address[name] == "" {
			f.address[name] = fmt.Sprintf("127.0.0.1:%d", testkit.StartWeb(f.tb, name).Port)
		}
		version, _, _ := strings.Cut(name, "-")
		var port int
		if _, err := fmt.Sscanf(f.address[name], "127.0.0.1:%d", &port); err != nil {
			f.tb.Fatal(err)
		}
		f.consul.Register(testkit.Instance{
			ID: name, Service: "shop", Port: port, Address: "127.0.0.1", Weight: weight, Meta: map[string]string{"version": version},
		})
		f.present[name] = true
	}
}

// leave deregisters instances, which go on answering.
func (f *fleet) leave(names ...string) {
	f.tb.Helper()
	for _, name := range names {
		f.consul.Deregister(name)
		delete(f.present, name)
	}
}

// names of a version's instances that are registered.
func (f *fleet) names(version string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f.present)), func(name string) bool { return !strings.HasPrefix(name, version+"-") })
}

// serverLine is a member in haproxy.cfg.
var serverLine = regexp.MustCompile(`(?m)^    server (s\d+) (\S+) check inter \S+ weight (\d+)( disabled)?$`)

// inFile lists the servers of backend live that are in use, "SLOT ADDRESS WEIGHT",
// as haproxy.cfg on disk has them.
func (n *node) inFile() []string {
	n.tb.Helper()
	var out []string
	_, live, _ := strings.Cut(n.config(), "\nbackend live\n")
	live, _, _ = strings.Cut(live, "\nbackend ")
	for _, m := range serverLine.FindAllStringSubmatch(live, -1) {
		if m[4] == "" {
			out = append(out, m[1]+" "+m[2]+" "+m[3])
		}
	}
	return out
}

// inUse lists the same as the running HAProxy has them.
func (n *node) inUse() ([]string, error) {
	servers, err := statsock.New(n.path("h.sock")).ShowServers(n.tb.Context(), "live")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range servers {
		if !s.Maintenance && !s.Draining {
			out = append(out, fmt.Sprintf("%s %s:%d %d", s.Name, s.Address, s.Port, s.Weight))
		}
	}
	return out, nil
}

// settles waits until HAProxy runs exactly these members, the file on disk has
// them in the same slots, and HAProxy would take it.
func (n *node) settles(f *fleet, names ...string) {
	n.tb.Helper()
	n.agrees(f, names...)
	if len(names) > 0 {
		n.answers(names...)
	}
}

// agrees waits until HAProxy and the file on disk have these instances in use.
func (n *node) agrees(f *fleet, names ...string) {
	n.tb.Helper()
	want := make([]string, len(names))
	for i, name := range names {
		want[i] = f.address[name]
	}
	slices.Sort(want)
	testkit.Eventually(n.tb, patience, func() error {
		running, err := n.inUse()
		if err != nil {
			return err
		}
		found := make([]string, len(running))
		for i, line := range running {
			found[i] = strings.Fields(line)[1]
		}
		if slices.Sort(found); !slices.Equal(found, want) {
			return fmt.Errorf("HAProxy has %v, expected %v", found, want)
		}
		if file := n.inFile(); !slices.Equal(file, running) {
			return fmt.Errorf("the file has %v, and HAProxy %v", file, running)
		}
		return nil
	})
	out, err := exec.Command(n.haproxy, "-c", "-f", n.path("haproxy.cfg")).CombinedOutput()
	if err != nil {
		n.tb.Fatalf("HAProxy does not take the file on disk: %s", out)
	}
}

// masterReloads is HAProxy's own count of reloads, whoever asked for them.
func (n *node) masterReloads() int {
	n.tb.Helper()
	procs, err := statsock.NewMaster(n.path("haproxy.master.sock")).ShowProc(n.tb.Context())
	if err != nil {
		n.tb.Fatal(err)
	}
	return procs.Master.Reloads
}

// withoutReload runs what HAProxy must not be reloaded for.
func (n *node) withoutReload(do func()) {
	n.tb.Helper()
	events, master, worker := n.reloads(), n.masterReloads(), n.worker()
	do()
	if got := n.reloads() - events; got > 0 { // an agent that is killed may lose the last ones
		n.tb.Errorf("%d reloads", got)
	}
	if got := n.masterReloads() - master; got != 0 {
		n.tb.Errorf("HAProxy counts %d reloads", got)
	}
	if got := n.worker(); got != worker {
		n.tb.Errorf("worker %v became %v", worker, got)
	}
}

// deploy switches backend live to a version, and tells the path taken.
func (n *node) deploy(version string) string {
	n.tb.Helper()
	answer := n.call(200, http.MethodPost, "/backends/live", fmt.Sprintf(`{"version":%q,"wait":"10s"}`, version))
	if answer["applied"] != true || answer["version"] != version {
		n.tb.Fatalf("the switch was answered %v", answer)
	}
	return fmt.Sprint(answer["path"])
}

// sailing starts a node that serves instances of version 1.
func sailing(tb testing.TB, names ...string) (*node, *fleet) {
	tb.Helper()
	return sailingOn(tb, testkit.HAProxy(tb), names...)
}

// sailingOn does it with this HAProxy.
func sailingOn(tb testing.TB, haproxy string, names ...string) (*node, *fleet) {
	tb.Helper()
	return sailingWith(tb, haproxy, nil, names...)
}

// sailingWith does it with further flags of the agent.
func sailingWith(tb testing.TB, haproxy string, flags []string, names ...string) (*node, *fleet) {
	tb.Helper()
	consul := testkit.Consul(tb)
	f := newFleet(tb, consul)
	// These fleets are small and in a hurry: what goes is gone.
	n := newNode(tb, consul.Address(), append([]string{"--hold-min", "100"}, flags...)...)
	n.haproxy = haproxy
	n.start()
	f.come(1, names...)
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1"}`)
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	n.settles(f, names...)
	return n, f
}

func TestMembersComeAndGoWithoutAReload(t *testing.T) { onEveryHAProxy(t, membersComeAndGo) }

func membersComeAndGo(t *testing.T) {
	t.Helper()
	n, f := sailing(t, "1-a")
	n.withoutReload(func() {
		f.come(1, "1-b", "1-c")
		n.settles(f, "1-a", "1-b", "1-c")
		f.leave("1-a")
		n.settles(f, "1-b", "1-c")
		f.consul.SetStatus("1-b", "critical")
		n.settles(f, "1-c")
		f.consul.SetStatus("1-b", "passing")
		f.come(7, "1-c")
		n.settles(f, "1-b", "1-c")
		testkit.Eventually(t, patience, func() error {
			if running, err := n.inUse(); err != nil || !slices.ContainsFunc(running, func(line string) bool { return strings.HasSuffix(line, f.address["1-c"]+" 7") }) {
				return fmt.Errorf("the weight is not in effect: %v, %w", running, err)
			}
			return nil
		})
		f.leave("1-b", "1-c")
		n.settles(f)
		f.come(1, "1-a")
		n.settles(f, "1-a")
	})
}

// TestSwitchesAtRunTime deploys and rolls back under load: no request fails, and
// none that begins after the answer reaches the former version.
func TestSwitchesAtRunTime(t *testing.T) {
	n, f := sailing(t, "1-a", "1-b", "1-c")
	f.come(1, "2-a", "2-b", "2-c", "3-a", "3-b")
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 16, Fresh: 16, Pause: time.Millisecond, For: 3 * time.Minute})
	n.withoutReload(func() {
		version := "1"
		for _, next := range []string{"2", "1", "2", "3", "1", "3", "2", "1"} {
			load.Await(load.Result().Requests + 500)
			if path := n.deploy(next); path != "runtime" {
				t.Errorf("from %s to %s the path was %s", version, next, path)
			}
			answered := time.Now()
			load.Await(load.Result().Requests + 500)
			for name, begun := range load.Result().Begun {
				if !strings.HasPrefix(name, next+"-") && begun.After(answered) {
					t.Errorf("%s answered a request that began %s after the switch to %s", name, begun.Sub(answered), next)
				}
			}
			n.settles(f, f.names(next)...)
			version = next
		}
	})
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

func TestGrowthBeyondTheSlotsNeedsNoReload(t *testing.T) {
	n, f := sailing(t, "1-a")
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 16, Fresh: 16, Pause: time.Millisecond, For: 2 * time.Minute})
	before := n.reloads()
	names := []string{"1-a"}
	for c := 'b'; c <= 'i'; c++ {
		names = append(names, "1-"+string(c))
		f.come(1, names[len(names)-1])
		if c%3 == 0 {
			n.settles(f, names...)
		}
	}
	n.settles(f, names...)
	if got := n.reloads() - before; got != 0 {
		t.Errorf("%d reloads", got)
	}
	n.withoutReload(func() {
		f.leave(names[1:]...)
		n.settles(f, "1-a")
		f.come(1, names[1:]...)
		n.settles(f, names...)
	})
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

func TestServersChangedByHandAreRepaired(t *testing.T) { onEveryHAProxy(t, changesByHandAreRepaired) }

func changesByHandAreRepaired(t *testing.T) {
	t.Helper()
	n, f := sailing(t, "1-a", "1-b")
	f.come(1, "2-stray")
	socket := statsock.New(n.path("h.sock"))
	slot := func(name string) string {
		t.Helper()
		running, err := n.inUse()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range running {
			if fields := strings.Fields(line); fields[1] == f.address[name] {
				return fields[0]
			}
		}
		t.Fatalf("%s is in no slot: %v", name, running)
		return ""
	}
	_, strayPort, _ := strings.Cut(f.address["2-stray"], ":")
	repaired := 0
	n.withoutReload(func() {
		for _, command := range []string{
			"set server live/" + slot("1-a") + " state maint",
			"set server live/" + slot("1-b") + " state drain",
			"set server live/" + slot("1-a") + " weight 100",
			"set server live/s5 state ready",
			"set server live/" + slot("1-b") + " addr 127.0.0.1 port " + strayPort,
		} {
			begin := time.Now()
			if answer, err := socket.Do(t.Context(), command); err != nil || strings.Contains(answer, "No such") {
				t.Fatalf("%s: %q, %v", command, answer, err)
			}
			repaired++
			testkit.Eventually(t, patience, func() error {
				_, events := n.try(http.MethodGet, "/activity?filter=serversRepaired&limit=1000", "")
				if got := strings.Count(events, `"serversRepaired"`); got != repaired {
					return fmt.Errorf("%s: %d events, expected %d: %s", command, got, repaired, events)
				}
				return nil
			})
			t.Logf("%s: recorded after %s", command, time.Since(begin).Round(time.Millisecond))
			n.settles(f, "1-a", "1-b")
		}
	})
}

// TestSomebodyElseReloadsHAProxy: its worker is replaced, or killed, and comes up
// with the members that were changed at run time.
func TestSomebodyElseReloadsHAProxy(t *testing.T) { onEveryHAProxy(t, foreignReloads) }

func foreignReloads(t *testing.T) {
	t.Helper()
	n, f := sailing(t, "1-a", "1-b")
	f.come(1, "1-c")
	f.leave("1-a")
	n.settles(f, "1-b", "1-c")
	reloaded := n.masterReloads()
	if err := syscall.Kill(n.master(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		procs, err := statsock.NewMaster(n.path("haproxy.master.sock")).ShowProc(t.Context())
		if err == nil && procs.Master.Reloads == reloaded {
			err = fmt.Errorf("no reload yet: %+v", procs)
		}
		return err
	})
	n.settles(f, "1-b", "1-c")
	if _, events := n.try(http.MethodGet, "/activity?filter=serversRepaired", ""); strings.Contains(events, `"serversRepaired"`) {
		t.Errorf("the agent had to repair the members of a reload: %s", events)
	}
	f.come(1, "1-a")
	n.settles(f, "1-a", "1-b", "1-c")

	info, err := statsock.New(n.path("h.sock")).ShowInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(info.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		now, err := statsock.New(n.path("h.sock")).ShowInfo(t.Context())
		if err == nil && now.PID == info.PID {
			err = fmt.Errorf("worker %d still answers", now.PID)
		}
		return err
	})
	n.settles(f, "1-a", "1-b", "1-c")
}

// TestReloadsBySomebodyElseInTheMiddleOfChanges: a change may hit the worker that
// is leaving, or the file before it was written.
func TestReloadsBySomebodyElseInTheMiddleOfChanges(t *testing.T) {
	n, f := sailing(t, "1-a", "1-b")
	for range 12 {
		f.churn()
		if err := syscall.Kill(n.master(), syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		f.churn()
	}
	n.settles(f, f.names("1")...)
}

// churn changes one of some instances of version 1; one at least stays.
func (f *fleet) churn() {
	f.tb.Helper()
	name := fmt.Sprintf("1-%c", 'a'+rune(rand.IntN(4))) //nolint:gosec // not a secret
	switch {
	case !f.present[name]:
		f.come(1, name)
	case len(f.names("1")) > 1:
		f.leave(name)
	}
}

func TestAgentKilledInTheMiddleOfChanges(t *testing.T) {
	n, f := sailing(t, "1-a", "1-b")
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: 2 * time.Millisecond, For: 3 * time.Minute})
	n.withoutReload(func() {
		for range 6 {
			for range 1 + rand.IntN(4) { //nolint:gosec // not a secret
				f.churn()
			}
			n.signal(syscall.SIGKILL)
			f.churn()
			n.start()
			n.settles(f, f.names("1")...)
		}
	})
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}
