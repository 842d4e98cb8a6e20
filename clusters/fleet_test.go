package clusters_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/clusters"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/listen"
)

// patience is how long anything may take on a slow, busy machine.
const patience = 30 * time.Second

// A site is what the agents of clusters have in common: an authority that signs their
// certificates, and its file.
type site struct {
	tb        testing.TB
	authority testkit.Authority
	caFile    string
}

func newSite(tb testing.TB) site {
	tb.Helper()
	s := site{tb: tb, authority: testkit.NewAuthority(tb)}
	s.caFile = s.file("ca.pem", s.authority.PEM)
	return s
}

// file writes a file.
func (s site) file(name, content string) string {
	s.tb.Helper()
	path := filepath.Join(s.tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	return path
}

// certificate is one of the loopback's.
func (s site) certificate() tls.Certificate {
	s.tb.Helper()
	pair := s.authority.IssueAs(s.tb, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }, "agent")
	cert, err := tls.X509KeyPair([]byte(pair.Chain), []byte(pair.Key))
	if err != nil {
		s.tb.Fatal(err)
	}
	return cert
}

// A peer is a server with TLS. Requests keeps the headers of what it was asked.
type peer struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

// serve starts a server with a certificate of the site; at is its address, empty: any.
func (s site) serve(handler http.Handler, at string, adjust ...func(*tls.Config)) *peer {
	s.tb.Helper()
	p := &peer{}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests = append(p.requests, r.Clone(context.WithoutCancel(r.Context())))
		p.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	if at != "" {
		l, err := net.Listen("tcp", at)
		if err != nil {
			s.tb.Fatal(err)
		}
		_ = p.Listener.Close()
		p.Listener = l
	}
	p.TLS = &tls.Config{Certificates: []tls.Certificate{s.certificate()}, MinVersion: tls.VersionTLS12}
	for _, a := range adjust {
		a(p.TLS)
	}
	p.Config.ErrorLog = nil
	p.StartTLS()
	s.tb.Cleanup(p.end)
	return p
}

// end ends the server as a node does that loses its power.
func (p *peer) end() {
	_ = p.Listener.Close() // so that nobody connects again
	p.CloseClientConnections()
	p.Close()
}

func (p *peer) seen() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// agent is the API of an agent on a node of a cluster.
func (s site) agent(c *apitest.Cluster, adjust ...func(*api.Config)) http.Handler {
	s.tb.Helper()
	_, cfg := apitest.Prepare(s.tb, append([]func(*api.Config){apitest.InCluster(c)}, adjust...)...)
	return api.New(cfg)
}

// follow runs a fleet of entries until the end of the test.
func follow(tb testing.TB, entries ...clusters.Entry) *clusters.Fleet {
	tb.Helper()
	return followLogged(tb, nil, entries...)
}

// followLogged is follow with a log; nil: none.
func followLogged(tb testing.TB, log *slog.Logger, entries ...clusters.Entry) *clusters.Fleet {
	tb.Helper()
	sources, err := clusters.Load(entries)
	if err != nil {
		tb.Fatal(err)
	}
	fleet, err := clusters.New(clusters.Config{Now: time.Now, Logger: log}, sources)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return fleet
}

// until waits until a cluster is as wanted.
func until(tb testing.TB, f *clusters.Fleet, name string, want func(cluster.Summary) bool) cluster.Summary {
	tb.Helper()
	var last cluster.Summary
	testkit.Eventually(tb, patience, func() error {
		s, _, err := f.Cluster(name)
		if err != nil {
			return err
		}
		if last = s; !want(s) {
			return fmt.Errorf("the cluster is %+v", s)
		}
		return nil
	})
	return last
}

func is(state string) func(cluster.Summary) bool {
	return func(s cluster.Summary) bool { return s.State == state }
}

