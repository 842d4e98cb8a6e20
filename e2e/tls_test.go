package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"thalassa/internal/testkit"
	"thalassa/listen"
)

const tlsToken = "0123456789abcdef-tls"

// secureNode starts a node whose API has TLS and needs a token, and waits until HAProxy
// is in step.
func secureNode(t *testing.T, flags ...string) *node {
	t.Helper()
	n := newNode(t, testkit.Consul(t).Address())
	tokens := n.path("tokens")
	if err := os.WriteFile(tokens, []byte("admin ops "+tlsToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.flags, n.secure = append([]string{"--token-file", tokens}, flags...), true
	n.start()
	testkit.Eventually(t, patience, func() error {
		if status, body := n.try(http.MethodGet, "/readyz", ""); status != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", status, body)
		}
		return nil
	})
	return n
}

// trusting is a client that trusts the certificate in a file.
func trusting(t *testing.T, file string) *http.Client {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatalf("%s has no certificate", file)
	}
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

// askTLS asks the API over TLS for a path.
func (n *node) askTLS(ctx context.Context, c *http.Client, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", n.api, path), http.NoBody)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+tlsToken)
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// An agent with TLS: the certificate holds over a restart, silent connections delay
// nobody, commands and websockets work, and Consul's check passes.
func TestTLS(t *testing.T) {
	t.Parallel()
	n := secureNode(t, "--tls", "auto")
	c := trusting(t, n.path("tls/api.crt"))
	if status, body, err := n.askTLS(t.Context(), c, "/status"); status != http.StatusOK || !strings.Contains(body, `"fingerprint"`) {
		t.Fatalf("%d %s %v", status, body, err)
	}

	const silent = 2000
	for i := range silent {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", n.api))
		if errors.Is(err, syscall.EMFILE) && i > 500 {
			t.Logf("%d silent connections: there are no more descriptors", i)
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	fresh := trusting(t, n.path("tls/api.crt"))
	begin := time.Now()
	if status, _, err := n.askTLS(t.Context(), fresh, "/version"); status != http.StatusOK || time.Since(begin) > 5*time.Second { // they may be silent for ten
		t.Errorf("beside silent connections: %d %v after %s", status, err, time.Since(begin))
	}

	ws, _, err := websocket.Dial( //nolint:bodyclose // the library closes it
		t.Context(), fmt.Sprintf("wss://127.0.0.1:%d/streams", n.api), &websocket.DialOptions{
			HTTPClient: trusting(t, n.path("tls/api.crt")), Subprotocols: []string{"thalassa.v1"},
			HTTPHeader: http.Header{"Authorization": {"Bearer " + tlsToken}},
		})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte(`{"type":"subscribe","topics":["backends","status"]}`)); err != nil {
		t.Fatal(err)
	}
	for range 3 { // hello, and the state of each topic
		if _, text, err := ws.Read(t.Context()); err != nil || !bytes.HasPrefix(text, []byte("{")) {
			t.Fatalf("the websocket says %q, %v", text, err)
		}
	}

	status := exec.CommandContext(t.Context(), build(t), "status", "--agent", fmt.Sprintf("https://127.0.0.1:%d", n.api), "--ca-file", n.path("tls/api.crt"))
	status.Env = append(os.Environ(), "THALASSA_TOKEN="+tlsToken)
	if out, err := status.CombinedOutput(); err != nil || !strings.Contains(string(out), "SHA-256") {
		t.Errorf("thalassa status: %v\n%s", err, out)
	}
	testkit.Eventually(t, patience, func() error {
		_, body := fetch(t, "http://"+n.consul+"/v1/health/service/thalassa?passing")
		if !strings.Contains(body, `"scheme": "https"`) {
			return fmt.Errorf("Consul has no passing agent with TLS: %s", body)
		}
		return nil
	})

	n.signal(syscall.SIGINT)
	n.start()
	if status, _, err := n.askTLS(t.Context(), c, "/version"); status != http.StatusOK {
		t.Errorf("after a restart: %d %v", status, err)
	}
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// A user logs in with a password over TLS: the page shows the certificate, the session is
// the browser's, and what the role does not allow is not offered.
func TestLoginWithPassword(t *testing.T) {
	testkit.Tool(t, "chromium")
	file := filepath.Join(t.TempDir(), "access.yaml")
	add := exec.CommandContext(t.Context(), build(t), "user", "add", "ann", "--role", "read", "--access-file", file)
	add.Stdin = strings.NewReader("correct horse\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key := filepath.Join(t.TempDir(), "session.key")
	if err := os.WriteFile(key, []byte("a random text of more than 32 characters: 8fj2Lq0z"), 0o600); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	n := secureNode(t, "--tls", "auto", "--access-file", file, "--session-key-file", key)
	p := openPage(t, n, "/overview", look{})
	p.excuse("401")
	p.sees(`location.pathname === "/login"`)
	p.reads(".fingerprint", "SHA-256")
	p.click(`form .button:not(.primary)`)
	p.write("#user", "ann")
	p.write("#password", "wrong horse")
	p.press("\r")
	p.reads(".problem", "Name or password is wrong")
	p.shot("login-password")
	p.write("#password", "correct horse")
	p.press("\r")
	p.reads(".who", "ann", "read")
	p.reads(".empty", "No frontends and backends yet")
	p.shot("login-done")
	p.click(`.who a`)
	p.reads("h1", "Account")
	p.reads("table", "ann", "this one", "password", "Node", host)
	p.shot("account")
	remove := exec.CommandContext(t.Context(), build(t), "user", "remove", "ann", "--access-file", file)
	if out, err := remove.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.sees(`location.pathname === "/login"`) // at once, though nobody has clicked
}

// A renewed certificate serves new connections; none fails meanwhile, and a bad pair
// changes nothing.
func TestCertificateIsRenewedUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var made [2]*listen.SelfSigned
	for i := range made {
		var err error
		made[i], err = listen.NewSelfSigned(listen.SelfSignedConfig{Dir: filepath.Join(dir, strconv.Itoa(i)), Names: func() []string { return []string{"127.0.0.1"} }})
		if err != nil {
			t.Fatal(err)
		}
	}
	install := func(i int, names ...string) {
		t.Helper()
		for _, name := range names {
			data, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i), name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".new"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	install(0, "api.crt", "api.key")
	n := secureNode(t, "--tls-cert", filepath.Join(dir, "api.crt"), "--tls-key", filepath.Join(dir, "api.key"))
	pool := x509.NewCertPool()
	for _, m := range made {
		pool.AddCert(m.Certificate().Leaf)
	}
	var asked, failed, renewed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil && asked.Load() < 20_000 {
			c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, VerifyConnection: func(s tls.ConnectionState) error {
				if s.PeerCertificates[0].Equal(made[1].Certificate().Leaf) {
					renewed.Add(1)
				}
				return nil
			}}}}
			asked.Add(1)
			if status, _, err := n.askTLS(t.Context(), c, "/version"); status != http.StatusOK { //nolint:contextcheck // a request under way is to end
				failed.Add(1)
				t.Logf("%d %v", status, err)
			}
		}
	}()
	install(1, "api.crt") // alone it is no pair
	<-time.After(3 * time.Second)
	if renewed.Load() > 0 {
		t.Error("a certificate without its key is used")
	}
	install(1, "api.key")
	testkit.Eventually(t, patience, func() error {
		if renewed.Load() == 0 {
			return errors.New("the new certificate is not used")
		}
		return nil
	})
	stop()
	<-done
	if asked.Load() < 10 || failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
}
