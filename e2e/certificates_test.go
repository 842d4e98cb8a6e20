package e2e_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// An edge is a node whose frontend speaks TLS.
type edge struct {
	*node
	ca   testkit.Authority
	port int // of the frontend's TLS
}

// newEdge starts a node with the certificate shop, and the frontend web with fields of tls.
func newEdge(tb testing.TB, fields string, flags ...string) *edge {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	tb.Cleanup(server.Close)
	e := &edge{node: newNode(tb, "127.0.0.1:1", flags...), ca: testkit.NewAuthority(tb), port: testkit.Port(tb)}
	e.start()
	e.call(200, http.MethodPut, "/certificates/corp", fmt.Sprintf(`{"chain":%q}`, e.ca.PEM))
	e.put("shop", "shop.example")
	host, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	e.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(`{"type":"static","members":[{"host":%q,"port":%s}]}`, host, port))
	e.frontend(fields)
	return e
}

// put stores another certificate under a name, which must be in effect, and returns its
// serial number and the path taken.
func (e *edge) put(key string, names ...string) (serial, path string) {
	e.tb.Helper()
	pair := e.ca.Issue(e.tb, names...)
	answer := e.call(200, http.MethodPut, "/certificates/"+key, pair.Body())
	if answer["applied"] != true {
		e.tb.Fatalf("the certificate is not in effect: %v", answer)
	}
	return pair.Leaf.SerialNumber.Text(16), fmt.Sprint(answer["path"])
}

// frontend puts the frontend web with further fields of tls, and returns the path taken.
func (e *edge) frontend(fields string) (path string) {
	e.tb.Helper()
	answer := e.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":%q,"backend":"live","tls":{"bind":"127.0.0.1:%d",%s}}`, e.address(), e.port, fields))
	if answer["applied"] != true {
		e.tb.Fatalf("the frontend is not in effect: %v", answer)
	}
	return fmt.Sprint(answer["path"])
}

// served is the serial number of the certificate that a client gets for a name.
func (e *edge) served(name string) string {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", fmt.Sprintf("127.0.0.1:%d", e.port), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
}

// serves checks what a client gets.
func (e *edge) serves(name, serial string) {
	e.tb.Helper()
	if got := e.served(name); got != serial {
		e.tb.Errorf("a client that asks for %q gets %s, expected %s", name, got, serial)
	}
}

// client asks for one name, in HTTP/1.1 or HTTP/2.
func (e *edge) client(name string, isH2, isFresh bool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{ServerName: name, RootCAs: e.ca.Pool()},
		ForceAttemptHTTP2: isH2, DisableKeepAlives: isFresh,
	}
	if !isH2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

// load asks with clients of all kinds until stop, which returns how many requests were
// answered, and checks that none failed.
func (e *edge) load(name string) (stop func() int64) {
	var all, failed atomic.Int64
	var first atomic.Value
	ended := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		isH2, isFresh := i%2 == 1, i >= 4
		clients.Go(func() {
			client := e.client(name, isH2, isFresh)
			for {
				select {
				case <-ended:
					return
				default:
				}
				all.Add(1)
				if err := ask(client, e.port, isH2); err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, err)
				}
			}
		})
	}
	return func() int64 {
		close(ended)
		clients.Wait()
		if n := failed.Load(); n > 0 {
			e.tb.Errorf("%d of %d requests failed: %v", n, all.Load(), first.Load())
		}
		return all.Load()
	}
}

func ask(client *http.Client, port int, isH2 bool) error {
	resp, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/", port))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (string(body) != "here" || isH2 != (resp.ProtoMajor == 2)) {
		err = fmt.Errorf("%s %s: %q", resp.Proto, resp.Status, body)
	}
	return err
}

// Certificates come, change and go under load: no request fails, HAProxy is not reloaded, and
// each answer means that clients get the new one.
func TestCertificatesChangeUnderLoad(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		e := newEdge(t, `"certificates":["shop"]`)
		before := e.reloads()
		stop := e.load("shop.example")
		for range 10 {
			serial, path := e.put("shop", "shop.example")
			e.serves("shop.example", serial)
			e.serves("", serial)
			if path != "runtime" {
				t.Errorf("a certificate was replaced by %q", path)
			}
		}
		added, _ := e.put("api", "api.example", "*.api.example")
		if path := e.frontend(`"certificates":["shop","api"]`); path != "runtime" {
			t.Errorf("a certificate was added by %q", path)
		}
		e.serves("api.example", added)
		e.serves("x.api.example", added)
		if path := e.frontend(`"certificates":["shop"]`); path != "runtime" {
			t.Errorf("a certificate was removed by %q", path)
		}
		if got := e.served("api.example"); got == added {
			t.Error("a certificate that was removed is served")
		}
		n := stop()
		if reloads := e.reloads() - before; reloads != 0 || n == 0 {
			t.Errorf("%d reloads, %d requests", reloads, n)
		}
	})
}

// Whatever ends or reloads HAProxy or the agent, the certificate that was answered last is
// served.
func TestNewestCertificateIsServed(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		e := newEdge(t, `"certificates":["shop"]`)
		serial, _ := e.put("shop", "shop.example")
		e.call(200, http.MethodPost, "/haproxy/reload", "")
		e.serves("shop.example", serial)
		serial, _ = e.put("shop", "shop.example")
		e.serves("shop.example", serial)

		// HAProxy is killed right after the answer.
		serial, path := e.put("shop", "shop.example")
		former := e.master()
		if err := syscall.Kill(former, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		e.eventuallyServes(serial)
		if path != "runtime" {
			t.Errorf("the certificate was replaced by %q", path)
		}

		// The agent is killed, and somebody else changes a certificate meanwhile.
		serial, _ = e.put("shop", "shop.example")
		e.signal(syscall.SIGKILL)
		e.tamper()
		if got := e.served("shop.example"); got == serial {
			t.Fatal("nothing was changed")
		}
		e.start()
		e.eventuallyServes(serial)

		// Somebody changes it while the agent runs.
		e.tamper()
		e.eventuallyServes(serial)
	})
}