// One of two clusters loses a node, then quorum, then all of its nodes; the other one is not
// touched by that.
func TestTwoClusters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	paris, rome := apitest.NewCluster(), apitest.NewCluster()
	a, b := s.serve(s.agent(paris), ""), s.serve(s.agent(paris), "")
	only := s.serve(s.agent(rome), "")
	f := follow(t,
		clusters.Entry{Name: "paris", Addresses: []string{a.URL, b.URL}, CAFile: s.caFile},
		clusters.Entry{Name: "rome", Addresses: []string{only.URL}, CAFile: s.caFile},
	)
	first := until(t, f, "paris", is("ok"))
	if first.Own != "lab" || first.NodesOnline != 2 || first.ResourcesRunning != 2 || first.FailureCount != 1 || first.Failures[0].Meaning != "not running" || !first.Quorum || !first.Fencing || first.Node != "n1" || first.Seen.IsZero() {
		t.Errorf("summary %+v", first)
	}
	until(t, f, "rome", is("ok"))

	// A change is there within seconds.
	paris.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.State, v.Reasons, v.Nodes[1].State = cluster.StateErrors, []string{"node n2 is unclean"}, "unclean"
	})
	if got := until(t, f, "paris", is("errors")); got.NodesOnline != 1 || got.Reasons[0] != "node n2 is unclean" {
		t.Errorf("summary %+v", got)
	}

	// The node that answers dies; another one goes on, also for requests that are passed on.
	died, goesOn := a, b
	if first.Address == b.URL {
		died, goesOn = b, a
	}
	died.end()
	got := until(t, f, "paris", func(v cluster.Summary) bool { return v.Address == goesOn.URL })
	if got.State != "errors" {
		t.Errorf("summary %+v", got)
	}
	for _, one := range got.Agents {
		if isDead := one.Address == died.URL; isDead != (one.Problem != "") || isDead != !one.Retry.IsZero() {
			t.Errorf("agent %+v, dead is %s", one, died.URL)
		}
	}
	if doc, err := f.Ask(t.Context(), "paris", clusters.Question{Path: "/cluster/nodes"}); err != nil || !strings.Contains(string(doc.Data), `"n2"`) {
		t.Errorf("nodes: %s, %v", doc.Data, err)
	}

	// Quorum is lost, then the last node.
	paris.Change(func(v *cluster.Status) { v.Epoch.Updates++; v.State, v.Quorum = cluster.StateNoQuorum, false })
	until(t, f, "paris", is("no-quorum"))
	address := strings.TrimPrefix(goesOn.URL, "https://")
	goesOn.end()
	got = until(t, f, "paris", is("unreachable"))
	if got.Nodes != 2 || got.Node != "n1" || got.Seen.IsZero() {
		t.Errorf("what was seen last is gone: %+v", got)
	}
	var away *lb.UnavailableError
	if _, err := f.Ask(t.Context(), "paris", clusters.Question{Path: "/cluster/nodes"}); !errors.As(err, &away) {
		t.Errorf("asking a cluster that is away: %v", err)
	}
	if other, _, err := f.Cluster("rome"); err != nil || other.State != "ok" || time.Since(other.Seen) > patience/2 {
		t.Errorf("the other cluster is %+v, %v", other, err)
	}

	// It comes back.
	paris.Change(func(v *cluster.Status) { v.Epoch.Updates++; v.State, v.Quorum = cluster.StateOK, true })
	s.serve(s.agent(paris), address)
	until(t, f, "paris", is("ok"))
}

// Of a cluster that has split, the partition with quorum counts, and of agents without, the one
// where Pacemaker runs.
func TestPartitionWithQuorumCounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	left, right := apitest.NewCluster(), apitest.NewCluster()
	right.Change(func(v *cluster.Status) { v.Self = "n2" })
	a, b := s.serve(s.agent(left), ""), s.serve(s.agent(right), "")
	f := follow(t, clusters.Entry{Name: "paris", Addresses: []string{a.URL, b.URL}, CAFile: s.caFile})
	first := until(t, f, "paris", is("ok"))
	mine, other := left, right
	if first.Node == "n2" {
		mine, other = right, left
	}
	mine.Change(func(v *cluster.Status) { v.Epoch.Updates++; v.State, v.Quorum = cluster.StateNoQuorum, false })
	until(t, f, "paris", func(v cluster.Summary) bool { return v.State == "ok" && v.Node != first.Node })
	other.Change(func(v *cluster.Status) { v.Epoch.Updates++; v.State = cluster.StateOffline })
	until(t, f, "paris", func(v cluster.Summary) bool { return v.State == "no-quorum" && v.Node == first.Node })
	mine.Change(func(v *cluster.Status) { v.Epoch.Updates++; v.State = cluster.StateOffline })
	until(t, f, "paris", is("offline"))
}

