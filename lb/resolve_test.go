package lb_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"thalassa/lb"
)

func TestPopulateCountsWhatASwitchWouldBring(t *testing.T) {
	t.Parallel()
	at := func(n int, healthy bool, version lb.Version, tags ...string) lb.Instance {
		return lb.Instance{Address: lb.HostPort{Host: "10.0.0.1", Port: uint16(n)}, Version: version, Tags: tags, Healthy: healthy, Weight: 1}
	}
	snap := lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": {Instances: []lb.Instance{
		at(1, true, "1"), at(2, true, "1"), at(3, true, "1"),
		at(4, true, "2"), at(5, true, "2"), at(6, false, "2"),
		at(7, true, "", "web", "3"), at(8, true, "", "web", "4"), at(9, true, "", "web", "4"),
	}}}}
	for _, c := range []struct {
		version lb.Version
		split   lb.Split
		want    int
	}{
		{"1", nil, 3}, // those with the tag web
		{"web", nil, 3},
		{"4", nil, 3},
		{"9", nil, 3},
		{"", lb.Split{{Version: "1", Weight: 1}, {Version: "web", Weight: 1}}, 2},
		{"", lb.Split{{Version: "1", Weight: 1}, {Version: "2", Weight: 0}, {Version: "web", Weight: 1}}, 2},
		{"", lb.Split{{Version: "1", Weight: 1}, {Version: "2", Weight: 1}, {Version: "web", Weight: 1}}, 0},
	} {
		b := lb.Backend{Key: "live", Type: "dynamic", Service: "shop", Version: c.version, Versions: c.split}
		if got := lb.Populate(b, snap).Arrivals; got != c.want {
			t.Errorf("%s %s: got %d, want %d", c.version, c.split, got, c.want)
		}
	}
	if got := lb.Populate(lb.Backend{Type: "static", Service: "shop"}, snap).Arrivals; got != 0 {
		t.Errorf("static: got %d", got)
	}
}

func instance(port uint16, change ...func(*lb.Instance)) lb.Instance {
	i := lb.Instance{
		ID: fmt.Sprint("i", port), Node: "n", Address: lb.HostPort{Host: "10.0.0.1", Port: port},
		Version: "1", Weight: 1, Status: "passing", Healthy: true,
	}
	for _, c := range change {
		c(&i)
	}
	return i
}

func snapshot(instances ...lb.Instance) lb.Snapshot {
	if instances == nil {
		instances = []lb.Instance{instance(1), instance(2)}
	}
	return lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": {Name: "shop", Seen: time.UnixMilli(1700000000000), Instances: instances}}}
}

// members of a backend as "port*weight".
func members(p lb.ResolvedBackend) []string {
	out := make([]string, 0, len(p.Members))
	for _, m := range p.Members {
		out = append(out, fmt.Sprintf("%d*%d", m.Address.Port, m.Weight))
	}
	return out
}

func TestPopulate(t *testing.T) {
	t.Parallel()
	version := func(v lb.Version) func(*lb.Instance) { return func(i *lb.Instance) { i.Version = v } }
	tags := func(t ...string) func(*lb.Instance) { return func(i *lb.Instance) { i.Version, i.Tags = "", t } }
	weight := func(w int) func(*lb.Instance) { return func(i *lb.Instance) { i.Weight = w } }
	sick := func(i *lb.Instance) { i.Healthy, i.Status = false, "critical" }
	host := func(h lb.Host) func(*lb.Instance) { return func(i *lb.Instance) { i.Address.Host = h } }
	for name, c := range map[string]struct {
		instances []lb.Instance
		want      []string
	}{
		"by meta":                 {[]lb.Instance{instance(1), instance(2, version("2"))}, []string{"1*1"}},
		"by tag":                  {[]lb.Instance{instance(1, tags("x", "1")), instance(2, tags("2")), instance(3, tags())}, []string{"1*1"}},
		"meta goes before tags":   {[]lb.Instance{instance(1, tags("1"), version("2"))}, nil},
		"unhealthy":               {[]lb.Instance{instance(1, sick), instance(2)}, []string{"2*1"}},
		"none":                    {[]lb.Instance{}, nil},
		"sorted":                  {[]lb.Instance{instance(3), instance(2, host("10.0.0.2")), instance(1), instance(9, host("10.0.0.0"))}, []string{"9*1", "1*1", "3*1", "2*1"}},
		"the first of an address": {[]lb.Instance{instance(1, weight(5)), instance(2), instance(1, weight(7))}, []string{"1*5", "2*1"}},
		"weights that fit":        {[]lb.Instance{instance(1, weight(256)), instance(2, weight(1)), instance(3, weight(0))}, []string{"1*256", "2*1", "3*0"}},
		"weights in proportion":   {[]lb.Instance{instance(1, weight(1000)), instance(2, weight(500)), instance(3, weight(1)), instance(4, weight(0))}, []string{"1*256", "2*128", "3*1", "4*0"}},
		"nobody has a weight":     {[]lb.Instance{instance(1, weight(0)), instance(2, weight(0))}, []string{"1*1", "2*1"}},
		"the greatest weight":     {[]lb.Instance{instance(1, weight(65535)), instance(2, weight(65535))}, []string{"1*256", "2*256"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			snap := snapshot(c.instances...)
			before := slices.Clone(c.instances)
			got := lb.Populate(*backend(t, "live", `{"type": "dynamic", "service": "shop", "version": "1"}`), snap)
			if !slices.Equal(members(got), c.want) {
				t.Errorf("got %v, want %v", members(got), c.want)
			}
			if !reflect.DeepEqual(c.instances, before) {
				t.Error("the snapshot was changed")
			}
		})
	}
}

