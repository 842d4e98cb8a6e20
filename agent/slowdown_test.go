package agent_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/agent"
	"thalassa/api/node"
	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/template"
)

// startReal runs an agent of the fixture with a HAProxy that is started for it.
func (fx *fixture) startReal(binary string, change func(*agent.Config)) {
	fx.t.Helper()
	dir, logger := testkit.SocketDir(fx.t), testkit.Logger(fx.t)
	path := func(name string) string { return filepath.Join(dir, name) }
	p := haproxy.New(haproxy.Config{
		Binary: binary, ConfigPath: path("haproxy.cfg"), PIDPath: path("pid"), StatsSocket: path("stats"), MasterSocket: path("master"),
		StartupLog: path("log"), Logger: logger,
	})
	cfg := agent.Config{
		Intents: fx, Source: fx, Journal: fx, Memory: fx, HAProxy: p, Runtime: p, OldWorkers: p.OldWorkers, ReloadBurst: 100, Logger: logger,
		Process: lb.Process{StatsSocket: path("stats"), StateFile: haproxy.StateFile(path("haproxy.cfg")), MaxConn: 100, HardStopAfter: time.Minute},
	}
	change(&cfg)
	a, err := agent.New(cfg)
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.agent = a
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	fx.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			fx.t.Error(err)
		}
		if err := p.Stop(context.Background()); err != nil {
			fx.t.Error(err)
		}
	})
}

// trickling begins a response that goes on until finish is closed; wait returns its body.
func trickling(t *testing.T, fx *fixture, finish chan struct{}) (wait func() string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for open := true; open; {
			select {
			case <-tick.C:
			case <-finish:
				open = false
			case <-r.Context().Done():
				return
			}
			_, _ = io.WriteString(w, ".")
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, "end")
	}))
	t.Cleanup(server.Close)
	port := testkit.Port(t)
	b, err := node.ParseBackend("slow", fmt.Appendf(nil, `{"type":"static","members":[{"host":"127.0.0.1","port":%s}]}`, server.URL[strings.LastIndex(server.URL, ":")+1:]))
	if err != nil {
		t.Fatal(err)
	}
	f, err := node.ParseFrontend("web", fmt.Appendf(nil, `{"bind":"127.0.0.1:%d","backend":"slow"}`, port))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []lb.Edit{{Backend: &b}, {Frontend: &f}} {
		if applied, err := fx.agent.Edit(t.Context(), e); err != nil || !applied.Applied {
			t.Fatalf("%+v, %v", applied, err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true // an idle connection would keep the worker
	response, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return func() string {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Errorf("the response was cut: %v", err)
		}
		return string(body)
	}
}

// Before HAProxy would end an old worker, or old workers use too much memory, reloads wait,
// an event says why, and a response of that worker goes on to its end. Then they wait no more.
func TestRealOldWorkersSlowReloadsDown(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		for cause, bound := range map[string]func(*agent.Config){
			"old workers use":  func(c *agent.Config) { c.OldWorkerMemory = 1 },
			"has seen 2 reloa": func(c *agent.Config) { c.TemplateFile = impatient(t) },
		} {
			t.Run(binary.Version+" "+cause, func(t *testing.T) {
				t.Parallel()
				fx := newFixture(t)
				fx.startReal(binary.Path, bound)
				finish := make(chan struct{})
				body := trickling(t, fx, finish)
				const reloads = 4
				done := make(chan error, reloads)
				go func() {
					for i := range reloads {
						_, err := fx.putNative(fmt.Sprintf("b%d", i), "retries 2")
						done <- err
					}
				}()
				testkit.Eventually(t, 30*time.Second, func() error {
					if fx.count(activity.ReloadsSlowed) == 0 {
						return fmt.Errorf("no reload is slowed down: %v", fx.verbs())
					}
					return nil
				})
				before := fx.count(activity.HAProxyReloaded)
				pause(t.Context(), time.Second)
				if now := fx.count(activity.HAProxyReloaded); now != before || len(done) == reloads {
					t.Errorf("%d reloads while they are slowed down", now-before)
				}
				close(finish)
				if got := body(); !strings.HasSuffix(got, ".end") {
					t.Errorf("the response is %q", got)
				}
				begin := time.Now()
				for range reloads {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				if took := time.Since(begin); took > 8*time.Second {
					t.Errorf("without old workers the reloads took %v", took)
				}
				if got := fx.slowedBecause(); !strings.Contains(got, cause) {
					t.Errorf("the event says %q, want %q", got, cause)
				}
			})
		}
	}
}

// slowedBecause is the cause of the first event that says so.
func (fx *fixture) slowedBecause() string {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	for _, e := range fx.events {
		if e.Verb == activity.ReloadsSlowed {
			return e.Cause
		}
	}
	return ""
}

// impatient is a template with which HAProxy ends a worker that has seen three reloads.
func impatient(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "template")
	text := strings.Replace(template.DefaultSource(), "mworker-max-reloads 1000", "mworker-max-reloads 3", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