// An agent asks with what the settings name, and nothing else.
func TestOnlyTheConfiguredTokenIsSent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	guarded := s.serve(s.agent(apitest.NewCluster(), apitest.Guarded(t)), "")
	tokenFile := s.file("token", apitest.ReadToken+"\n")
	f := follow(t, clusters.Entry{Name: "paris", Addresses: []string{guarded.URL}, CAFile: s.caFile, TokenFile: tokenFile})
	until(t, f, "paris", is("ok"))
	if _, err := f.Ask(t.Context(), "paris", clusters.Question{Path: "/cluster/history?x=1"}); err == nil {
		t.Error("a parameter that the other agent does not know was accepted")
	}
	for _, r := range guarded.seen() {
		for name, values := range r.Header {
			switch {
			case name == "Authorization" && values[0] == "Bearer "+apitest.ReadToken:
			case name == "Accept" && values[0] == "application/json", name == "Accept-Encoding", name == "User-Agent":
			default:
				t.Errorf("%s %s has the header %s: %q", r.Method, r.URL, name, values)
			}
		}
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	}

	// The other cluster judges.
	var refused *clusters.RefusedError
	if _, err := f.Ask(t.Context(), "paris", clusters.Question{Path: "/cluster/history/log?from=2026-11-29T12:00:00Z&to=2026-11-29T12:05:00Z"}); !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("logs with the role read: %v", err)
	}

	// A token that is replaced counts with the next question.
	if err := os.WriteFile(tokenFile, []byte("revoked-0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := until(t, f, "paris", is("unreachable"))
	if strings.Contains(fmt.Sprintf("%+v", got), "revoked-0123456789") {
		t.Errorf("the summary has the token: %+v", got)
	}
	if err := os.WriteFile(tokenFile, []byte(apitest.OperateToken), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, f, "paris", is("ok"))
	if err := os.Remove(tokenFile); err != nil {
		t.Fatal(err)
	}
	got = until(t, f, "paris", is("unreachable"))
	if problem := got.Agents[0].Problem; !strings.Contains(problem, "tokenFile") || strings.Contains(problem, tokenFile) {
		t.Errorf("problem %q", problem)
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	s, stranger := newSite(t), newSite(t)
	clients := x509.NewCertPool()
	clients.AddCert(s.authority.Certificate)
	p := s.serve(s.agent(apitest.NewCluster()), "", func(cfg *tls.Config) {
		cfg.ClientAuth, cfg.ClientCAs = tls.RequestClientCert, clients
		cfg.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) > 0 && state.PeerCertificates[0].Subject.CommonName != "console" {
				return errors.New("another client")
			}
			return nil
		}
	})
	shown := listen.DescribeCertificate(p.Certificate())
	pair, other := s.authority.Issue(t, "console"), s.authority.Issue(t, "somebody")
	entry := func(change func(*clusters.Entry)) clusters.Entry {
		e := clusters.Entry{Name: "paris", Addresses: []string{p.URL}}
		change(&e)
		return e
	}
	for what, tc := range map[string]struct {
		entry clusters.Entry
		want  string // part of the problem; empty: it is trusted
	}{
		"CA":                 {entry(func(e *clusters.Entry) { e.CAFile = s.caFile }), ""},
		"pinned certificate": {entry(func(e *clusters.Entry) { e.Fingerprints = []string{shown.Fingerprint} }), ""},
		"pinned key, no colons": {entry(func(e *clusters.Entry) {
			e.Fingerprints = []string{strings.ToLower(strings.ReplaceAll(shown.PublicKey, ":", ""))}
		}), ""},
		"another CA":        {entry(func(e *clusters.Entry) { e.CAFile = stranger.caFile }), "certificate signed by unknown authority"},
		"CAs of the system": {entry(func(*clusters.Entry) {}), "certificate signed by unknown authority"},
		"another pin":       {entry(func(e *clusters.Entry) { e.Fingerprints = []string{strings.Repeat("AB", 32)} }), "another key"},
		"client certificate": {entry(func(e *clusters.Entry) {
			e.CAFile, e.CertFile, e.KeyFile = s.caFile, s.file("c.pem", pair.Chain), s.file("k.pem", pair.Key)
		}), ""},
		"another one": {entry(func(e *clusters.Entry) {
			e.CAFile, e.CertFile, e.KeyFile = s.caFile, s.file("c.pem", other.Chain), s.file("k.pem", other.Key)
		}), "bad certificate"},
		"one without its own key": {entry(func(e *clusters.Entry) {
			e.CAFile, e.CertFile, e.KeyFile = s.caFile, s.file("c.pem", pair.Chain), s.file("k.pem", other.Key)
		}), "certFile"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := follow(t, tc.entry)
			got := until(t, f, "paris", func(v cluster.Summary) bool { return v.State != "unknown" })
			if tc.want == "" && got.State != "ok" || tc.want != "" && (got.State != "unreachable" || !strings.Contains(got.Agents[0].Problem, tc.want)) {
				t.Errorf("%+v, want %q", got, tc.want)
			}
		})
	}
}

