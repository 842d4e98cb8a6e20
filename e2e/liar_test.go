package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A liar stands between an agent and a real Consul, and lies about some services
// or about everything while it is told to.
type liar struct {
	*httptest.Server
	consul string

	mu      sync.Mutex
	lies    map[string]lie // by service; "*": whatever is asked
	changed chan struct{}  // closed when lies changes
}

// A lie answers a request in Consul's place. truth asks Consul.
type lie func(w http.ResponseWriter, r *http.Request, truth http.HandlerFunc)

func newLiar(tb testing.TB, consul string) *liar {
	tb.Helper()
	l := &liar{consul: consul, lies: map[string]lie{}, changed: make(chan struct{})}
	l.Server = httptest.NewServer(l)
	tb.Cleanup(func() {
		l.CloseClientConnections()
		l.Close()
	})
	return l
}

func (l *liar) address() string { return strings.TrimPrefix(l.URL, "http://") }

// tell lies about a service from now on, to those who wait for an answer, too;
// nil: no more.
func (l *liar) tell(service string, what lie) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lies = maps.Clone(l.lies)
	delete(l.lies, service)
	if what != nil {
		l.lies[service] = what
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// about is what is to be said to a request, and what ends that.
func (l *liar) about(r *http.Request) (lie, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	service, _ := strings.CutPrefix(r.URL.Path, "/v1/health/service/")
	what := l.lies[service]
	if what == nil {
		what = l.lies["*"]
	}
	return what, l.changed
}

// ServeHTTP answers with the truth or a lie. A request that waits when that
// changes is answered anew.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for r.Context().Err() == nil {
		what, changed := l.about(r)
		ctx, cancel := context.WithCancel(r.Context())
		go func() {
			defer cancel()
			for {
				select {
				case <-ctx.Done():
					return
				case <-changed:
				}
				var now lie
				if now, changed = l.about(r); (now == nil) != (what == nil) {
					return
				}
			}
		}()
		sent := &sender{ResponseWriter: w}
		truth := func(w http.ResponseWriter, r *http.Request) { l.truth(w, r, body) }
		if what == nil {
			truth(sent, r.WithContext(ctx))
		} else {
			what(sent, r.WithContext(ctx), truth)
		}
		cancel()
		if sent.begun {
			return
		}
	}
}

// A sender knows whether anything was sent.
type sender struct {
	http.ResponseWriter
	begun bool
}

func (s *sender) WriteHeader(code int) { s.begun = true; s.ResponseWriter.WriteHeader(code) }

func (s *sender) Write(p []byte) (int, error) { s.begun = true; return s.ResponseWriter.Write(p) }

func (s *sender) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// truth passes a request on; nothing is sent when it is given up.
func (l *liar) truth(w http.ResponseWriter, r *http.Request, body []byte) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+l.consul+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Header = r.Header
	resp, err := http.DefaultClient.Do(req)
	if r.Context().Err() != nil {
		return
	}
	if err != nil {
		panic(http.ErrAbortHandler) // as Consul hangs up
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer)
}

// fails answers with an error.
func fails(code int, text string) lie {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { http.Error(w, text, code) }
}

// says answers with this, under an index and whatever else the headers are.
func says(body string, header ...string) lie {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("X-Consul-LastContact", "0")
		w.Header().Set("X-Consul-KnownLeader", "true")
		w.Header().Set("X-Consul-Index", "1000000")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		fmt.Fprint(w, body)
	}
}

// once lies once, then tells the truth.
func once(what lie) lie {
	var mu sync.Mutex
	told := false
	return func(w http.ResponseWriter, r *http.Request, truth http.HandlerFunc) {
		mu.Lock()
		first := !told
		told = true
		mu.Unlock()
		if first {
			what(w, r, truth)
			return
		}
		truth(w, r)
	}
}

// hangUp closes the connection.
func hangUp(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) }

// cut sends the half of an answer.
func cut(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, `[{"Node":{"Node":"n`)
}

// drip sends a byte now and then.
func drip(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
	for r.Context().Err() == nil {
		fmt.Fprint(w, "[")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	panic(http.ErrAbortHandler) // the rest never comes
}

// never answers, nor hangs up.
func never(_ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { <-r.Context().Done() }

// anonymous takes the token off, so that Consul shows what everybody may see. It
// does not wait: to the anonymous nothing ever changes.
func anonymous(w http.ResponseWriter, r *http.Request, truth http.HandlerFunc) {
	r.Header.Del("X-Consul-Token")
	r.URL.RawQuery = "stale"
	truth(w, r)
}

// silenced tells the truth at once, but for the nodes: none of them answers
// gossip.
func silenced(w http.ResponseWriter, r *http.Request, truth http.HandlerFunc) {
	r.URL.RawQuery = "stale"
	recorder := httptest.NewRecorder()
	truth(recorder, r)
	var entries []map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &entries); err != nil {
		return // given up
	}
	for _, e := range entries {
		checks, _ := e["Checks"].([]any)
		for _, c := range checks {
			if check, ok := c.(map[string]any); ok && check["CheckID"] == "serfHealth" {
				check["Status"] = "critical"
			}
		}
	}
	maps.Copy(w.Header(), recorder.Header())
	w.Header().Del("Content-Length")
	w.Header().Set("X-Consul-Index", "1000000")
	_ = json.NewEncoder(w).Encode(entries)
}
