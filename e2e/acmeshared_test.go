package e2e_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

// clusterKey is a file with a key that agents share.
func clusterKey(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "key")
	if err := os.WriteFile(path, []byte("a random text of more than 32 characters: 8fj2Lq0z"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// agentToken is an admin's.
const agentToken = "0123456789abcdef0123456789abcdef"

// The server meets a node that does not order: it answers for the one that does, and both
// serve what is issued, without a reload.
func TestAnyNodeAnswersChallenges(t *testing.T) {
	p, server := testkit.StartPebble(t, testkit.PebbleConfig{}), testkit.Consul(t)
	key, tokens := clusterKey(t), filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("admin ops "+agentToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(host string) *node {
		n := newNode(t, server.Address(), "--acme-allow-local", "--acme-http-port", strconv.Itoa(p.HTTPPort), "--session-key-file", key, "--token-file", tokens, "--register=false")
		n.token = agentToken
		n.start()
		n.call(http.StatusOK, http.MethodPut, "/frontends/www", fmt.Sprintf(`{"bind":"%s:%d","natives":["http-request redirect scheme https"]}`, host, p.HTTPPort))
		return n
	}
	a, b := start("127.0.0.1"), start("127.0.0.2")
	if err := p.SetAddress("shop.example", "127.0.0.2"); err != nil {
		t.Fatal(err)
	}
	ports := map[*node]string{}
	for _, n := range []*node{a, b} {
		ports[n] = fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
	}
	a.call(http.StatusOK, http.MethodPut, "/certificates/early", orderBody(p, "early.example")) // its rule is a reload
	a.awaitIssued("early", "")
	b.call(http.StatusOK, http.MethodPut, "/certificates/early", orderBody(p, "early.example"))
	b.awaitIssued("early", "")
	a.call(http.StatusOK, http.MethodPut, "/certificates/shop", orderBody(p, "shop.example"))
	serial := a.awaitIssued("shop", "")
	b.call(http.StatusOK, http.MethodPut, "/certificates/shop", orderBody(p, "shop.example"))
	if got := b.awaitIssued("shop", ""); got != serial {
		t.Errorf("the nodes have %s and %s", serial, got)
	}
	for n, secure := range ports {
		n.call(http.StatusOK, http.MethodPut, "/frontends/tls", fmt.Sprintf(`{"natives":["http-request return status 200"],"tls":{"bind":%q,"certificates":["shop"]}}`, secure))
	}
	reloads := a.reloads() + b.reloads()
	b.call(http.StatusAccepted, http.MethodPost, "/certificates/shop/renew", "") // the other one orders
	next := b.awaitIssued("shop", serial)
	for _, n := range []*node{a, b} {
		testkit.Eventually(t, patience, func() error {
			if got := servedSerial(ports[n]); got != next {
				return fmt.Errorf("served %s, issued is %s", got, next)
			}
			return nil
		})
		if order := n.order("shop"); order["alone"] != nil {
			t.Errorf("the order stands at %v", order)
		}
	}
	if now := a.reloads() + b.reloads(); now != reloads {
		t.Errorf("%d reloads, were %d", now, reloads)
	}
	if p.Orders() != 3 || p.Finalized() != 3 || p.Accounts() != 1 {
		t.Errorf("%d orders, %d requests for certificates, %d accounts", p.Orders(), p.Finalized(), p.Accounts())
	}
	for _, n := range []*node{a, b} {
		testkit.Eventually(t, patience, func() error {
			if text, err := os.ReadFile(n.path("haproxy.cfg.challenges")); err != nil || len(text) > 0 {
				return fmt.Errorf("the map still has %q, %w", text, err)
			}
			return nil
		})
	}
}

// servedSerial is the serial number of the certificate that an address shows.
func servedSerial(address string) string {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
}

// A reload, and a HAProxy that is killed, between the answer of the agent and the look of the
// server cost no attempt.
func TestHAProxyIsReplacedDuringAChallenge(t *testing.T) {
	for _, name := range []string{"reload", "kill"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testkit.StartPebble(t, testkit.PebbleConfig{})
			n := newNode(t, "127.0.0.1:1", "--acme-allow-local", "--acme-http-port", strconv.Itoa(p.HTTPPort))
			n.start()
			n.call(http.StatusOK, http.MethodPut, "/frontends/www", fmt.Sprintf(`{"bind":"127.0.0.1:%d","natives":["http-request redirect scheme https"]}`, p.HTTPPort))
			var done atomic.Bool
			reached, goOn := make(chan struct{}), make(chan struct{})
			p.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasPrefix(r.URL.Path, "/chalZ") && done.CompareAndSwap(false, true) {
					close(reached)
					<-goOn
				}
				return false
			})
			n.call(http.StatusOK, http.MethodPut, "/certificates/shop", orderBody(p, "shop.example"))
			<-reached
			switch name {
			case "reload":
				n.call(http.StatusOK, http.MethodPut, "/frontends/other", fmt.Sprintf(`{"bind":"127.0.0.1:%d","natives":["http-request return status 200"]}`, n.web))
			case "kill":
				pid := n.haproxyPID()
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				testkit.Eventually(t, patience, func() error {
					conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.HTTPPort))
					if now := n.haproxyPID(); err != nil || now == pid || now == 0 {
						return fmt.Errorf("process %d, %w", now, err)
					}
					return conn.Close()
				})
			}
			close(goOn)
			n.awaitIssued("shop", "")
			if p.Orders() != 1 || p.Finalized() != 1 {
				t.Errorf("%d orders, %d requests for certificates", p.Orders(), p.Finalized())
			}
		})
	}
}