// What an agent of another cluster answers is bounded, in bytes and time, and believed only if it
// is what an agent says.
func TestPeersThatLie(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	elsewhere := s.serve(http.NotFoundHandler(), "")
	tokenFile := s.file("token", "a-secret-0123456789")
	write := func(w http.ResponseWriter, text string) { _, _ = w.Write([]byte(text)) }
	json := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") }
	for what, tc := range map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"endless answer": {func(w http.ResponseWriter, r *http.Request) {
			json(w)
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat(" ", 64<<10))); err != nil {
					return
				}
			}
		}, "larger than"},
		"long state": {func(w http.ResponseWriter, _ *http.Request) {
			json(w)
			write(w, `{"state":"ok"`+strings.Repeat(" ", 3<<20)+`}`)
		}, "larger than"},
		"slow drip": {func(w http.ResponseWriter, r *http.Request) {
			json(w)
			for r.Context().Err() == nil {
				write(w, " ")
				_ = http.NewResponseController(w).Flush()
				<-time.After(100 * time.Millisecond)
			}
		}, "deadline exceeded"},
		"silence": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/cluster", http.StatusFound)
		}, "302"},
		"page":            {func(w http.ResponseWriter, _ *http.Request) { write(w, "<html>Welcome</html>") }, "text/html"},
		"page of a proxy": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway); write(w, "<html>") }, "502"},
		"no JSON":         {func(w http.ResponseWriter, _ *http.Request) { json(w); write(w, `{"state":`) }, "no JSON"},
		"other JSON":      {func(w http.ResponseWriter, _ *http.Request) { json(w); write(w, `[1]`) }, "not the state of a cluster"},
		"unknown state":   {func(w http.ResponseWriter, _ *http.Request) { json(w); write(w, `{"state":"<b>ok"}`) }, "not the state of a cluster"},
		"many nodes": {func(w http.ResponseWriter, _ *http.Request) {
			json(w)
			write(w, `{"state":"ok","nodes":[{}`+strings.Repeat(",{}", 5000)+`]}`)
		}, "nodes"},
		"long header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 200<<10))
			json(w)
			write(w, `{"state":"ok"}`)
		}, "header"},
		"no cluster": {s.agent(func() *apitest.Cluster {
			c := apitest.NewCluster()
			c.Change(func(v *cluster.Status) { v.State = cluster.StateNone })
			return c
		}()).ServeHTTP, "in no cluster"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			liar := s.serve(tc.handle, "")
			f := follow(t, clusters.Entry{Name: "paris", Addresses: []string{liar.URL}, CAFile: s.caFile, TokenFile: tokenFile})
			begin := time.Now()
			got := until(t, f, "paris", func(v cluster.Summary) bool { return v.State != "unknown" })
			if got.State != "unreachable" || !strings.Contains(got.Agents[0].Problem, tc.want) {
				t.Errorf("%+v, want %q", got, tc.want)
			}
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
			if len(got.Agents[0].Problem) > 400 {
				t.Errorf("the problem has %d bytes", len(got.Agents[0].Problem))
			}
		})
	}
	t.Cleanup(func() {
		if n := len(elsewhere.seen()); n > 0 {
			t.Errorf("a redirect was followed %d times", n)
		}
	})
}

