package plan_test

import (
	"slices"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/plan"
)

// base is the configuration that the cases below change.
func base() lb.Config {
	return lb.Config{
		Process: lb.Process{StatsSocket: "/run/haproxy.sock", MaxConn: 4096},
		Frontends: []lb.Frontend{{
			Key: "web", Mode: "http", Keepalive: "default", Backend: "live", Binds: []lb.Bind{{Port: 80}, {Host: "::1", Port: 81}},
			Rules:   []lb.Rule{{Type: "path", Operation: "path_beg", Values: []string{"/api", "/v1"}, Backend: "api"}},
			Natives: []lb.RawLine{"option forwardfor", "maxconn 10"},
		}},
		Backends: []lb.ResolvedBackend{
			{Backend: lb.Backend{Key: "api", Type: "static", Mode: "http", Balance: "roundrobin"}},
			{
				Backend: lb.Backend{Key: "live", Type: "dynamic", Service: "shop", Version: "1.0.0", Mode: "http", Balance: "roundrobin"},
				Members: members("127.0.0.1:9000", "127.0.0.1:9001"),
			},
		},
	}
}

func members(addresses ...string) []lb.Member {
	list := make([]lb.Member, len(addresses))
	for i, s := range addresses {
		b, err := lb.ParseBind(s)
		if err != nil {
			panic(err)
		}
		list[i] = lb.Member{Address: lb.HostPort(b), Weight: 1}
	}
	return list
}

func TestCompute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*lb.Config)
		want   []string // of Diff
	}{
		{"nothing", func(*lb.Config) {}, nil},
		{"settings", func(c *lb.Config) {
			c.Process.MaxConn, c.Process.User, c.Process.Group = 0, "haproxy", "adm"
			c.Process.Log, c.Process.HardStopAfter = "/dev/log local0", time.Minute
			c.Process.StatsBind, c.Process.SocketUser = &lb.Bind{Port: 1988}, "root"
		}, []string{
			"process settings: stats socket /run/haproxy.sock → /run/haproxy.sock of root",
			"process settings: user none → haproxy",
			"process settings: group none → adm",
			"process settings: log none → /dev/log local0",
			"process settings: maxconn 4096 → none",
			"process settings: hard-stop-after none → 1m0s",
			"process settings: stats bind none → *:1988",
		}},
		{"frontend created and removed", func(c *lb.Config) {
			c.Frontends[0].Key, c.Frontends[0].Binds = "admin", []lb.Bind{{Port: 82}}
		}, []string{"frontend/admin created", "frontend/web removed"}},
		{"frontends gone", func(c *lb.Config) { c.Frontends = nil }, []string{
			"backend/api keepalive: pretended → default", "backend/live keepalive: pretended → default", "frontend/web removed",
		}},
		{
			"bind", func(c *lb.Config) { c.Frontends[0].Binds = []lb.Bind{{Host: "::1", Port: 81}, {Port: 8080}} },
			[]string{"frontend/web bind: -*:80", "frontend/web bind: +*:8080"},
		},
		{
			"bind in another order", func(c *lb.Config) { slices.Reverse(c.Frontends[0].Binds) },
			[]string{"frontend/web bind: another order, from [::1]:81"},
		},
		{"default backend", func(c *lb.Config) { c.Frontends[0].Backend = "" }, []string{
			"backend/live keepalive: pretended → default", "frontend/web backend: live → none",
		}},
		{"keepalive", func(c *lb.Config) { c.Frontends[0].Keepalive = "close" }, []string{
			"backend/api keepalive: pretended → default", "backend/live keepalive: pretended → default",
			"frontend/web keepalive: default → close",
		}},
		{"keepalive that closes as well", func(c *lb.Config) { c.Frontends[0].Keepalive = "server-close" }, []string{
			"backend/api keepalive: pretended → default", "backend/live keepalive: pretended → default",
		}},
		{"mode", func(c *lb.Config) { c.Frontends[0].Mode, c.Frontends[0].Rules = "tcp", nil }, []string{
			"backend/api keepalive: pretended → default", "backend/live keepalive: pretended → default",
			"frontend/web mode: http → tcp", "frontend/web rules: -path_beg /api /v1 to backend/api",
		}},
		{
			"natives", func(c *lb.Config) { c.Frontends[0].Natives = []lb.RawLine{"option forwardfor", "maxconn 20"} },
			[]string{"frontend/web natives: -maxconn 10", "frontend/web natives: +maxconn 20"},
		},
		{"rules", func(c *lb.Config) {
			c.Frontends[0].Rules = append(c.Frontends[0].Rules, lb.Rule{Type: "header", Header: "host", Operation: "hdr_dom", Values: []string{"example.org"}, Backend: "live"})
		}, []string{"frontend/web rules: +hdr_dom(host) example.org to backend/live"}},
		{"announced as", func(c *lb.Config) { c.Frontends[0].Register = "shop" }, nil},
		{"backend created", func(c *lb.Config) {
			c.Backends = append(c.Backends, lb.ResolvedBackend{Backend: lb.Backend{Key: "next", Mode: "http", Balance: "source"}})
		}, []string{"backend/next created"}},
		{"backend removed", func(c *lb.Config) { c.Backends = c.Backends[1:] }, []string{"backend/api removed"}},
		{
			"members", func(c *lb.Config) { c.Backends[1].Members = members("127.0.0.1:9001", "[::1]:9002") },
			[]string{"backend/live members: -127.0.0.1:9000", "backend/live members: +[::1]:9002"},
		},
		{
			"weight", func(c *lb.Config) { c.Backends[1].Members[0].Weight = 5 },
			[]string{"backend/live weight: 127.0.0.1:9000 weight 1 → 5"},
		},
		{"version with other members", func(c *lb.Config) {
			c.Backends[1].Version, c.Backends[1].Members = "1.1.0", members("127.0.0.1:9001")
		}, []string{"backend/live members: -127.0.0.1:9000", "backend/live version: 1.0.0 → 1.1.0"}},
		{"versions that share the traffic", func(c *lb.Config) {
			c.Backends[1].Version, c.Backends[1].Versions = "", lb.Split{{Version: "1.0.0", Weight: 90}, {Version: "1.1.0", Weight: 10}}
			c.Backends[1].Members[0].Weight = 9
		}, []string{"backend/live version: 1.0.0 → 1.0.0=90,1.1.0=10", "backend/live weight: 127.0.0.1:9000 weight 1 → 9"}},
		{"version with the same members", func(c *lb.Config) { c.Backends[1].Version = "1.1.0" }, nil},
		{"service and version", func(c *lb.Config) {
			c.Backends[1].Service, c.Backends[1].Version, c.Backends[1].Members = "store", "2", nil
		}, []string{
			"backend/live members: -127.0.0.1:9000", "backend/live members: -127.0.0.1:9001", "backend/live version: shop 1.0.0 → store 2",
		}},
		{"dynamic becomes static", func(c *lb.Config) {
			c.Backends[1].Backend = lb.Backend{Key: "live", Type: "static", Mode: "http", Balance: "roundrobin"}
			c.Backends[1].Members = c.Backends[1].Members[:1]
		}, []string{"backend/live members: -127.0.0.1:9001", "backend/live version: shop 1.0.0 → static"}},
		{"what Consul says beside", func(c *lb.Config) {
			c.Backends[1].Members[0].Meta = map[string]string{"pid": "7"}
			c.Backends[1].Members[0].LastKnown = time.Unix(1, 0)
		}, nil},
		{"balance", func(c *lb.Config) { c.Backends[0].Balance = "leastconn" }, []string{"backend/api balance: roundrobin → leastconn"}},
		{"host", func(c *lb.Config) { c.Backends[0].Host = "example.org" }, []string{"backend/api host: none → example.org"}},
		{
			"host that nobody sees", func(c *lb.Config) { c.Backends[0].Mode, c.Backends[0].Host = "tcp", "example.org" },
			[]string{"backend/api mode: http → tcp"},
		},
		{"health", func(c *lb.Config) {
			c.Backends[1].Health = &lb.Health{Method: "GET", URI: "/", Version: "HTTP/1.0", Interval: 2 * time.Second}
		}, []string{"backend/live health: none → GET / HTTP/1.0"}},
		{
			"interval of nobody's checks", func(c *lb.Config) {
				c.Backends[0].Health = &lb.Health{Method: "GET", URI: "/", Version: "HTTP/1.0", Interval: time.Second}
			},
			[]string{"backend/api health: none → GET / HTTP/1.0"},
		},
		{"health at another interval", func(c *lb.Config) {
			c.Backends[1].Health = &lb.Health{Method: "GET", URI: "/", Version: "HTTP/1.0", Interval: 500 * time.Millisecond}
		}, []string{"backend/live health: connect every 2s → GET / HTTP/1.0 every 500ms"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			running, wanted := base(), base()
			c.change(&wanted)
			change := plan.Compute(&running, wanted)
			if got := change.Diff(); !slices.Equal(got, c.want) {
				t.Errorf("got\n%q\nwant\n%q", got, c.want)
			}
			if change.Empty() != (len(c.want) == 0) {
				t.Errorf("Empty() = %v", change.Empty())
			}
		})
	}
}

