package node_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"thalassa/api/node"
	"thalassa/lb"
)

func TestParseBackend(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want lb.Backend
	}{
		"static": {
			`{"type": "static", "members": [{"host": "10.0.0.1", "port": 80}, {"host": "[::1]", "port": 81, "id": "x", "name": "", "version": "", "lastKnown": 0, "meta": {}}]}`,
			lb.Backend{Type: "static", Balance: "roundrobin", Mode: "http", Members: []lb.StaticMember{{HostPort: lb.HostPort{Host: "10.0.0.1", Port: 80}}, {HostPort: lb.HostPort{Host: "::1", Port: 81}}}},
		},
		"static without members": {`{"type": "static"}`, lb.Backend{Type: "static", Balance: "roundrobin", Mode: "http"}},
		"dynamic": {
			`{"id": "backend/live", "_type": "backend", "key": "live", "type": "dynamic", "name": "shop", "version": "1.0.0", "members": [{"whatever": 1}]}`,
			lb.Backend{Type: "dynamic", Service: "shop", Version: "1.0.0", Balance: "roundrobin", Mode: "http"},
		},
		"all": {
			`{"type": "static", "balance": "leastconn", "host": "Example.org:8080", "mode": "tcp", "natives": ["a"],
			  "health": {"method": "HEAD", "uri": "/h", "httpVersion": "HTTP/1.1", "interval": 500}}`,
			lb.Backend{
				Type: "static", Balance: "leastconn", Mode: "tcp", Host: "Example.org:8080", Natives: []lb.RawLine{"a"},
				Health: &lb.Health{Method: "HEAD", URI: "/h", Version: "HTTP/1.1", Interval: 500 * time.Millisecond},
			},
		},
		"health by default": {
			`{"type": "static", "health": {}}`,
			lb.Backend{
				Type: "static", Balance: "roundrobin", Mode: "http",
				Health: &lb.Health{Method: "GET", URI: "/", Version: "HTTP/1.0", Interval: lb.DefaultCheckInterval},
			},
		},
	} {
		c.want.Key = "live"
		if got, err := node.ParseBackend("live", []byte(c.body)); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", name, err, got, c.want)
		}
	}
}

func TestParseBackendNamesTheBadFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want []string
	}{
		{`{}`, []string{"type"}},
		{`{"type": "random"}`, []string{"type"}},
		{`{"type": "dynamic"}`, []string{"name", "version"}},
		{`{"type": "dynamic", "name": "a b", "version": "1/2"}`, []string{"name", "version"}},
		{`{"type": "static", "name": "shop", "version": "1"}`, []string{"name", "version"}},
		{`{"type": "static", "mode": "udp", "balance": "best"}`, []string{"mode", "balance"}},
		{`{"type": "static", "balance": "roundrobin\n server x"}`, []string{"balance"}},
		{`{"type": "static", "mode": "tcp", "balance": "uri"}`, []string{"balance"}},
		{`{"type": "static", "host": "a b"}`, []string{"host"}},
		{`{"type": "static", "host": "a:0"}`, []string{"host"}},
		{`{"type": "static", "host": "fe80::1:80"}`, []string{"host"}},
		{`{"type": "static", "host": "%[src]"}`, []string{"host"}},
		{`{"type": "static", "health": {"method": "get"}}`, []string{"health.method"}},
		{`{"type": "static", "health": {"method": "` + strings.Repeat("G", 33) + `"}}`, []string{"health.method"}},
		{`{"type": "static", "health": {"uri": "health"}}`, []string{"health.uri"}},
		{`{"type": "static", "health": {"uri": "/a b"}}`, []string{"health.uri"}},
		{`{"type": "static", "health": {"uri": "/a\n"}}`, []string{"health.uri"}},
		{`{"type": "static", "health": {"uri": "/` + strings.Repeat("x", 9000) + `"}}`, []string{"health.uri"}},
		{`{"type": "static", "health": {"httpVersion": "HTTP/2"}}`, []string{"health.httpVersion"}},
		{`{"type": "static", "health": {"httpVersion": "HTTP/1.1"}}`, []string{"host"}},
		{`{"type": "static", "health": {"interval": 0}}`, []string{"health.interval"}},
		{`{"type": "static", "health": {"interval": 86400001}}`, []string{"health.interval"}},
		{`{"type": "static", "health": {"interval": 1.5}}`, []string{"health.interval"}},
		{`{"type": "static", "health": {"interval": 99999999999999999999}}`, []string{"health.interval"}},
		{`{"type": "static", "health": {"intervall": 1}}`, []string{"health.intervall"}},
		{`{"type": "static", "health": true}`, []string{"health"}},
		{`{"type": "static", "natives": ["global"]}`, []string{"natives[0]"}},
		{`{"type": "static", "members": {"host": "a", "port": 1}}`, []string{"members"}},
		{
			`{"type": "static", "members": [{"host": "10.0.0.1", "port": 80}, {"host": "a b", "port": 0}, {"port": 70000}]}`,
			[]string{"members[1].host", "members[1].port", "members[2].host", "members[2].port"},
		},
		{`{"type": "static", "members": [{"host": "", "port": 80}, {"host": " ", "port": 80}]}`, []string{"members[0].host", "members[1].host"}},
		{`{"type": "static", "members": [{"host": "10.0.0.1", "port": 80}, {"host": "10.0.0.1", "port": 80}]}`, []string{"members[1]"}},
		{
			`{"type": "static", "members": [{"host": "0.0.0.0", "port": 80}, {"host": "10.0.0.1", "port": 80}, {"host": "::ffff:0.0.0.0", "port": 80}, {"host": "::", "port": 80}]}`,
			[]string{"members[0].host", "members[2].host", "members[3].host"},
		},
		{
			`{"type": "static", "members": [{"host": "224.0.0.1", "port": 80}, {"host": "ff02::1", "port": 80}, {"host": "10.0.0.1", "port": 80}, {"host": "255.255.255.255", "port": 80}, {"host": "::ffff:239.1.1.1", "port": 80}]}`,
			[]string{"members[0].host", "members[1].host", "members[3].host", "members[4].host"},
		},
		{`{"type": "static", "members": [{"host": "10.0.0.1", "port": "80", "wight": 1}]}`, []string{"members[0].port", "members[0].wight"}},
		{`{"type": "static", "id": "frontend/live"}`, []string{"id"}},
	} {
		_, err := node.ParseBackend("live", []byte(c.body))
		if got := paths(err); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.200s\ngot  %q (%v)\nwant %q", c.body, got, err, c.want)
		}
	}
}

