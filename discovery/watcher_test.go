package discovery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/discovery"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

func TestWatcherFollowsRegistrations(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	w := watch(t, discovery.Config{Address: consul.Address()}, "web")

	await(t, w, "web", "no instance as a valid answer", instances(0))
	consul.Register(testkit.Instance{
		ID: "web-1", Service: "web", Address: "10.1.2.3", Port: 8080,
		Tags: []string{"blue", "1.0.0"}, Meta: map[string]string{"pid": "17"},
	})
	got := await(t, w, "web", "an instance", instances(1))
	want := lb.Instance{
		ID: "web-1", Node: "dev", Address: lb.HostPort{Host: "10.1.2.3", Port: 8080},
		Tags: []string{"blue", "1.0.0"}, Meta: map[string]string{"pid": "17"},
		Weight: 1, Status: "passing", Healthy: true,
	}
	if fmt.Sprint(got.Instances[0]) != fmt.Sprint(want) {
		t.Errorf("instance %+v, want %+v", got.Instances[0], want)
	}
	if got.Name != "web" || got.Index == 0 || time.Since(got.Seen) > patience {
		t.Errorf("service %+v, want its name, an index and when it was seen", got)
	}

	consul.Register(testkit.Instance{ID: "web-2", Service: "web", Address: "10.1.2.2", Port: 8080})
	got = await(t, w, "web", "a second instance", instances(2))
	if got.Instances[0].ID != "web-2" {
		t.Errorf("first of the instances is %s, want them sorted by address", got.Instances[0].ID)
	}
	consul.Register(testkit.Instance{ID: "web-2", Service: "web", Address: "10.1.2.2", Port: 8081})
	await(t, w, "web", "another port", func(s lb.Service) bool { return s.Instances[0].Address.Port == 8081 })
	consul.Deregister("web-1")
	await(t, w, "web", "one instance left", instances(1))
}

func TestWatcherJudgesStatus(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	strict := watch(t, discovery.Config{Address: consul.Address()}, "web")
	lenient := watch(t, discovery.Config{Address: consul.Address(), AcceptWarning: true}, "web")
	consul.Register(testkit.Instance{Service: "web", Port: 80, Weight: 7, WarningWeight: 3, Status: "critical"})

	expect := func(status string, weight int, strictly, leniently bool) {
		t.Helper()
		for w, healthy := range map[*discovery.Watcher]bool{strict: strictly, lenient: leniently} {
			got := await(t, w, "web", status, func(s lb.Service) bool {
				return len(s.Instances) == 1 && s.Instances[0].Status == status
			})
			if i := got.Instances[0]; i.Healthy != healthy || i.Weight != weight {
				t.Errorf("%s: healthy %t, weight %d, want %t and %d", status, i.Healthy, i.Weight, healthy, weight)
			}
		}
	}
	expect("critical", 7, false, false)
	consul.SetStatus("web", "passing")
	expect("passing", 7, true, true)
	consul.SetStatus("web", "warning")
	expect("warning", 3, false, true)
	consul.SetStatus("web", "passing")
	expect("passing", 7, true, true)
	consul.SetMaintenance("web", true)
	expect("maintenance", 7, false, false)
	consul.SetMaintenance("web", false)
	expect("passing", 7, true, true)
	consul.SetMaintenance("", true) // the whole node
	expect("maintenance", 7, false, false)
	consul.SetMaintenance("", false)
	expect("passing", 7, true, true)
}

func TestWatcherReadsVersionsAndAddresses(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	w := watch(t, discovery.Config{Address: consul.Address()}, "web", "plain")
	for _, i := range []testkit.Instance{
		{ID: "by-meta", Service: "web", Address: "10.0.0.1", Port: 80, Meta: map[string]string{"version": "2.0.0"}, Tags: []string{"1.0.0"}},
		{ID: "by-tag", Service: "web", Address: "10.0.0.2", Port: 80, Tags: []string{"x", "1.0.0"}},
		{ID: "bad-meta", Service: "web", Address: "10.0.0.3", Port: 80, Meta: map[string]string{"version": "not a version"}, Tags: []string{"1.0.0"}},
		{ID: "by-name", Service: "web", Address: "host-4.example", Port: 80},
		{ID: "on-node", Service: "plain", Port: 80, NoCheck: true},
		{ID: "nowhere", Service: "plain", Port: 0},
		{ID: "odd", Service: "plain", Address: "10.0.0.5; server evil", Port: 80},
	} {
		consul.Register(i)
	}
	web := await(t, w, "web", "all instances", instances(4))
	if got, want := fmt.Sprint(web.Versions()), "[{1.0.0 2 2} {2.0.0 1 1} {x 1 1}]"; got != want {
		t.Errorf("versions %s, want %s", got, want)
	}
	if got := web.Instances[3].Address; got != (lb.HostPort{Host: "host-4.example", Port: 80}) {
		t.Errorf("address %v, want the host name", got)
	}
	plain := await(t, w, "plain", "the one usable instance", instances(1))
	if got := plain.Instances[0]; got.Address.Host != "127.0.0.1" || got.Status != "passing" {
		t.Errorf("instance %+v, want the node's address, and passing without a check of its own", got)
	}
}