// An agent that does not answer is asked less and less often.
func TestBackOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve(http.NotFoundHandler(), "")
	f := follow(t, clusters.Entry{Name: "paris", Addresses: []string{p.URL}, CAFile: s.caFile})
	until(t, f, "paris", func(v cluster.Summary) bool { return time.Until(v.Agents[0].Retry) > 3*time.Second })
	if n := len(p.seen()); n > 4 {
		t.Errorf("asked %d times meanwhile", n)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	paris, rome := s.serve(s.agent(apitest.NewCluster()), ""), s.serve(s.agent(apitest.NewCluster()), "")
	stays := clusters.Entry{Name: "paris", Addresses: []string{paris.URL}, CAFile: s.caFile}
	f := follow(t, stays, clusters.Entry{Name: "gone", Addresses: []string{rome.URL}, CAFile: s.caFile})
	until(t, f, "paris", is("ok"))
	sources, err := clusters.Load([]clusters.Entry{stays, {Name: "rome", Addresses: []string{rome.URL}, CAFile: s.caFile}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Replace(sources); err != nil {
		t.Fatal(err)
	}
	if v, _, err := f.Cluster("paris"); err != nil || v.State != "ok" {
		t.Errorf("the cluster that stays is %+v, %v", v, err)
	}
	until(t, f, "rome", is("ok"))
	var missing *lb.NotFoundError
	if _, _, err := f.Cluster("gone"); !errors.As(err, &missing) {
		t.Errorf("the cluster that is gone: %v", err)
	}
	if list := f.List(); len(list) != 2 || list[0].Name != "paris" || list[1].Name != "rome" {
		t.Errorf("list %+v", list)
	}
}

// An agent that tells the truth about the state may still lie about the rest.
func TestPassedRequestsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	elsewhere := s.serve(http.NotFoundHandler(), "")
	honest := s.agent(apitest.NewCluster())
	for what, tc := range map[string]struct {
		lie  http.HandlerFunc
		want string
	}{
		"page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<script>alert(1)</script>"))
		}, "text/html"},
		"page as JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("<script>alert(1)</script>"))
		}, "no JSON"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/cluster/nodes", http.StatusTemporaryRedirect)
		}, "307"},
		"endless answer": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat(" ", 64<<10))); err != nil {
					return
				}
			}
		}, "larger than"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			liar := s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/cluster/nodes" {
					tc.lie(w, r)
					return
				}
				honest.ServeHTTP(w, r)
			}), "")
			f := follow(t, clusters.Entry{Name: "paris", Addresses: []string{liar.URL}, CAFile: s.caFile})
			until(t, f, "paris", is("ok"))
			doc, err := f.Ask(t.Context(), "paris", clusters.Question{Path: "/cluster/nodes"})
			var away *lb.UnavailableError
			if !errors.As(err, &away) || !strings.Contains(err.Error(), tc.want) || len(doc.Data) > 0 {
				t.Errorf("%q, %v, want %q", doc.Data, err, tc.want)
			}
		})
	}
	t.Cleanup(func() {
		if n := len(elsewhere.seen()); n > 0 {
			t.Errorf("a redirect was followed %d times", n)
		}
	})
}
