package discovery_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/discovery"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// many is more services than a Consul of default configuration would accept
// connections for.
const many = 260

func serviceNames(n int) []lb.Name {
	names := make([]lb.Name, n)
	for i := range names {
		names[i] = lb.Name("s" + strconv.Itoa(i))
	}
	return names
}

// registerMany registers one instance of each service.
func registerMany(consul *testkit.ConsulAgent, names []lb.Name, check bool) {
	for _, n := range names {
		consul.Register(testkit.Instance{Service: string(n), Port: 1000, NoCheck: !check})
	}
}

func awaitAll(t *testing.T, w *discovery.Watcher, names []lb.Name, what string, ok func(lb.Service) bool) {
	t.Helper()
	eventually(t, what, func() bool {
		snap := w.Snapshot()
		for _, n := range names {
			if s, known := snap.Services[n]; !known || !ok(s) {
				return false
			}
		}
		return true
	})
}

func TestWatcherOfManyServices(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	d := newDoor(t, consul.Address())
	names := serviceNames(many)
	registerMany(consul, names, true)
	begun := time.Now()
	w := watch(t, discovery.Config{Address: d.address()}, names...)
	awaitAll(t, w, names, "an instance of each service", instances(1))
	t.Logf("%d services known after %v", many, time.Since(begun))

	// A check that turns, an instance that comes, one that goes, a tag, in
	// services near both ends: not all can have a blocking query of their own.
	for _, n := range []lb.Name{"s0", "s70", "s130", "s199", "s259"} {
		changed := func(what string, ok func(lb.Service) bool) {
			t.Helper()
			begun := time.Now()
			await(t, w, n, what, ok)
			t.Logf("%s: %s after %v", n, what, time.Since(begun))
		}
		consul.SetStatus(string(n), "critical")
		changed("a failing check", status("critical"))
		consul.Register(testkit.Instance{ID: string(n) + "-2", Service: string(n), Port: 1001})
		changed("another instance", instances(2))
		consul.Deregister(string(n))
		changed("one gone", instances(1))
	}
	for _, n := range []lb.Name{"s30", "s99", "s222"} {
		begun := time.Now()
		consul.Register(testkit.Instance{Service: string(n), Port: 1000, Tags: []string{"2.0.0"}})
		await(t, w, n, "a tag", func(s lb.Service) bool { return s.Healthy("2.0.0") == 1 })
		t.Logf("%s: a tag after %v", n, time.Since(begun))
		begun = time.Now()
		// What shows neither in checks nor in tags.
		consul.Register(testkit.Instance{Service: string(n), Port: 1000, Tags: []string{"2.0.0"}, Weight: 9})
		await(t, w, n, "a weight", func(s lb.Service) bool { return s.Instances[0].Weight == 9 })
		t.Logf("%s: a weight after %v", n, time.Since(begun))
	}
	begun = time.Now()
	consul.SetMaintenance("", true)
	awaitAll(t, w, names, "the node's maintenance in each service", status("maintenance"))
	consul.SetMaintenance("", false)
	t.Logf("the node in maintenance after %v", time.Since(begun))
	awaitAll(t, w, names, "the end of it", func(s lb.Service) bool { return s.Instances[0].Status != "maintenance" })

	if _, greatest, all := d.counts(); greatest > 32 || all > 200 {
		t.Errorf("%d connections at once and %d in all, want at most 32, used again and again", greatest, all)
	}
	// Others on this node are let in.
	if code, _ := consul.Try(http.MethodGet, "/v1/status/leader", nil); code != http.StatusOK {
		t.Errorf("another client gets %d", code)
	}
}

func TestWatcherOfManyServicesWithoutChecks(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	names := serviceNames(many)
	registerMany(consul, names, false)
	w := watch(t, discovery.Config{Address: consul.Address()}, names...)
	awaitAll(t, w, names, "an instance of each service", instances(1))
	for port := 2000; port < 2003; port++ {
		for _, n := range []lb.Name{"s1", "s100", "s250"} {
			consul.Register(testkit.Instance{Service: string(n), Port: port, NoCheck: true})
			await(t, w, n, "port "+strconv.Itoa(port), func(s lb.Service) bool {
				return len(s.Instances) == 1 && int(s.Instances[0].Address.Port) == port
			})
		}
	}
	consul.Deregister("s100")
	await(t, w, "s100", "no instance", instances(0))
}