func TestBalance(t *testing.T) {
	t.Parallel()
	both := []string{"roundrobin", "static-rr", "leastconn", "first", "source", "random", "random(2)", "rdp-cookie", "rdp-cookie(name)", "hash src"}
	http := []string{"uri", "uri whole", "uri len 8 depth 2 path-only", "url_param id", "url_param id check_post", "hdr(Host)", "hdr(host) use_domain_only"}
	bad := []string{"Roundrobin", "random(0)", "random()", "uri depth", "url_param", "hdr", "hdr(a b)", "hash", "hash a b", "source ", "roundrobin #"}
	parse := func(balance, mode string) error {
		_, err := node.ParseBackend("live", []byte(`{"type": "static", "balance": "`+balance+`", "mode": "`+mode+`"}`))
		return err
	}
	for _, b := range both {
		if err := parse(b, "tcp"); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	}
	for _, b := range append(both, http...) {
		if err := parse(b, "http"); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	}
	for _, b := range http {
		if parse(b, "tcp") == nil {
			t.Errorf("%s is taken in mode tcp", b)
		}
	}
	for _, b := range bad {
		if parse(b, "http") == nil {
			t.Errorf("%s is taken", b)
		}
	}
}

func TestHostHeader(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"example.org", "example.org:8080", "10.0.0.1", "10.0.0.1:80", "[::1]", "[::1]:80", "localhost"} {
		got, err := node.ParseBackend("live", []byte(`{"type": "static", "host": "`+host+`"}`))
		if err != nil || got.Host != host {
			t.Errorf("%s: %q, %v", host, got.Host, err)
		}
	}
}

const split = `{"type": "dynamic", "name": "shop", "versions": {"1.1.0": 10, "1.0.0": 90}}`

func TestParseBackendWithVersions(t *testing.T) {
	t.Parallel()
	want := lb.Split{{Version: "1.0.0", Weight: 90}, {Version: "1.1.0", Weight: 10}}
	b := backend(t, "live", split)
	if b.Version != "" || !reflect.DeepEqual(b.Versions, want) || b.Selection() != "1.0.0=90,1.1.0=10" || !reflect.DeepEqual(b.Split(), want) {
		t.Errorf("%+v", b)
	}
	data, err := json.Marshal(node.NewBackendDefinition(b))
	if err != nil || !strings.Contains(string(data), `"name":"shop","versions":{"1.0.0":90,"1.1.0":10},"balance"`) || strings.Contains(string(data), `"version":`) {
		t.Errorf("%s, %v", data, err)
	}
	if again := backend(t, "live", string(data)); !reflect.DeepEqual(again, b) {
		t.Errorf("put back: %+v", again)
	}
	plain := backend(t, "live", `{"type": "dynamic", "name": "shop", "version": "1.0.0", "versions": null}`)
	if plain.Versions != nil || plain.Selection() != "1.0.0" || plain.Split().String() != "1.0.0=100" {
		t.Errorf("%+v", plain)
	}
	if static := backend(t, "x", `{"type": "static"}`); static.Split() != nil || static.Selection() != "" {
		t.Errorf("a static backend has %v, %q", static.Split(), static.Selection())
	}
}