// The agent's own address shows a certificate of its own until one is issued, then that, and
// each newer one without a restart.
func TestOwnCertificateIsOrdered(t *testing.T) {
	p := testkit.StartPebble(t, testkit.PebbleConfig{})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(p.CA), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, "127.0.0.1:1", "--acme-allow-local", "--acme-http-port", strconv.Itoa(p.HTTPPort),
		"--tls", "acme", "--tls-names", "lb.example", "--tls-acme-directory", p.Directory, "--tls-acme-directory-ca", ca)
	n.secure, n.asksTLS = true, true
	n.start()
	address := fmt.Sprintf("127.0.0.1:%d", n.api)
	first := servedSerial(address)
	if info := n.call(http.StatusOK, http.MethodGet, "/tls", ""); info["selfSigned"] != true {
		t.Errorf("it begins with %v", info)
	}
	testkit.Eventually(t, patience, func() error {
		warnings := fmt.Sprint(n.call(http.StatusOK, http.MethodGet, "/status", "")["warnings"])
		if !strings.Contains(warnings, "the API's certificate is not issued yet") || !strings.Contains(warnings, "no frontend binds port") {
			return fmt.Errorf("warnings: %s", warnings)
		}
		return nil
	})
	n.call(http.StatusOK, http.MethodPut, "/frontends/www", fmt.Sprintf(`{"bind":"127.0.0.1:%d","natives":["http-request redirect scheme https"]}`, p.HTTPPort))
	testkit.Eventually(t, patience, func() error { // a change of the frontends has it look again
		if got := servedSerial(address); got == first {
			return fmt.Errorf("still %s", got)
		}
		return nil
	})
	second := servedSerial(address)
	info := n.call(http.StatusOK, http.MethodGet, "/tls", "")
	if names := fmt.Sprint(info["names"]); info["selfSigned"] != false || names != "[lb.example]" {
		t.Errorf("it shows %v", info)
	}
	if warnings := fmt.Sprint(n.call(http.StatusOK, http.MethodGet, "/status", "")["warnings"]); strings.Contains(warnings, "API's certificate") {
		t.Errorf("warnings: %s", warnings)
	}
	n.signal(syscall.SIGKILL)
	n.start()
	if got := servedSerial(address); got != second || p.Orders() != 1 {
		t.Errorf("after a restart it shows %s, was %s; %d orders", got, second, p.Orders())
	}
}
