package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"thalassa/internal/testkit"
)

// serverConfig is TLS with a certificate; with clients it demands theirs.
func serverConfig(t *testing.T, pair testkit.KeyPair, clients *testkit.Authority) *tls.Config {
	t.Helper()
	cert, err := tls.X509KeyPair([]byte(pair.Chain), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if clients != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, clients.Pool()
	}
	return c
}

// startTLSWeb answers, over TLS, with a line, the name that it was asked for and that of the
// client's certificate.
func startTLSWeb(t *testing.T, line string, config *tls.Config) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := "nobody"
		if c := r.TLS.PeerCertificates; len(c) > 0 {
			client = c[0].Subject.CommonName
		}
		fmt.Fprint(w, line, " ", r.TLS.ServerName, " ", client)
	})}
	go func() { _ = server.Serve(tls.NewListener(l, config)) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// static is the body of a static backend with members at ports of the loopback, whose
// server lines change at run time.
// A check may take as long as its interval, also on a machine that does something else.
func static(tls string, ports ...int) string {
	members := make([]string, len(ports))
	for i, port := range ports {
		members[i] = fmt.Sprintf(`{"host":"127.0.0.1","port":%d,"target":"m%d"}`, port, port)
	}
	return fmt.Sprintf(`{"type":"static","members":[%s],"health":{"interval":1000},"tls":%s}`, strings.Join(members, ","), tls)
}

// whyUnused is why a member of backend live gets no requests; empty: it does.
func (n *node) whyUnused(port int) string {
	n.tb.Helper()
	_, body := n.try(http.MethodGet, "/backends/live?unused=1", "")
	var backend struct {
		Unused []struct{ Address, Reason string }
	}
	if err := json.Unmarshal([]byte(body), &backend); err != nil {
		n.tb.Fatalf("%v in %s", err, body)
	}
	for _, u := range backend.Unused {
		if u.Address == fmt.Sprintf("127.0.0.1:%d", port) {
			return u.Reason
		}
	}
	return ""
}

// isDown waits until a member is down, for a reason that says one of the words.
func (n *node) isDown(port int, words string) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		if why := n.whyUnused(port); !strings.Contains(why, words) {
			return fmt.Errorf("the member at %d gets no requests because %q, expected %q", port, why, words)
		}
		return nil
	})
}

// TestMembersOverTLS has members with the right and the wrong name, of the right and the
// wrong authority, and one that demands a certificate of HAProxy.
func TestMembersOverTLS(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		n := newNode(t, "127.0.0.1:1")
		n.start()
		corp, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
		n.storeAuthority(corp)
		right := startTLSWeb(t, "right", serverConfig(t, corp.Issue(t, "shop.internal"), nil))
		wrongName := startTLSWeb(t, "wrong name", serverConfig(t, corp.Issue(t, "evil.internal"), nil))
		wrongCA := startTLSWeb(t, "wrong authority", serverConfig(t, other.Issue(t, "shop.internal"), nil))
		plain := testkit.StartWeb(t, "plain").Port
		n.call(200, http.MethodPut, "/backends/live", static(`{"verify":"corp","serverName":"shop.internal"}`, right, wrongName, wrongCA, plain))
		n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
		n.isDown(wrongName, "its certificate is for another name")
		n.isDown(wrongCA, "another authority")
		n.isDown(plain, "TLS handshake failed")
		n.answers("right shop.internal nobody")

		// Without verification everybody that speaks TLS is a member, and that is told.
		answer := n.call(200, http.MethodPut, "/backends/live", static(`{"verify":"none"}`, right, wrongName, wrongCA))
		if w := fmt.Sprint(answer["warnings"]); !strings.Contains(w, "whoever answers") {
			t.Errorf("the answer warns of %s", w)
		}
		if w := fmt.Sprint(n.call(200, http.MethodGet, "/status", "")["warnings"]); !strings.Contains(w, "whoever answers") {
			t.Errorf("the status warns of %s", w)
		}
		n.answers("right  nobody", "wrong name  nobody", "wrong authority  nobody")

		// The name of each request.
		n.call(200, http.MethodPut, "/backends/live", static(`{"verify":"corp","serverName":"shop.internal","sni":"host"}`, right))
		ask := func(host string) (int, string) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.address()+"/", nil)
			req.Host = host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return 0, err.Error()
			}
			defer resp.Body.Close()
			return resp.StatusCode, ""
		}
		testkit.Eventually(t, patience, func() error {
			if status, text := ask("shop.internal:8080"); status != http.StatusOK {
				return fmt.Errorf("%d %s", status, text)
			}
			return nil
		})
		if status, _ := ask("evil.internal"); status != http.StatusServiceUnavailable {
			t.Errorf("a host that the certificate is not for was answered with %d", status)
		}
		n.refusesBadTLS(right)
	})
}