func TestWatcherServesTheInitialSnapshotFirst(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	consul.Register(testkit.Instance{Service: "web", Address: "10.0.0.9", Port: 80})
	seen := time.Now().Add(-time.Hour)
	known := func(name lb.Name, host lb.Host) lb.Service {
		return lb.Service{Name: name, Index: 1 << 40, Seen: seen, Instances: []lb.Instance{
			{ID: "a", Address: lb.HostPort{Host: host, Port: 80}, Weight: 1, Status: "warning"},
			{ID: "b", Address: lb.HostPort{Host: "10.0.0.2\n", Port: 80}, Weight: 1, Status: "passing", Healthy: true},
		}}
	}
	w, err := discovery.New(discovery.Config{
		Address: consul.Address(), AcceptWarning: true, Logger: testkit.Logger(t),
		Initial: lb.Snapshot{Services: map[lb.Name]lb.Service{"web": known("web", "10.0.0.1"), "old": known("old", "10.0.0.3")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Want([]lb.Name{"web"})
	before := w.Snapshot().Services
	if len(before) != 2 {
		t.Fatalf("%d services before Run, want both", len(before))
	}
	for _, s := range before {
		if len(s.Instances) != 1 || !s.Instances[0].Healthy || s.Stale != "not confirmed since the agent started" || !s.Seen.Equal(seen) {
			t.Errorf("initially %+v, want the sound instance, healthy by the present policy, and stale", s)
		}
	}
	run(t, w.Run)
	got := await(t, w, "web", "Consul's own answer", confirmed)
	if len(got.Instances) != 1 || got.Instances[0].Address.Host != "10.0.0.9" {
		t.Errorf("web is %+v, want what Consul says", got)
	}
	if n := len(w.Snapshot().Services); n != 1 {
		t.Errorf("%d services, want the wanted one alone", n)
	}
}

func TestWatcherWantsOthers(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	consul.Register(testkit.Instance{Service: "a", Port: 80})
	consul.Register(testkit.Instance{Service: "b", Port: 80})
	w := watch(t, discovery.Config{Address: consul.Address()})
	w.Want([]lb.Name{"a", "a"})
	await(t, w, "a", "an instance", instances(1))
	w.Want([]lb.Name{"b"})
	await(t, w, "b", "an instance", instances(1))
	eventually(t, "a gone", func() bool { return len(w.Snapshot().Services) == 1 })
	drain(w)
	w.Want(nil)
	eventually(t, "nothing left", func() bool { return len(w.Snapshot().Services) == 0 })
	expectPoke(t, w)
	w.Want([]lb.Name{"a"})
	await(t, w, "a", "an instance again", instances(1))
}

func TestWatcherPokesForChangesOnly(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	consul.Register(testkit.Instance{Service: "web", Port: 80})
	w := watch(t, discovery.Config{Address: consul.Address(), WaitTime: 50 * time.Millisecond}, "web")
	first := await(t, w, "web", "an instance", instances(1))
	expectPoke(t, w)
	drain(w)
	later := await(t, w, "web", "a confirmation", func(s lb.Service) bool { return s.Seen.After(first.Seen) })
	// A check's output changes Consul's index, but nothing that matters here.
	consul.Do("PUT", "/v1/agent/check/update/service:web", map[string]string{"Status": "passing", "Output": "still well"})
	await(t, w, "web", "two confirmations more", func(s lb.Service) bool { return s.Seen.After(later.Seen.Add(100 * time.Millisecond)) })
	select {
	case <-w.Changed():
		t.Error("poked though nothing but Seen and Index changed")
	default:
	}
	consul.SetStatus("web", "critical")
	expectPoke(t, w)
}

func drain(w *discovery.Watcher) {
	select {
	case <-w.Changed():
	default:
	}
}

func expectPoke(t *testing.T, w *discovery.Watcher) {
	t.Helper()
	select {
	case <-w.Changed():
	case <-time.After(patience):
		t.Fatal("not poked")
	}
}

func TestWatcherSnapshotsAreIndependent(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	consul.Register(testkit.Instance{Service: "web", Port: 80})
	w := watch(t, discovery.Config{Address: consul.Address()}, "web")
	await(t, w, "web", "an instance", instances(1))
	before := w.Snapshot()
	consul.SetStatus("web", "critical")
	await(t, w, "web", "critical", status("critical"))
	if got := before.Services["web"].Instances[0].Status; got != "passing" {
		t.Errorf("an older snapshot turned %s", got)
	}
}

func TestWatcherDropsInitialServicesNobodyWants(t *testing.T) {
	t.Parallel()
	w, err := discovery.New(discovery.Config{
		Address: "127.0.0.1:1", Logger: testkit.Logger(t),
		Initial: lb.Snapshot{Services: map[lb.Name]lb.Service{"old": {Name: "old"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, w.Run)
	if _, known := w.Snapshot().Services["old"]; !known {
		t.Error("the initial service is not served until somebody says what is wanted")
	}
	w.Want(nil)
	expectPoke(t, w)
	if n := len(w.Snapshot().Services); n != 0 {
		t.Errorf("%d services, want none", n)
	}
	w.Want([]lb.Name{"old", "new"})
	await(t, w, "old", "it again, not confirmed", stale(""))
	eventually(t, "the new one without an answer", func() bool { return strings.Contains(w.Snapshot().Unanswered["new"], "refused") })
}

func TestWatcherTellsOfAnInstanceLeftOutOnce(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	consul.Register(testkit.Instance{ID: "odd", Service: "web", Address: "10.0.0.5; server evil", Port: 80})
	log := &testkit.Log{}
	w := watch(t, discovery.Config{Address: consul.Address(), WaitTime: 50 * time.Millisecond, Logger: loggerTo(log)}, "web")
	seen := await(t, w, "web", "an answer", instances(0)).Seen
	for range 3 {
		seen = await(t, w, "web", "a confirmation", func(s lb.Service) bool { return s.Seen.After(seen) }).Seen
	}
	consul.Register(testkit.Instance{ID: "odder", Service: "web", Port: 0})
	eventually(t, "the other one in the log", func() bool { return strings.Contains(log.String(), "id=odder") })
	if n := strings.Count(log.String(), "id=odd "); n != 1 {
		t.Errorf("told of the first %d times, want once:\n%s", n, log)
	}
}
