package stats_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/stats"
	"thalassa/statsock"
)

// A site is a real HAProxy in front of a server, and a sampler that runs.
type site struct {
	*fixture
	h      *testkit.RunningHAProxy
	master *statsock.Master
	web    string // address
}

func newSite(t *testing.T, binary string, handler http.HandlerFunc) *site {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	web := "127.0.0.1:" + strconv.Itoa(testkit.Port(t))
	h := testkit.RunHAProxy(t, binary, testkit.HAProxyConfig{Address: web, Backend: server.Listener.Addr().String()})
	s := &site{h: h, web: web, master: statsock.NewMaster(h.MasterSocket)}
	s.fixture = &fixture{haproxy: &haproxy{t: t}, sampler: stats.New(stats.Config{
		Client: statsock.New(h.StatsSocket), Master: s.master, Logger: testkit.Logger(t),
	})}
	s.serves(0)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.sampler.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	s.eventually(func() error {
		if s.find(webID) == nil {
			return fmt.Errorf("%s is not there", webID)
		}
		return nil
	})
	return s
}

func (s *site) eventually(check func() error) {
	s.t.Helper()
	testkit.Eventually(s.t, patience/4, check)
}

// serves waits until another worker than one serves, and returns its PID.
func (s *site) serves(before int) (pid int) {
	s.t.Helper()
	s.eventually(func() error {
		info, err := statsock.New(s.h.StatsSocket).ShowInfo(s.t.Context())
		if pid = info.PID; err == nil && (pid == before || info.Stopping) {
			err = fmt.Errorf("worker %d serves", pid)
		}
		return err
	})
	return pid
}

// workers is how many workers live.
func (s *site) workers() int {
	procs, err := s.master.ShowProc(s.t.Context())
	if err != nil {
		return -1
	}
	return len(procs.PIDs())
}

// reload replaces the worker; after Hold, as the agent does, or as others do.
func (s *site) reload(isOurs bool, before int) (pid int) {
	s.t.Helper()
	if isOurs {
		s.sampler.Hold(s.t.Context())
	}
	var asked time.Time
	s.eventually(func() error { // a master that executes itself anew reads no command
		info, err := statsock.New(s.h.StatsSocket).ShowInfo(s.t.Context())
		if pid = info.PID; err == nil && pid != before && !info.Stopping {
			return nil
		}
		if time.Since(asked) > time.Second {
			if _, err := s.master.Reload(s.t.Context()); err == nil {
				asked = time.Now()
			}
		}
		return fmt.Errorf("worker %d serves (%v)", pid, err) //nolint:errorlint // for the message
	})
	return pid
}

// Every request is counted, whatever reloads come: the agent's own in a row, and those
// of others as soon as the sampler has met the worker.
func TestReloadsLoseNoCounts(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, binary.Path, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			load := testkit.StartLoad(t, testkit.LoadConfig{Address: s.web, Fresh: 4, KeepAlive: 4, Pause: 5 * time.Millisecond, For: 2 * time.Minute})
			pid := s.serves(0)
			for i := range 50 {
				isOurs := i%5 != 0
				if !isOurs { // the sampler looks at the workers ten times a second
					<-time.After(300 * time.Millisecond)
				}
				pid = s.reload(isOurs, pid)
			}
			result := load.Stop()
			if result.Failed > 0 || result.Requests < 500 {
				t.Fatalf("%d of %d requests failed: %q", result.Failed, result.Requests, result.Errors)
			}
			s.eventually(func() error {
				if n := s.workers(); n != 1 {
					return fmt.Errorf("%d workers live", n)
				}
				for _, id := range []string{webID, "stat/backend/members", "stat/backend/members/member"} {
					series := s.find(id)
					if got := series.Total[stats.Responses2xx]; got != int64(result.Requests) {
						return fmt.Errorf("%s: counted %d responses, clients got %d", id, got, result.Requests)
					}
				}
				return nil
			})
			s.sampler.Visit(func(series *stats.Series) {
				if series.ID() == webID && series.Total[stats.Requests] < int64(result.Requests) {
					t.Errorf("counted %d requests, clients got %d answers", series.Total[stats.Requests], result.Requests)
				}
			})
		})
	}
}

// A held worker ends soon after its last connection, and not before.
func TestHeldWorkersEndWithTheirLastConnection(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			proceed := make(chan struct{})
			finish := sync.OnceFunc(func() { close(proceed) })
			s := newSite(t, binary.Path, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				<-proceed
			})
			t.Cleanup(finish)                                                          // or the server would wait for its handler
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // idle ones keep a worker, too
			response, err := client.Get("http://" + s.web)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			pid := s.serves(0)
			for range 3 {
				pid = s.reload(true, pid)
			}
			s.eventually(func() error { // the two in between have no connection
				if n := s.workers(); n != 2 {
					return fmt.Errorf("%d workers live", n)
				}
				return nil
			})
			finish()
			if _, err := io.ReadAll(response.Body); err != nil {
				t.Errorf("the long response: %v", err)
			}
			begin := time.Now()
			s.eventually(func() error {
				if n := s.workers(); n != 1 {
					return fmt.Errorf("%d workers live", n)
				}
				return nil
			})
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("the worker ended after %v", took)
			}
			s.eventually(func() error {
				if got := s.total(webID); got != 1 {
					return fmt.Errorf("counted %d requests", got)
				}
				return nil
			})
		})
	}
}

// Where a worker has ended unread, the rates of that tick are unknown, and no dip.
func TestWorkersThatEndUnreadLeaveAGap(t *testing.T) {
	w, web, live, s1, s2 := shop(t)
	w.sample()
	w.set(func() { web.requests = 100 })
	w.sample()
	w.reload(200, frontend("web"), s1, s2, live)
	w.sample()
	w.end()
	for _, want := range []bool{false, true} {
		w.sample()
		if s := w.find(webID); s.Known != want || s.Total[stats.Requests] != 100 {
			t.Errorf("the rate is known: %t, want %t; %d requests", s.Known, want, s.Total[stats.Requests])
		}
	}
}
