package discovery_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/consul"
	"thalassa/discovery"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

func TestWatcherOutlivesConsul(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	log := &testkit.Log{}
	w := watch(t, discovery.Config{Address: consul.Address(), Logger: loggerTo(log)}, "web", "api", "empty")
	consul.Register(testkit.Instance{Service: "web", Port: 80})
	consul.Register(testkit.Instance{Service: "api", Port: 81})
	seen := map[lb.Name]time.Time{}
	for _, name := range []lb.Name{"web", "api"} {
		seen[name] = await(t, w, name, "an instance", instances(1)).Seen
	}
	await(t, w, "empty", "an answer", instances(0))

	drain(w)
	consul.Kill()
	for _, name := range []lb.Name{"web", "api"} {
		got := await(t, w, name, "the reason", stale("connection"))
		if len(got.Instances) != 1 || got.Seen.Before(seen[name]) {
			t.Errorf("%s is %+v, want the last good instance and when it was seen", name, got)
		}
	}
	expectPoke(t, w)
	w.Want([]lb.Name{"web", "api", "late"})
	eventually(t, "the reason that late has no answer", func() bool { return strings.Contains(w.Snapshot().Unanswered["late"], "refused") })

	consul.StartAgain()
	consul.Register(testkit.Instance{Service: "web", Port: 8080})
	consul.Register(testkit.Instance{Service: "late", Port: 82})
	await(t, w, "web", "what the new Consul says", func(s lb.Service) bool {
		return s.Stale == "" && len(s.Instances) == 1 && s.Instances[0].Address.Port == 8080
	})
	await(t, w, "late", "an instance", instances(1))
	await(t, w, "api", "the new Consul's answer", instances(0))
	consul.SetStatus("web", "critical")
	await(t, w, "web", "a change in the new Consul", status("critical"))
	eventually(t, "the end of the outage in the log", func() bool { return strings.Contains(log.String(), "answers again") })
	if n := strings.Count(log.String(), "does not answer"); n != 1 {
		t.Errorf("logged the outage %d times, want once:\n%s", n, log)
	}
}

func TestWatcherStartsBeforeConsul(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	consul.Stop()
	w := watch(t, discovery.Config{Address: consul.Address()}, "web")
	eventually(t, "the reason", func() bool { return strings.Contains(w.Snapshot().Unanswered["web"], "connection refused") })
	if _, known := w.Snapshot().Services["web"]; known {
		t.Error("web is in the snapshot though nobody has answered for it")
	}
	consul.StartAgain()
	await(t, w, "web", "an answer", instances(0))
	if got := w.Snapshot().Unanswered; len(got) != 0 {
		t.Errorf("unanswered %v, want nothing", got)
	}
}

func TestWatcherLeavesNothingBehind(t *testing.T) { // counts goroutines: not parallel
	consul := testkit.Consul(t)
	d := newDoor(t, consul.Address())
	before := runtime.NumGoroutine()
	w, err := discovery.New(discovery.Config{Address: d.address()})
	if err != nil {
		t.Fatal(err)
	}
	var names []lb.Name
	for i := range 60 { // with both kinds of watches
		names = append(names, lb.Name("s"+strconv.Itoa(i)))
	}
	w.Want(names)
	stop := run(t, w.Run)
	eventually(t, "all answers", func() bool { return len(w.Snapshot().Services) == len(names) })
	stop()
	eventually(t, "all connections closed", func() bool { now, _, _ := d.counts(); return now == 0 })
	eventually(t, "all goroutines gone", func() bool { return runtime.NumGoroutine() <= before })
	if len(w.Snapshot().Services) != len(names) {
		t.Error("the snapshot went away with Run")
	}
}

// A liar answers in Consul's place.
type liar struct {
	*httptest.Server

	mu      sync.Mutex
	answer  http.HandlerFunc
	queries []string
}

