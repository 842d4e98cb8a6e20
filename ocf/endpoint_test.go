package ocf_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/ocf"
)

// everywhere is where an agent answers that listens on all addresses.
const everywhere = "127.0.0.2"

// An endpointFixture is the resource of a management endpoint whose address another node has.
type endpointFixture struct {
	t          *testing.T
	port       int
	timeout    time.Duration
	parameters map[string]string
}

func newEndpoint(t *testing.T) *endpointFixture {
	t.Helper()
	f := &endpointFixture{t: t, port: testkit.Port(t), timeout: patience}
	f.parameters = map[string]string{
		"ip": "192.0.2.20", "port": strconv.Itoa(f.port), "restart_time": "100ms", "state": filepath.Join(t.TempDir(), "state"),
	}
	return f
}

func (f *endpointFixture) do(action string) ocf.Result {
	return ocf.DoEndpoint(context.Background(), ocf.Request{Action: action, Parameters: f.parameters, Timeout: f.timeout})
}

func (f *endpointFixture) want(code ocf.Code, action, reason string) {
	f.t.Helper()
	r := f.do(action)
	if r.Code != code || !strings.Contains(r.Reason, reason) || (r.Reason == "") != (reason == "") {
		f.t.Errorf("%s: %s: %q, expected %s: %q", action, r.Code, r.Reason, code, reason)
	}
}

// listen takes the port at an address of the loopback.
func (f *endpointFixture) listen(host string) net.Listener {
	f.t.Helper()
	var l net.Listener
	testkit.Eventually(f.t, patience, func() (err error) { // a connection of before may be closing
		l, err = new(net.ListenConfig).Listen(f.t.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(f.port)))
		return err
	})
	f.t.Cleanup(func() { _ = l.Close() })
	return l
}

// serve answers at an address of the loopback as an agent does.
func (f *endpointFixture) serve(host string, status int, body string, secure bool) *httptest.Server {
	f.t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" || r.Header.Get("Authorization") != "" {
			f.t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	_ = s.Listener.Close()
	s.Listener, s.Config.ErrorLog = f.listen(host), slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if secure {
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		s.StartTLS()
	} else {
		s.Start()
	}
	f.t.Cleanup(s.Close)
	return s
}

const healthy = `{"healthy":true}`

// The resource is started and stopped; the agent is not.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		f := newEndpoint(t)
		f.want(ocf.NotRunning, "monitor", "has not started")
		f.serve(everywhere, http.StatusOK, healthy, secure)
		f.want(ocf.NotRunning, "monitor", "has not started")
		f.want(ocf.OK, "validate-all", "")
		f.want(ocf.NotRunning, "status", "has not started")
		for range 2 {
			f.want(ocf.OK, "start", "")
			f.want(ocf.OK, "monitor", "")
		}
		for range 2 {
			f.want(ocf.OK, "stop", "")
			f.want(ocf.NotRunning, "monitor", "has not started")
		}
		f.want(ocf.OK, "validate-all", "")
		f.want(ocf.Unimplemented, "reload", "unknown action")
	}
}

// A start waits for the agent, and fails without one.
func TestEndpointWaitsForTheAgent(t *testing.T) {
	t.Parallel()
	f := newEndpoint(t)
	begun := make(chan ocf.Result)
	go func() { begun <- f.do("start") }()
	f.serve(everywhere, http.StatusOK, healthy, true)
	if r := <-begun; r.Code != ocf.OK {
		t.Errorf("started before the agent: %+v", r)
	}
	none := newEndpoint(t)
	none.timeout = time.Second
	none.want(ocf.Generic, "start", "host: 0.0.0.0")
	none.want(ocf.NotRunning, "monitor", "has not started")
}

// An agent that is restarted in time has not failed; one that stays away, hangs, does not
// work, or listens elsewhere has.
func TestEndpointJudgesTheAgent(t *testing.T) {
	t.Parallel()
	f := newEndpoint(t)
	agent := f.serve(everywhere, http.StatusOK, healthy, true)
	f.want(ocf.OK, "start", "")
	agent.Close()
	f.want(ocf.Generic, "monitor", "no agent at 127.0.0.2:"+strconv.Itoa(f.port))

	elsewhere := f.serve("127.0.0.1", http.StatusOK, healthy, true)
	f.want(ocf.Generic, "monitor", "listen on all addresses")
	f.want(ocf.Args, "validate-all", "listen on all addresses")
	elsewhere.Close()

	f.parameters["restart_time"] = "30s"
	seen := make(chan ocf.Result)
	go func() { seen <- f.do("monitor") }()
	again := f.serve(everywhere, http.StatusOK, healthy, true)
	if r := <-seen; r.Code != ocf.OK {
		t.Errorf("restarted: %+v", r)
	}
	again.Close()

	f.parameters["restart_time"] = "100ms"
	ill := f.serve(everywhere, http.StatusServiceUnavailable, `{"healthy":false,"reasons":["the loop hangs"]}`, false)
	f.want(ocf.Generic, "monitor", "the loop hangs")
	ill.Close()
	for _, body := range []string{"it works", "{}", "[1]"} {
		other := f.serve(everywhere, http.StatusOK, body, false)
		f.want(ocf.Generic, "monitor", "is no thalassa agent")
		other.Close()
	}

	f.listen(everywhere) // takes connections, as a stopped process does
	f.timeout = time.Second
	begun := time.Now()
	f.want(ocf.Generic, "monitor", "in time")
	if took := time.Since(begun); took >= f.timeout {
		t.Errorf("the monitor took %s", took)
	}
	f.want(ocf.OK, "stop", "")
}

func TestEndpointParameters(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"ip": {"", "lb.example", "127.0.0.1", "0.0.0.0", "::1", "fe80::1%eth0", "192.0.2.20/24"}, "port": {"0", "65536", "http"},
		"restart_time": {"soon", "-1"}, "state": {"state"},
	} {
		for _, value := range values {
			f := newEndpoint(t)
			f.parameters[name] = value
			for _, action := range []string{"start", "monitor", "validate-all"} {
				f.want(ocf.Configured, action, name+": ")
			}
			if name != "state" { // whatever the others are, it can be stopped
				if err := os.WriteFile(f.parameters["state"], nil, 0o600); err != nil {
					t.Fatal(err)
				}
				f.want(ocf.OK, "stop", "")
				if _, err := os.Stat(f.parameters["state"]); err == nil {
					t.Error("it is not stopped")
				}
			}
		}
	}
	text := ocf.DoEndpoint(t.Context(), ocf.Request{Action: "meta-data"}).Output
	for _, name := range ocf.EndpointParameterNames() {
		if !strings.Contains(text, `<parameter name="`+name+`"`) {
			t.Errorf("the metadata lacks %s", name)
		}
	}
	if !strings.Contains(text, `<resource-agent name="agent"`) || !strings.Contains(text, `name="ip" required="1"`) {
		t.Errorf("the metadata is %s", text)
	}
}