// eventuallyServes waits until clients get a certificate.
func (e *edge) eventuallyServes(serial string) {
	e.tb.Helper()
	testkit.Eventually(e.tb, patience, func() error {
		if got := e.served("shop.example"); got != serial {
			return errors.New("clients get " + got + ", expected " + serial)
		}
		return nil
	})
}

// tamper replaces the certificate shop in the running HAProxy.
func (e *edge) tamper() {
	e.tb.Helper()
	session, err := statsock.New(e.path("h.sock")).Begin(e.tb.Context())
	if err != nil {
		e.tb.Fatal(err)
	}
	defer session.End()
	loaded, err := session.ShowLoaded(e.tb.Context(), "cert")
	if err != nil || len(loaded.Files) != 1 {
		e.tb.Fatalf("haproxy has loaded %v, %v", loaded, err)
	}
	pair := e.ca.Issue(e.tb, "shop.example")
	testkit.Eventually(e.tb, patience, func() error { // the agent may be at work on it, which locks it
		said, err := session.Pay(e.tb.Context(), "set ssl cert "+loaded.Files[0], pair.Chain+pair.Key)
		if err == nil && !strings.Contains(said, "ransaction") {
			err = fmt.Errorf("haproxy says %q", said)
		}
		return err
	})
	if _, err := session.Do(e.tb.Context(), "commit ssl cert "+loaded.Files[0]); err != nil {
		e.tb.Fatal(err)
	}
}

// Clients without a certificate of the authority are refused, or told of, as the field says.
func TestClientCertificates(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		e := newEdge(t, `"certificates":["shop"],"clientCA":"corp"`)
		other := testkit.NewAuthority(t)
		ask := func(certificates ...tls.Certificate) error {
			client := e.client("shop.example", false, true)
			client.Transport.(*http.Transport).TLSClientConfig.Certificates = certificates //nolint:forcetypeassert // see client
			return ask(client, e.port, false)
		}
		if err := ask(); err == nil {
			t.Error("a client without a certificate is let in")
		}
		if err := ask(clientCertificate(t, other)); err == nil {
			t.Error("a client of another authority is let in")
		}
		if err := ask(clientCertificate(t, e.ca)); err != nil {
			t.Errorf("a client with a certificate: %v", err)
		}
		// Another authority takes effect without a reload.
		before := e.reloads()
		answer := e.call(200, http.MethodPut, "/certificates/corp", fmt.Sprintf(`{"chain":%q}`, other.PEM))
		if answer["path"] != "runtime" || e.reloads() != before {
			t.Errorf("the authority was replaced by %v", answer["path"])
		}
		if err := ask(clientCertificate(t, other)); err != nil {
			t.Errorf("a client of the new authority: %v", err)
		}
		if err := ask(clientCertificate(t, e.ca)); err == nil {
			t.Error("a client of the former authority is let in")
		}
		e.frontend(`"certificates":["shop"],"clientCA":"corp","clientVerify":"optional"`)
		if err := ask(); err != nil {
			t.Errorf("a client without an optional certificate: %v", err)
		}
	})
}

func clientCertificate(t *testing.T, ca testkit.Authority) tls.Certificate {
	t.Helper()
	pair := ca.Issue(t, "client")
	cert, err := tls.X509KeyPair([]byte(pair.Chain), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Plain addresses lead to https, but for what ACME servers ask for.
func TestRedirectToHTTPS(t *testing.T) {
	e := newEdge(t, `"certificates":["shop"],"redirect":true,"hsts":"max-age=63072000"`)
	plain := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: patience}
	resp, err := plain.Get("http://" + e.address() + "/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if want := fmt.Sprintf("https://127.0.0.1:%d/a?b=c", e.port); resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != want || resp.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%d to %q, expected %q", resp.StatusCode, resp.Header.Get("Location"), want)
	}
	resp, err = plain.Get("http://" + e.address() + "/.well-known/acme-challenge/x")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a challenge: %s", resp.Status)
	}
	resp, err = e.client("shop.example", true, true).Get(fmt.Sprintf("https://127.0.0.1:%d/", e.port))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=63072000" {
		t.Errorf("over TLS: %q", got)
	}
}

// The files with keys are for HAProxy alone, and go when nothing names them.
func TestFilesOfCertificates(t *testing.T) {
	e := newEdge(t, `"certificates":["shop"]`)
	dir := e.path("haproxy.cfg.certs")
	files, err := filepath.Glob(dir + "/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, path := range append(files, dir) {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	status, answer := e.try(http.MethodPut, "/frontends/other", fmt.Sprintf(`{"bind":"127.0.0.1:%d ssl crt %s","backend":"live"}`, testkit.Port(t), files[0]))
	if status != 422 && status != 400 || !strings.Contains(answer, "the agent's own") {
		t.Errorf("a raw line with a key: %d %s", status, answer)
	}
	status, answer = e.try(http.MethodDelete, "/certificates/shop", "")
	if status != 409 || !strings.Contains(answer, "frontend/web") {
		t.Errorf("a certificate in use is deleted: %d %s", status, answer)
	}
	if used := e.call(200, http.MethodGet, "/certificates/shop", "")["usedBy"]; fmt.Sprint(used) != "[frontend/web]" {
		t.Errorf("it is used by %v", used)
	}
}