func TestPopulateFillsMembers(t *testing.T) {
	t.Parallel()
	meta := map[string]string{"pid": "7"}
	pool := lb.Populate(*backend(t, "live", `{"type": "dynamic", "service": "shop", "version": "1"}`), snapshot(instance(80, func(i *lb.Instance) { i.Meta = meta })))
	if m := pool.Members[0]; m.ID() != "/shop/1/10.0.0.1/80" || m.LastKnown.UnixMilli() != 1700000000000 || !maps.Equal(m.Meta, meta) {
		t.Errorf("%+v", m)
	}
	static := lb.Populate(*backend(t, "live", `{"type": "static", "members": [{"host": "::1", "port": 2}, {"host": "10.0.0.1", "port": 1}]}`), snapshot())
	if len(static.Members) != 2 || static.Members[0].ID() != "///::1/2" || static.Members[1].ID() != "///10.0.0.1/1" {
		t.Errorf("%+v", static.Members)
	}
	if got := static.Members[0].ServerName(); got != "::1:2" {
		t.Errorf("server name %s", got)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	process := lb.Process{StatsSocket: "/run/s", MaxConn: 5}
	config := lb.Resolve(intent(t), snapshot(), process)
	if config.Process != process {
		t.Errorf("process %+v", config.Process)
	}
	got := make([]string, 0, 6)
	for _, f := range config.Frontends {
		got = append(got, f.ID())
	}
	for _, p := range config.Backends {
		got = append(got, fmt.Sprint(p.ID(), members(p)))
	}
	want := []string{"frontend/queue", "frontend/web", "backend/api[80*1]", "backend/idle[]", "backend/live[1*1 2*1]", "backend/raw[]"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	service := snapshot(
		instance(1), instance(2, func(i *lb.Instance) { i.Healthy = false }), instance(3, func(i *lb.Instance) { i.Version = "10" }),
		instance(4, func(i *lb.Instance) { i.Version, i.Tags = "", []string{"2", "not a version", ""} }),
		instance(5, func(i *lb.Instance) { i.Tags = []string{"ignored"} }), instance(6, func(i *lb.Instance) { i.Version = "" }),
	).Services["shop"]
	want := []lb.VersionCount{{Version: "1", Total: 3, Healthy: 2}, {Version: "10", Total: 1, Healthy: 1}, {Version: "2", Total: 1, Healthy: 1}}
	if got := service.Versions(); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for v, want := range map[lb.Version]int{"1": 2, "10": 1, "2": 1, "3": 0, "ignored": 0} {
		if got := service.Healthy(v); got != want {
			t.Errorf("%d healthy instances of %q, want %d", got, v, want)
		}
	}
	if data, err := json.Marshal((lb.Service{}).Versions()); err != nil || string(data) != "[]" {
		t.Errorf("no versions are %s, %v", data, err)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status lb.Status
		want   []string
	}{
		{lb.Status{HAProxy: lb.HAProxyStatus{Running: true}}, nil},
		{lb.Status{}, []string{"HAProxy is not running"}},
		{lb.Status{HAProxy: lb.HAProxyStatus{Idle: true}}, nil},
		{lb.Status{HAProxy: lb.HAProxyStatus{Running: true}, Problem: "haproxy refused it"}, []string{"haproxy refused it"}},
	} {
		if ready, reasons := c.status.Ready(); ready != (c.want == nil) || !slices.Equal(reasons, c.want) {
			t.Errorf("%+v: %v, %q", c.status, ready, reasons)
		}
	}
}
