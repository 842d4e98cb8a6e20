package ocf_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"thalassa/ocf"
)

// Whatever fails, the first 60 characters of the reason have the cause. Pacemaker keeps 128.
func TestReasonsBeginWithTheirCause(t *testing.T) {
	f := newFixture(t)
	parameters := f.parameters
	with := func(name, value string) map[string]string {
		out := map[string]string{name: value}
		for n, v := range parameters {
			if n != name {
				out[n] = v
			}
		}
		return out
	}
	long := "/" + strings.Repeat("a-long-name/", 12)
	begins := func(what, action string, level int, code ocf.Code, cause string) {
		t.Helper()
		r := f.do(action, level)
		if head := r.Reason[:min(len(r.Reason), 60)]; r.Code != code || !strings.Contains(head, cause) || strings.ContainsAny(r.Reason, "\r\n") {
			t.Errorf("%s: %s, expected %s; %q has no %q in its beginning", what, r.Code, code, r.Reason, cause)
		}
		f.parameters = parameters
	}
	f.parameters = with("stats_socket", long[1:])
	begins("a relative path", "start", 0, ocf.Configured, "stats_socket: is not an absolute path")
	f.parameters = with("drain_time", strings.Repeat("soon", 30))
	begins("a bad time", "validate-all", 0, ocf.Configured, "drain_time: is not a time")
	f.parameters = with("binary", long+"haproxy")
	begins("no program", "start", 0, ocf.Installed, "no such file")
	f.timeout = time.Second
	begins("no file", "start", 0, ocf.Installed, "the configuration is missing")
	f.timeout = patience
	f.write("one")
	f.parameters = with("user", "nobody-of-that-name")
	begins("no user", "validate-all", 0, ocf.Installed, "no such user on this node")
	f.write("one", "frobnicate on")
	begins("a wrong word", "start", 0, ocf.Args, "unknown keyword")
	begins("a wrong word", "validate-all", 0, ocf.Args, "unknown keyword")
	f.write("one", "bind 192.0.2.123:80")
	begins("another node's address", "start", 0, ocf.Args, "cannot bind 192.0.2.123:80: ")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f.write("one", "bind "+taken.Addr().String())
	begins("a used address", "start", 0, ocf.Args, "cannot bind "+taken.Addr().String()+": ")
	f.write("one")
	f.want(ocf.OK, "start", 0)
	f.running(t, with, begins)
}

// running tries what is wrong while HAProxy serves.
func (f *fixture) running(t *testing.T, with func(name, value string) map[string]string, begins func(what, action string, level int, code ocf.Code, cause string)) {
	t.Helper()
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer failing.Close()
	f.parameters = with("check_url", failing.URL)
	begins("a failing service", "monitor", 20, ocf.Degraded, "status 502 Bad Gateway")
	failing.Close()
	f.parameters = with("check_url", failing.URL)
	begins("no service", "monitor", 20, ocf.Generic, "connection refused")
	f.health = func(context.Context, string) ([]string, error) { return nil, errors.New("nobody there") }
	f.parameters = with("agent_url", "http://127.0.0.1:1")
	begins("no agent", "monitor", 10, ocf.Degraded, "no answer from the thalassa agent: nobody there")
	f.health = func(context.Context, string) ([]string, error) {
		return []string{"Consul does not answer for web"}, nil
	}
	f.parameters = with("agent_url", "http://127.0.0.1:1")
	begins("no Consul", "monitor", 10, ocf.Degraded, "Consul does not answer for web")
	f.health = nil
	f.write("two", "frobnicate on")
	begins("a refused file", "monitor", 20, ocf.Degraded, "unknown keyword")
	begins("a refused reload", "reload-agent", 0, ocf.OK, "unknown keyword")
	begins("the monitor after it", "monitor", 10, ocf.Degraded, "unknown keyword")
	freeze(t, f.workers()...)
	f.timeout = 2 * time.Second
	begins("a stall", "monitor", 0, ocf.Generic, "does not answer")
	f.timeout = patience
}