func newLiar(t *testing.T, answer http.HandlerFunc) *liar {
	t.Helper()
	l := &liar{answer: answer}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.queries = append(l.queries, r.URL.RawQuery)
		answer := l.answer
		l.mu.Unlock()
		w.Header().Set("X-Consul-LastContact", "0")
		w.Header().Set("X-Consul-KnownLeader", "true")
		answer(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *liar) set(answer http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
	l.queries = nil
}

func (l *liar) asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queries
}

// oneInstance is a proper answer that never changes.
func oneInstance(index int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-Index", strconv.Itoa(index))
		if r.URL.Query().Get("index") == strconv.Itoa(index) {
			pause(r, time.Second)
		}
		fmt.Fprint(w, `[{"Node":{"Node":"n","Address":"10.0.0.1"},"Service":{"ID":"web","Service":"web","Port":80},"Checks":[]}]`)
	}
}

// pause holds an answer back.
func pause(r *http.Request, d time.Duration) {
	select {
	case <-r.Context().Done():
	case <-time.After(d):
	}
}

func TestWatcherBelievesNoLiar(t *testing.T) {
	t.Parallel()
	statusOf := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, code) }
	}
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Consul-Index", "9")
			fmt.Fprint(w, body)
		}
	}
	lies := map[string]struct {
		answer http.HandlerFunc
		reason string
	}{
		"no leader":            {statusOf(500, "No cluster leader"), "HTTP 500: No cluster leader"},
		"too many":             {statusOf(429, "Your IP is issuing too many concurrent connections"), "HTTP 429"},
		"forbidden":            {statusOf(403, "line one\nline two\x00"), "HTTP 403: line one line two"},
		"not found":            {statusOf(404, ""), "HTTP 404"},
		"half":                 {text(`[{"Node":{"Node":"n`), "connection was closed"},
		"no JSON":              {text(`<html>`), "malformed"},
		"another type":         {text(`{"Node":1}`), "malformed"},
		"another type deep in": {text(`[{"Service":{"Port":"80"}}]`), "malformed"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "HTTP 302"},
		"hung up":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "connection was closed"},
		"never":                 {func(_ http.ResponseWriter, r *http.Request) { pause(r, patience) }, "no answer in time"},
		"a byte now and then":   {drip, "no answer in time"},
		"more than fits":        {flood, "too large"},
		"leaderless but polite": {leaderless, "no leader"},
		"filtered": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
			text(`[]`)(w, r)
		}, "filtered"},
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := 2 * time.Second
			if name == "more than fits" {
				if testing.Short() {
					t.Skip("reads 32 MiB")
				}
				timeout = patience
			}
			l := newLiar(t, oneInstance(5))
			w := watch(t, discovery.Config{Address: l.URL, WaitTime: 500 * time.Millisecond, Timeout: timeout}, "web")
			await(t, w, "web", "an instance", instances(1))
			l.set(lie.answer)
			got := await(t, w, "web", "the reason", stale(lie.reason))
			if len(got.Instances) != 1 {
				t.Errorf("instances %+v, want the one known before", got.Instances)
			}
			l.set(oneInstance(5))
			await(t, w, "web", "confirmed again", confirmed)
		})
	}
}

func drip(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		fmt.Fprint(w, "[")
		w.(http.Flusher).Flush()
		pause(r, 100*time.Millisecond)
	}
}

func flood(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "[")
	blank := strings.Repeat(" ", 1<<20)
	for r.Context().Err() == nil {
		if _, err := fmt.Fprint(w, blank); err != nil {
			return
		}
	}
}

func leaderless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Consul-KnownLeader", "false")
	w.Header().Set("X-Consul-Index", "9")
	fmt.Fprint(w, "[]")
}