// storeAuthority stores the certificate of an authority as corp.
func (n *node) storeAuthority(a testkit.Authority) {
	n.tb.Helper()
	body, err := json.Marshal(map[string]string{"chain": a.PEM})
	if err != nil {
		n.tb.Fatal(err)
	}
	n.call(200, http.MethodPut, "/certificates/corp", string(body))
}

// refusesBadTLS puts what is wrong, which changes nothing.
func (n *node) refusesBadTLS(port int) {
	n.tb.Helper()
	before := n.config()
	for body, want := range map[string]string{
		`{}`: "tls.verify", `{"verify":"nobody"}`: "tls.verify", `{"verify":"system"}`: "tls.serverName",
		`{"verify":"corp","sni":"host"}`: "tls.serverName", `{"verify":"corp","serverName":"10.0.0.1 verify none"}`: "tls.serverName",
		`{"verify":"corp","certificate":"corp"}`: "tls.certificate", `{"verify":"corp","alpn":["h3"]}`: "tls.alpn[0]",
		`{"verify":"corp","minVersion":"1.0"}`: "tls.minVersion", `{"verify":"corp","sni":"x"}`: "tls.sni",
	} {
		if status, answer := n.try(http.MethodPut, "/backends/live", static(body, port)); status != 400 || !strings.Contains(answer, want) {
			n.tb.Errorf("%s was answered %d %s, expected 400 for %s", body, status, answer, want)
		}
	}
	raw := fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}],"tls":{"verify":"corp"},"natives":["default-server verify none"]}`, port)
	if status, answer := n.try(http.MethodPut, "/backends/live", raw); status != 400 || !strings.Contains(answer, "natives[0]") {
		n.tb.Errorf("a raw line that takes verification back was answered %d %s", status, answer)
	}
	if status, answer := n.try(http.MethodDelete, "/certificates/corp", ""); status != 409 || !strings.Contains(answer, "backend/live") {
		n.tb.Errorf("deleting an authority in use was answered %d %s", status, answer)
	}
	if n.config() != before {
		n.tb.Error("what was refused changed haproxy.cfg")
	}
}

// TestCertificatesForMembersChangeAtRunTime deploys to members over TLS, which demand a
// certificate, and renews that and the authority under load.
func TestCertificatesForMembersChangeAtRunTime(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		n := newNode(t, "127.0.0.1:1")
		n.start()
		old, next, clients := testkit.NewAuthority(t), testkit.NewAuthority(t), testkit.NewAuthority(t)
		n.storeAuthority(old)
		n.call(200, http.MethodPut, "/certificates/me", clients.Issue(t, "balancer-1").Body())
		start := func(a testkit.Authority, count int) []int {
			ports := make([]int, count)
			for i := range ports {
				ports[i] = startTLSWeb(t, "member", serverConfig(t, a.Issue(t, "shop.internal"), &clients))
			}
			return ports
		}
		tls := `{"verify":"corp","serverName":"shop.internal","certificate":"me","alpn":["http/1.1"]}`
		former := start(old, 3)
		n.call(200, http.MethodPut, "/backends/live", static(tls, former...))
		n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
		n.answers("member shop.internal balancer-1")
		load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 4, Fresh: 4, Pause: 2 * time.Millisecond, For: 2 * time.Minute})
		step := func(what, path, body string) {
			t.Helper()
			if answer := n.call(200, http.MethodPut, path, body); answer["path"] != "runtime" {
				t.Errorf("%s took the path %v: %v", what, answer["path"], answer)
			}
			count := load.Result().Requests
			load.Await(count + 100)
			if r := load.Result(); r.Failed > 0 {
				_, members := n.try(http.MethodGet, "/backends/live?unused=1", "")
				t.Fatalf("after %s %d of %d requests failed: %v; the members are %s", what, r.Failed, r.Requests, r.Errors, members)
			}
		}
		n.withoutReload(func() {
			second := start(old, 3)
			for i, ports := range [][]int{second, former, second, former} {
				step(fmt.Sprint("deploy ", i), "/backends/live", static(tls, ports...))
			}
			many := append(start(old, 9), former...)
			step("more members than there were lines", "/backends/live", static(tls, many...))
			step("another certificate of HAProxy", "/certificates/me", clients.Issue(t, "balancer-2").Body())
			testkit.Eventually(t, patience, func() error {
				if body, err := n.get(); err != nil || body != "member shop.internal balancer-2" {
					return errors.Join(err, fmt.Errorf("a member answered %q", body))
				}
				return nil
			})
			both, err := json.Marshal(map[string]string{"chain": old.PEM + next.PEM})
			if err != nil {
				t.Fatal(err)
			}
			step("the next authority beside the former", "/certificates/corp", string(both))
			renewed := start(next, 3)
			step("members of the next authority", "/backends/live", static(tls, append(renewed, former...)...))
			step("no others", "/backends/live", static(tls, renewed...))
			step("the next authority alone", "/certificates/corp", fmt.Sprintf(`{"chain":%q}`, next.PEM))
		})
		if r := load.Stop(); r.Failed > 0 {
			t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
		} else {
			t.Logf("0 of %d requests failed", r.Requests)
		}
		last := start(old, 1)[0]
		n.call(200, http.MethodPut, "/backends/live", static(tls, append(start(next, 1), last)...))
		n.isDown(last, "another authority") // the former authority has no word any more
		n.answers("member shop.internal balancer-2")
	})
}

// TestGRPCOverTLS leads calls to members that speak HTTP/2 over TLS.
func TestGRPCOverTLS(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		n := newNode(t, "127.0.0.1:1")
		n.start()
		corp := testkit.NewAuthority(t)
		n.storeAuthority(corp)
		option := grpc.Creds(credentials.NewTLS(serverConfig(t, corp.Issue(t, "greeter.internal"), nil)))
		first, state := startGRPC(t, "one", option)
		second, _ := startGRPC(t, "two", option)
		put := func(port int) {
			n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(`{"type":"static","protocol":"h2","members":[{"host":"127.0.0.1","port":%d,"target":"m%d"}],
				"tls":{"verify":"corp","serverName":"greeter.internal"}}`, port, port))
		}
		put(first)
		n.call(200, http.MethodPut, "/certificates/edge", corp.Issue(t, "shop.example").Body())
		edge := testkit.Ports(t, 1)[0]
		n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d proto h2","backend":"live"}`, n.web))
		n.call(200, http.MethodPut, "/frontends/edge", fmt.Sprintf(`{"tls":{"bind":"127.0.0.1:%d","certificates":["edge"]},"backend":"live"}`, edge))
		over := credentials.NewTLS(&tls.Config{RootCAs: corp.Pool(), ServerName: "shop.example", MinVersion: tls.VersionTLS12})
		if got, err := checkGRPC(t.Context(), dialGRPC(t, fmt.Sprintf("127.0.0.1:%d", edge), over)); err != nil || got != "one" {
			t.Errorf("over TLS on both sides %q answered: %v", got, err)
		}
		n.usesGRPC(t, dialGRPC(t, n.address(), insecure.NewCredentials()), state, func() { put(second) })
	})
}
