package testkit

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Pebble is a real ACME server for one test, behind a proxy that counts requests, with a name
// server whose records the test sets. Its certificates are valid for 30 days. All addresses are on
// the loopback, and all names lead to 127.0.0.1.
type Pebble struct {
	// Directory is the URL of its directory, and CA the authority of its own certificate in
	// PEM.
	Directory, CA string
	// HTTPPort is where it looks for the answers to HTTP-01 challenges.
	HTTPPort int
	// DNS is its name server, host:port.
	DNS string

	tb         testing.TB
	away       atomic.Bool
	management string // of the name server
	roots      string // URL of the first root
	client     *http.Client

	mu        sync.Mutex
	counts    map[string]int
	intercept func(http.ResponseWriter, *http.Request) bool
	windows   func(certificate string) (status int, answer string)
}

// PebbleConfig is how a Pebble is started. The zero value is one that refuses no nonce and
// checks challenges at once.
type PebbleConfig struct {
	// Env is added to its environment, e.g. "PEBBLE_WFE_NONCEREJECT=50".
	Env []string
	// Accounts are keys by id of external accounts; nil: none is needed.
	Accounts map[string]string
	// Answers makes the name server answer HTTP-01 challenges, too: see AnswerHTTP.
	Answers bool
}

// StartPebble starts a Pebble that ends with the test.
func StartPebble(tb testing.TB, c PebbleConfig) *Pebble {
	tb.Helper()
	pebble, names := Tool(tb, "pebble"), Tool(tb, "pebble-challtestsrv")
	authority := NewAuthority(tb)
	own := authority.Issue(tb, "localhost")
	dir := tb.TempDir()
	ports := Ports(tb, 6)
	p := &Pebble{
		CA: authority.PEM, HTTPPort: ports[0], DNS: "127.0.0.1:" + strconv.Itoa(ports[1]), tb: tb, counts: map[string]int{},
		management: "http://127.0.0.1:" + strconv.Itoa(ports[2]), client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // of this test
		}},
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		return path
	}
	listen, management := "127.0.0.1:"+strconv.Itoa(ports[3]), "127.0.0.1:"+strconv.Itoa(ports[4])
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management,
		"certificate": write("cert.pem", own.Chain), "privateKey": write("key.pem", own.Key),
		"httpPort": p.HTTPPort, "tlsPort": ports[5], "certificateValidityPeriod": 30 * 24 * 60 * 60,
		"externalAccountBindingRequired": c.Accounts != nil, "externalAccountMACKeys": c.Accounts,
	}})
	if err != nil {
		tb.Fatal(err)
	}
	answers := ""
	if c.Answers {
		answers = "127.0.0.1:" + strconv.Itoa(p.HTTPPort)
	}
	start(tb, nil, names, "-defaultIPv6", "", "-dns01", p.DNS, "-http01", answers, "-https01", "", "-tlsalpn01", "", "-management", strings.TrimPrefix(p.management, "http://"))
	env := append([]string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0"}, c.Env...)
	start(tb, env, pebble, "-strict", "-config", write("config.json", string(config)), "-dnsserver", p.DNS)
	p.proxy(listen, own)
	p.roots = "https://" + management + "/roots/0"
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(20 * time.Millisecond) {
		_, err := p.get(p.Directory)
		if err == nil {
			_, err = p.get(p.roots)
		}
		if err == nil {
			err = p.tell("set-default-ipv4", map[string]any{"ip": "127.0.0.1"})
		}
		if err == nil {
			return p
		}
		if time.Now().After(deadline) {
			tb.Fatal(err)
		}
	}
}

// start starts a program that ends with the test.
func start(tb testing.TB, env []string, name string, args ...string) {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if tb.Failed() {
			tb.Logf("%s:\n%s", name, out.String())
		}
	})
}

