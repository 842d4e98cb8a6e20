package clusters_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/clusters"
	"thalassa/internal/testkit"
)

// A recorder counts the warnings of a log.
type recorder struct {
	slog.Handler
	mu       sync.Mutex
	warnings []string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }

func (r *recorder) WithAttrs([]slog.Attr) slog.Handler { return r }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	if record.Level < slog.LevelWarn {
		return nil
	}
	text := record.Message
	record.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warnings = append(r.warnings, text)
	return nil
}

func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.warnings
}

// One trouble is logged once, although its text has another port each time.
func TestOneTroubleIsLoggedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	log := &recorder{Handler: slog.DiscardHandler}
	p := s.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if own, ok := conn.(interface{ NetConn() net.Conn }); ok {
			_ = own.NetConn().(*net.TCPConn).SetLinger(0) //nolint:forcetypeassert // of a listener for TCP
			_ = own.NetConn().Close()
		}
	}), "")
	f := followLogged(t, slog.New(log), clusters.Entry{Name: "paris", Addresses: []string{p.URL}, CAFile: s.caFile})
	problems := map[string]bool{}
	got := until(t, f, "paris", func(v cluster.Summary) bool {
		problems[v.Agents[0].Problem] = true
		return time.Until(v.Agents[0].Retry) > 3*time.Second
	})
	if len(problems) < 3 || !strings.Contains(got.Agents[0].Problem, "127.0.0.1:") {
		t.Errorf("the problems do not differ: %v", problems)
	}
	if w := log.seen(); len(w) != 1 {
		t.Errorf("%d warnings:\n%s", len(w), strings.Join(w, "\n"))
	}
}

// A node that goes silent, with its connections open, does not keep the state from being told:
// another one goes on within seconds.
func TestANodeThatGoesSilent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	paris := apitest.NewCluster()
	honest := s.agent(paris)
	waits := make(chan string, 100)
	var silent atomic.Pointer[string] // the host of the node
	handle := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isSilent := func() bool { host := silent.Load(); return host != nil && *host == r.Host }
		if r.URL.Path == "/monitor" {
			select {
			case waits <- r.Host:
			default:
			}
			<-time.After(time.Second)
		}
		if isSilent() {
			<-r.Context().Done()
			return
		}
		honest.ServeHTTP(w, r)
	})
	a, b := s.serve(handle, ""), s.serve(handle, "")
	f := follow(t, clusters.Entry{Name: "paris", Addresses: []string{a.URL, b.URL}, CAFile: s.caFile})
	until(t, f, "paris", is("ok"))
	host := <-waits
	silent.Store(&host)
	begin := time.Now()
	got := until(t, f, "paris", func(v cluster.Summary) bool { return v.Address != "https://"+host })
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("another node went on after %s", took)
	}
	if got.State != "ok" {
		t.Errorf("the cluster is %+v", got)
	}
	for _, one := range got.Agents {
		if isSilent := one.Address == "https://"+host; isSilent != (one.Problem != "") {
			t.Errorf("agent %+v, silent is %s", one, host)
		}
	}
}

// The only agent of a cluster that is slow to tell a change is not shown as unreachable.
func TestTheOnlyAgentIsSlow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	honest := s.agent(apitest.NewCluster())
	var waits atomic.Int32
	p := s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/monitor" {
			waits.Add(1)
			<-r.Context().Done()
			return
		}
		honest.ServeHTTP(w, r)
	}), "")
	f := follow(t, clusters.Entry{Name: "paris", Addresses: []string{p.URL}, CAFile: s.caFile})
	until(t, f, "paris", is("ok"))
	testkit.Eventually(t, patience, func() error {
		if v, _, err := f.Cluster("paris"); err != nil || v.State != "ok" || v.Agents[0].Problem != "" {
			t.Fatalf("the cluster is %+v, %v", v, err)
		}
		if n := waits.Load(); n < 3 {
			return fmt.Errorf("%d waits", n)
		}
		return nil
	})
}

// A file of CAs that cannot be read concerns its own cluster alone.
func TestAnUnreadableFileOfCAs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve(s.agent(apitest.NewCluster()), "")
	file := filepath.Join(t.TempDir(), "ca.pem")
	entries := []clusters.Entry{
		{Name: "paris", Addresses: []string{p.URL}, CAFile: s.caFile},
		{Name: "rome", Addresses: []string{p.URL}, CAFile: file},
	}
	log := &recorder{Handler: slog.DiscardHandler}
	f := followLogged(t, slog.New(log), entries...)
	load := func() {
		t.Helper()
		sources, err := clusters.Load(entries)
		if err == nil {
			err = f.Replace(sources)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	until(t, f, "paris", is("ok"))
	got := until(t, f, "rome", is("unreachable"))
	if problem := got.Agents[0].Problem; !strings.Contains(problem, "caFile") || strings.Contains(problem, file) {
		t.Errorf("problem %q", problem)
	}
	if w := strings.Join(log.seen(), "\n"); !strings.Contains(w, file) {
		t.Errorf("the log does not name the file: %s", w)
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	load()
	until(t, f, "rome", is("unreachable"))
	if err := os.WriteFile(file, []byte(s.authority.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	load()
	until(t, f, "rome", is("ok"))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	load()
	until(t, f, "rome", is("unreachable"))
	if v, _, err := f.Cluster("paris"); err != nil || v.State != "ok" {
		t.Errorf("the other cluster is %+v, %v", v, err)
	}
}
