package lb_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

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
			lb.Backend{Type: "static", Balance: "roundrobin", Mode: "http", Members: []lb.HostPort{{Host: "10.0.0.1", Port: 80}, {Host: "::1", Port: 81}}},
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
				Type: "static", Balance: "leastconn", Mode: "tcp", Host: "Example.org:8080", Natives: []lb.Native{"a"},
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
		if got, err := lb.ParseBackend("live", []byte(c.body)); err != nil || !reflect.DeepEqual(got, c.want) {
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
		{`{"type": "static", "members": [{"host": "10.0.0.1", "port": "80", "wight": 1}]}`, []string{"members[0].port", "members[0].wight"}},
		{`{"type": "static", "id": "frontend/live"}`, []string{"id"}},
	} {
		_, err := lb.ParseBackend("live", []byte(c.body))
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
		_, err := lb.ParseBackend("live", []byte(`{"type": "static", "balance": "`+balance+`", "mode": "`+mode+`"}`))
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
		got, err := lb.ParseBackend("live", []byte(`{"type": "static", "host": "`+host+`"}`))
		if err != nil || got.Host != host {
			t.Errorf("%s: %q, %v", host, got.Host, err)
		}
	}
}

func TestCheckInterval(t *testing.T) {
	t.Parallel()
	if got := (lb.Backend{}).CheckInterval(); got != 2*time.Second {
		t.Errorf("without a check: %v", got)
	}
	if got := (lb.Backend{Health: &lb.Health{Interval: time.Minute}}).CheckInterval(); got != time.Minute {
		t.Errorf("with one: %v", got)
	}
}