func TestParseBackendNamesTheBadVersions(t *testing.T) {
	t.Parallel()
	many := make([]string, 0, 17)
	for v := range 17 {
		many = append(many, `"v`+strings.Repeat("i", v)+`": 1`)
	}
	for versions, want := range map[string][]string{
		`{}`:                                    {"versions"},
		`[]`:                                    {"versions"},
		`"1.0.0"`:                               {"versions"},
		`{"1": 0}`:                              {"versions"},
		`{"1": 0, "2": 0}`:                      {"versions"},
		`{"1": -1}`:                             {`versions["1"]`},
		`{"1": 1.5, "2": 1}`:                    {`versions["1"]`},
		`{"1": "90", "2": 10001}`:               {`versions["1"]`, `versions["2"]`},
		`{"1": null}`:                           {`versions["1"]`},
		`{"1": 99999999999999999999}`:           {`versions["1"]`},
		`{"a b": 1, "": 1, "1\nbackend x": 1}`:  {`versions["a b"]`, `versions[""]`, `versions["1\nbackend x"]`},
		`{"1": 90, "1": 10}`:                    {`versions["1"]`},
		`{` + strings.Join(many, ", ") + `}`:    {"versions"},
		`{"1": 90}, "version": "1"`:             {"versions"},
		`{"1": 90}, "balance": "first"`:         {"balance"},
		`{"1": 90}, "type": "static"`:           {"name", "versions"},
		`{"1": 90}, "version": "a b"`:           {"versions"},
		`{"1": {"1": 1}}, "balance": "fastest"`: {"balance", `versions["1"]`},
	} {
		body := `{"name": "shop", "versions": ` + versions + `}`
		if !strings.Contains(versions, `"type"`) {
			body = `{"type": "dynamic", ` + body[1:]
		}
		_, err := node.ParseBackend("live", []byte(body))
		if got := paths(err); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %q (%v)\nwant %q", body, got, err, want)
		}
	}
}

func TestParseSwitchWithVersions(t *testing.T) {
	t.Parallel()
	got, err := node.ParseSwitch("live", []byte(`{"versions": {"2": 5, "1": 95}, "wait": "1s"}`))
	if err != nil || got.Version != "" || got.Versions.String() != "1=95,2=5" || got.Wait == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for body, want := range map[string]string{
		`{"version": "1", "versions": {"1": 1}}`: "versions", `{"versions": {"1": 0}}`: "versions", `{"versions": {"1": "1"}}`: `versions["1"]`,
		`{"versions": null}`: "version",
	} {
		_, err := node.ParseSwitch("live", []byte(body))
		if got := paths(err); !reflect.DeepEqual(got, []string{want}) {
			t.Errorf("%s: %q, want %s", body, got, want)
		}
	}
}

func frontend(tb testing.TB, key, body string) lb.Frontend {
	tb.Helper()
	f, err := node.ParseFrontend(key, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func backend(tb testing.TB, key, body string) lb.Backend {
	tb.Helper()
	b, err := node.ParseBackend(key, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	snap := lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": {Instances: []lb.Instance{
		{Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Version: "1", Weight: 1, Healthy: true, Meta: map[string]string{"pid": "7"}},
	}}}}
	frontends := []lb.Frontend{
		frontend(t, "web", `{"bind": "*:80", "backend": "live", "rules": [{"type": "path", "operation": "path", "value": "/", "backend": "api"}]}`),
		frontend(t, "queue", `{"bind": "*:5672", "backend": "raw", "mode": "tcp"}`),
		frontend(t, "full", `{"bind": "[::1]:80,example.org:81", "keepalive": "server-close", "natives": ["# it's"], "register": {"name": "edge"},
		"rules": [{"type": "header", "header": "Host", "operation": "hdr_reg", "value": "^a\\.b$ \"c\"", "backend": "api"}]}`),
	}
	backends := []lb.Backend{
		backend(t, "live", `{"type": "dynamic", "name": "shop", "version": "1"}`),
		backend(t, "raw", `{"type": "dynamic", "name": "queue", "versions": {"1": 90, "2": 10}, "mode": "tcp"}`),
		backend(t, "full", `{"type": "static", "host": "a", "health": {"interval": 5}, "natives": ["x", "y"], "members": [{"host": "::1", "port": 1}, {"host": "a.b", "port": 2}]}`),
	}
	for _, f := range frontends {
		data, err := json.Marshal(node.NewFrontend(f))
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := node.ParseFrontend(string(f.Key), data); err != nil || !reflect.DeepEqual(f, parsed) {
			t.Errorf("%v: %s\n%+v\n%+v", err, data, f, parsed)
		}
	}
	for _, b := range backends {
		data, err := json.Marshal(node.NewBackendDefinition(b))
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := node.ParseBackend(string(b.Key), data); err != nil || !reflect.DeepEqual(b, parsed) {
			t.Errorf("%v: %s\n%+v\n%+v", err, data, b, parsed)
		}
		// What a listing shows, members of Consul included, can be put back.
		shown, err := json.Marshal(node.NewBackend(lb.Populate(b, snap)))
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := node.ParseBackend(string(b.Key), shown); err != nil || !reflect.DeepEqual(b, parsed) {
			t.Errorf("%v: %s\n%+v\n%+v", err, shown, b, parsed)
		}
	}
}