func TestComputeFromNothingKnown(t *testing.T) {
	t.Parallel()
	change := plan.Compute(nil, base())
	if got, want := change.Diff(), []string{"process unknown"}; !slices.Equal(got, want) || change.Empty() {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestComputeLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	running, wanted := base(), base()
	wanted.Backends[1].Members = members("127.0.0.1:9001", "127.0.0.1:8000")
	first := plan.Compute(&running, wanted).Diff()
	if second := plan.Compute(&running, wanted).Diff(); !slices.Equal(first, second) {
		t.Errorf("first %q, then %q", first, second)
	}
	if again := base(); !plan.Compute(&again, running).Empty() {
		t.Error("the running configuration was changed")
	}
}

func TestChangeWithoutRunTime(t *testing.T) {
	t.Parallel()
	running := plan.Layout(nil, lb.Config{Backends: []lb.ResolvedBackend{poolOf("1")}})
	wanted := plan.Layout(plan.SlotsOf(running), lb.Config{Backends: []lb.ResolvedBackend{poolOf("1 2")}})
	change := plan.Compute(&running, wanted)
	if got := change.Without(""); got.Servers != 1 || len(got.Reload) != 0 {
		t.Errorf("nothing is lacking: %+v", got)
	}
	got := change.Without("level admin")
	want := []string{"backend/live members: +10.0.0.2:80", "process runtime: the stats socket lacks level admin"}
	if got.Servers+len(got.Runtime) != 0 || !slices.Equal(reasonTexts(got.Reload), want) {
		t.Errorf("got %+v", got)
	}
	if got := plan.Compute(&running, running).Without("level admin"); !got.Empty() {
		t.Errorf("nothing is to be done: %+v", got)
	}
}