// proxy counts what passes, by the first part of the path.
func (p *Pebble) proxy(to string, own KeyPair) {
	pair, err := tls.X509KeyPair([]byte(own.Chain), []byte(own.Key))
	if err != nil {
		p.tb.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: to})
			r.Out.Host = r.In.Host // of which it makes the addresses of what it has
		},
		Transport: p.client.Transport, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		p.mu.Lock()
		p.counts[first]++
		intercept, windows := p.intercept, p.windows
		p.mu.Unlock()
		if p.away.Load() {
			panic(http.ErrAbortHandler)
		}
		if intercept != nil && intercept(w, r) {
			return
		}
		if windows != nil && p.renewalInfo(w, r, windows, "https://"+to) {
			return
		}
		forward.ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	p.tb.Cleanup(server.Close)
	p.Directory = "https://localhost:" + server.URL[strings.LastIndexByte(server.URL, ':')+1:] + "/dir"
}

// SetAway sets whether every connection to the server ends without an answer.
func (p *Pebble) SetAway(away bool) { p.away.Store(away) }

// Intercept sets a function that answers requests instead of the server where it returns true; nil:
// none.
func (p *Pebble) Intercept(fn func(http.ResponseWriter, *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intercept = fn
}

// OfferWindows has the directory offer renewal information (RFC 9773), which answers for a
// certificate as fn does; nil: no longer.
func (p *Pebble) OfferWindows(fn func(certificate string) (status int, answer string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.windows = fn
}

// renewalInfo answers requests for renewal information, and for the directory that names it.
func (p *Pebble) renewalInfo(w http.ResponseWriter, r *http.Request, windows func(string) (int, string), to string) bool {
	const path = "/renewal-info"
	w.Header().Set("Content-Type", "application/json")
	if id, ok := strings.CutPrefix(r.URL.Path, path+"/"); ok {
		status, answer := windows(id)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
		return true
	}
	if r.URL.Path != "/dir" {
		w.Header().Del("Content-Type")
		return false
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, to+"/dir", http.NoBody)
	if err != nil {
		return false
	}
	req.Host = r.Host
	var text string
	directory := map[string]any{}
	if err := p.do(req, &text); err != nil || json.Unmarshal([]byte(text), &directory) != nil {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	directory["renewalInfo"] = "https://" + r.Host + path
	_ = json.NewEncoder(w).Encode(directory)
	return true
}

// Accounts counts requests for accounts.
func (p *Pebble) Accounts() int { return p.count("sign-me-up") }

// Orders counts requests for orders.
func (p *Pebble) Orders() int { return p.count("order-plz") }

// Finalized counts requests for the certificates of orders.
func (p *Pebble) Finalized() int { return p.count("finalize-order") }

// Requests counts all requests.
func (p *Pebble) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.counts {
		n += c
	}
	return n
}

func (p *Pebble) count(first string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[first]
}

// Root is the certificate of the authority that issues, in PEM.
func (p *Pebble) Root() string {
	p.tb.Helper()
	text, err := p.get(p.roots)
	if err != nil {
		p.tb.Fatal(err)
	}
	return text
}

// AnswerHTTP sets the answer for a token of an HTTP-01 challenge; without a text it removes it.
func (p *Pebble) AnswerHTTP(name, text string) error {
	if text == "" {
		return p.tell("del-http01", map[string]any{"token": name})
	}
	return p.tell("add-http01", map[string]any{"token": name, "content": text})
}

// SetTXT publishes a TXT record, SetCNAME an alias; names end with a dot.
func (p *Pebble) SetTXT(name, value string) error {
	return p.tell("set-txt", map[string]any{"host": name, "value": value})
}

// ClearTXT removes the TXT records of a name.
func (p *Pebble) ClearTXT(name string) error {
	return p.tell("clear-txt", map[string]any{"host": name})
}

// SetCNAME makes a name an alias of another.
func (p *Pebble) SetCNAME(name, target string) error {
	return p.tell("set-cname", map[string]any{"host": name, "target": target})
}

// SetAddress sets the address of a name; an empty one: an address where nothing answers.
func (p *Pebble) SetAddress(name, address string) error {
	return p.tell("add-a", map[string]any{"host": name, "addresses": []string{address}})
}

func (p *Pebble) tell(path string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.management+"/"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	return p.do(req, nil)
}

func (p *Pebble) get(url string) (text string, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	err = p.do(req, &text)
	return text, err
}

func (p *Pebble) do(req *http.Request, text *string) error {
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", req.URL, resp.Status, data)
	}
	if text != nil {
		*text = string(data)
	}
	return err
}