func TestWatcherStartsOverWhenTheIndexGoesBackwards(t *testing.T) {
	t.Parallel()
	l := newLiar(t, oneInstance(5))
	w := watch(t, discovery.Config{Address: l.URL}, "web")
	await(t, w, "web", "an instance", instances(1))
	l.set(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("index") == "5" { // of the state that was lost
			w.Header().Set("X-Consul-Index", "2")
			fmt.Fprint(w, `[]`)
			return
		}
		oneInstance(3)(w, r)
	})
	await(t, w, "web", "the index of the new state", func(s lb.Service) bool { return s.Index == 3 })
	eventually(t, "a blocking query on the new index", func() bool { return strings.Contains(strings.Join(l.asked(), " "), "index=3") })
	if first := l.asked()[1]; strings.Contains(first, "index=") {
		t.Errorf("after the index went back asked %q, want a query without an index", first)
	}
	if got := w.Snapshot().Services["web"]; len(got.Instances) != 1 || got.Stale != "" {
		t.Errorf("web is %+v, want its instance", got)
	}
}

func TestWatcherDoesNotSpinOnALiar(t *testing.T) {
	t.Parallel()
	for name, index := range map[string]func(n int) string{
		"without an index":            func(int) string { return "" },
		"index zero":                  func(int) string { return "0" },
		"index up and down":           func(n int) string { return strconv.Itoa(5 + n%2) },
		"always another index":        func(n int) string { return strconv.Itoa(5 + n) },
		"the same index without wait": func(int) string { return "5" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			n := 0
			l := newLiar(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				n++
				w.Header().Set("X-Consul-Index", index(n))
				mu.Unlock()
				fmt.Fprint(w, `[]`)
			})
			w := watch(t, discovery.Config{Address: l.URL}, "web")
			await(t, w, "web", "an answer", func(lb.Service) bool { return true })
			pauseTest(t, 3*time.Second)
			asked := l.asked()
			if len(asked) < 2 || len(asked) > 60 {
				t.Errorf("asked %d times in three seconds, want a few", len(asked))
			}
			for _, q := range asked {
				if strings.Contains(q, "index=0") {
					t.Errorf("asked %q: an index below 1", q)
				}
			}
		})
	}
}

func pauseTest(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}

func TestWatcherSpeaksUnixAndPrefixes(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "consul.sock")
	consul := testkit.Consul(t, `addresses { http = "127.0.0.1 unix://`+socket+`" }`)
	consul.Register(testkit.Instance{Service: "web", Port: 80})
	t.Run("unix socket", func(t *testing.T) {
		w := watch(t, discovery.Config{Address: "unix://" + socket}, "web")
		await(t, w, "web", "an instance", instances(1))
		consul.SetStatus("web", "critical")
		await(t, w, "web", "a change", status("critical"))
	})
	t.Run("reverse proxy", func(t *testing.T) {
		l := newLiar(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/consul/v1/health/service/web" || r.URL.Query().Get("dc") != "east" || r.URL.Query().Get("ns") != "shop" {
				http.Error(w, r.URL.String(), http.StatusNotFound)
				return
			}
			oneInstance(5)(w, r)
		})
		w := watch(t, discovery.Config{Address: l.URL + "/consul/", Datacenter: "east", Namespace: "shop"}, "web")
		await(t, w, "web", "an instance", instances(1))
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]discovery.Config{
		"a scheme nobody knows":  {Address: "ftp://host:1"},
		"credentials":            {Address: "http://user:secret@host:1"},
		"a query":                {Address: "host:8500?x=1"},
		"a relative socket":      {Address: "unix://consul.sock"},
		"TLS over http":          {Address: "http://host:1", TLS: consul.TLSConfig{ServerName: "x"}},
		"a CA that is not there": {Address: "https://host:1", TLS: consul.TLSConfig{CAFile: "/nonexistent"}},
		"a key without a cert":   {Address: "https://host:1", TLS: consul.TLSConfig{KeyFile: "/nonexistent"}},
		"few connections":        {MaxConns: 3},
		"a negative wait":        {WaitTime: -1},
		"an hour's wait":         {WaitTime: time.Hour},
		"a negative timeout":     {Timeout: -1},
	} {
		_, err := discovery.New(cfg)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
	for _, address := range []string{"", "host", "host:8500", "[::1]:8500", "http://host", "https://host:8501/consul", "unix:///run/consul.sock"} {
		if _, err := discovery.New(discovery.Config{Address: address}); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}