// Every service changes its state in rounds, some of them right while the
// answer about an earlier change is on its way: in the end each must be as
// Consul has it.
func TestWatcherLosesNoUpdate(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	names := serviceNames(60)
	registerMany(consul, names[:50], true)
	w := watch(t, discovery.Config{Address: consul.Address()}, names[:50]...)
	states := []string{"critical", "warning", "passing"}
	for round := range 6 {
		if round == 3 { // more services come while all move
			registerMany(consul, names[50:], true)
			w.Want(names)
		}
		wanted := names[:50]
		if round >= 3 {
			wanted = names
		}
		for i, n := range wanted {
			consul.SetStatus(string(n), states[(i+round)%3])
			if i%7 == 0 {
				consul.SetStatus(string(n), states[(i+round+1)%3])
				consul.SetStatus(string(n), states[(i+round)%3])
			}
		}
	}
	for i, n := range names {
		await(t, w, n, "its last state", status(states[(i+5)%3]))
	}
}

func TestManyServicesOutliveConsul(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	d := newDoor(t, consul.Address())
	names := serviceNames(many)
	registerMany(consul, names, true)
	w := watch(t, discovery.Config{Address: d.address()}, names...)
	awaitAll(t, w, names, "an instance of each service", instances(1))
	d.setShut(true)
	awaitAll(t, w, names, "every service unconfirmed, with its instance", func(s lb.Service) bool {
		return s.Stale != "" && len(s.Instances) == 1
	})
	consul.SetStatus("s200", "critical")
	pauseTest(t, 3*time.Second) // the back-off grows meanwhile
	d.setShut(false)
	begun := time.Now()
	await(t, w, "s200", "what changed behind the closed door", status("critical"))
	awaitAll(t, w, names, "every service confirmed", confirmed)
	t.Logf("all confirmed %v after Consul came back", time.Since(begun))
	if _, greatest, _ := d.counts(); greatest > 32 {
		t.Errorf("%d connections at once, want at most 32", greatest)
	}
}

func TestWatcherGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	names := serviceNames(100)
	registerMany(consul, names, true)
	d := newDoor(t, consul.Address())
	w := watch(t, discovery.Config{Address: d.address()}, names[:3]...)
	awaitAll(t, w, names[:3], "three services", instances(1))
	for range 3 {
		w.Want(names)
		awaitAll(t, w, names, "all services", instances(1))
		w.Want(names[97:])
		eventually(t, "three others", func() bool { return len(w.Snapshot().Services) == 3 })
	}
	consul.SetStatus("s98", "warning")
	await(t, w, "s98", "a change", status("warning"))
	if _, greatest, _ := d.counts(); greatest > 32 {
		t.Errorf("%d connections at once, want at most 32", greatest)
	}
}

// A big catalog of others': their checks make up the answers about all checks.
func TestWatcherAmongManyChecks(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	names := serviceNames(30)
	registerMany(consul, names, true)
	output := strings.Repeat("x", 300)
	for node := range 50 {
		var checks []map[string]any
		for i := range 200 {
			id := fmt.Sprintf("other-%d-%d", node, i)
			checks = append(checks, map[string]any{"CheckID": id, "Name": id, "Status": "passing", "Output": output})
		}
		consul.Do(http.MethodPut, "/v1/catalog/register", map[string]any{
			"Node": "other-" + strconv.Itoa(node), "Address": "10.9.9.9", "Checks": checks, "SkipNodeUpdate": false,
		})
	}
	w := watch(t, discovery.Config{Address: consul.Address()}, names...)
	awaitAll(t, w, names, "an instance of each service", instances(1))
	for _, n := range names[20:] {
		consul.SetStatus(string(n), "critical")
		begun := time.Now()
		await(t, w, n, "a failing check", status("critical"))
		t.Logf("%s after %v", n, time.Since(begun))
	}
}
