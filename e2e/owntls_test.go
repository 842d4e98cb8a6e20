package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// TestInstancesSayHowTheySpeakTLS: instances of one backend speak TLS under the name of the
// backend, under a name of their own, or not at all, as their meta says. They come, change and go
// under load, without a reload.
func TestInstancesSayHowTheySpeakTLS(t *testing.T) {
	consul := testkit.Consul(t)
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		n := newNode(t, consul.Address())
		n.start()
		service := fmt.Sprint("own-", n.web) // of this HAProxy alone
		corp := testkit.NewAuthority(t)
		n.storeAuthority(corp)
		named := func(name string) int { return startTLSWeb(t, "a", serverConfig(t, corp.Issue(t, name), nil)) }
		long := strings.Repeat(strings.Repeat("c", 60)+".", 3) + "internal"
		first, second := named("shop.internal"), named("b.internal")
		plain := testkit.StartWeb(t, "plain").Port
		come := func(id string, port int, meta ...string) {
			of := map[string]string{"version": "1.0.0"}
			for _, m := range meta {
				key, value, _ := strings.Cut(m, "=")
				of[key] = value
			}
			consul.Register(testkit.Instance{ID: service + id, Service: service, Address: "127.0.0.1", Port: port, Meta: of})
		}
		come("first", first)
		backend := fmt.Sprintf(`{"type":"dynamic","name":%q,"version":"1.0.0","health":{"interval":1000},
			"tls":{"verify":"corp","serverName":"shop.internal","fromMeta":["serverName","off"]}}`, service)
		answer := n.call(200, http.MethodPut, "/backends/live", backend)
		if w := fmt.Sprint(answer["warnings"]); !strings.Contains(w, "requests without TLS") {
			t.Errorf("the answer warns of %s", w)
		}
		n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
		n.answers("a shop.internal nobody")
		load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 4, Fresh: 4, Pause: 2 * time.Millisecond, For: 2 * time.Minute})
		n.withoutReload(func() {
			come("second", second, "tls-server-name=b.internal")
			n.answers("a shop.internal nobody", "a b.internal nobody")
			come("plain", plain, "tls=off")
			n.answers("a shop.internal nobody", "a b.internal nobody", "plain")
			consul.Deregister(service + "first")
			n.answers("a b.internal nobody", "plain")
			come("first", first, "tls-server-name=shop.internal") // the backend's
			n.answers("a shop.internal nobody", "a b.internal nobody", "plain")
		})
		// The file says the same: a new worker serves the same members, and an agent that starts
		// anew changes nothing.
		n.call(200, http.MethodPost, "/haproxy/reload", "")
		n.answers("a shop.internal nobody", "a b.internal nobody", "plain")
		if r := load.Stop(); r.Failed > 0 {
			t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
		} else {
			t.Logf("0 of %d requests failed", r.Requests)
		}
		n.withoutReload(func() {
			n.signal(syscall.SIGKILL)
			n.start()
			come("third", named(long), "tls-server-name="+long)
			n.answers("a shop.internal nobody", "a b.internal nobody", "a "+long+" nobody", "plain")
		})
		n.restartHAProxy()
		n.answers("a shop.internal nobody", "a b.internal nobody", "a "+long+" nobody", "plain")
		come("second", second, "tls-server-name=evil.internal")
		n.isDown(second, "its certificate is for another name")
		come("second", second, "tls-server-name=b.internal")
		// What is not valid, or not allowed, leaves the settings of the backend.
		come("plain", plain, "tls=of")
		n.isDown(plain, `its meta tls is "of"`)
		come("plain", plain, "tls=off")
		n.answers("a shop.internal nobody", "a b.internal nobody", "a "+long+" nobody", "plain")
		n.call(200, http.MethodPut, "/backends/live", strings.Replace(backend, `"serverName","off"`, `"serverName"`, 1))
		n.isDown(plain, "TLS handshake failed")
		n.answers("a shop.internal nobody", "a b.internal nobody", "a "+long+" nobody")
	})
}

// TestTLSOfInstancesOutlastsConsul: an agent that starts while Consul is away leaves each instance
// on its line. What its backend does not let it say any more does not count.
func TestTLSOfInstancesOutlastsConsul(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	n.start()
	corp := testkit.NewAuthority(t)
	n.storeAuthority(corp)
	plain := testkit.StartWeb(t, "plain").Port
	for port, meta := range map[int]map[string]string{
		plain: {"version": "1.0.0", "tls": "off"},
		startTLSWeb(t, "a", serverConfig(t, corp.Issue(t, "b.internal"), nil)): {"version": "1.0.0", "tls-server-name": "b.internal"},
	} {
		consul.Register(testkit.Instance{ID: strconv.Itoa(port), Service: "shop", Address: "127.0.0.1", Port: port, Meta: meta})
	}
	const backend = `{"type":"dynamic","name":"shop","version":"1.0.0","health":{"interval":200},
		"tls":{"verify":"corp","serverName":"shop.internal","fromMeta":["serverName"%s]}}`
	n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(backend, `,"off"`))
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	n.answers("a b.internal nobody", "plain")
	n.signal(syscall.SIGKILL)
	consul.Kill()
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), Fresh: 2, Pause: 5 * time.Millisecond, For: time.Minute})
	n.start()
	testkit.Eventually(t, patience, func() error {
		if n.worker() == nil {
			return errors.New("the agent has not found HAProxy yet")
		}
		return nil
	})
	load.Await(load.Result().Requests + 300)
	<-time.After(time.Second) // a wrong line is down after three checks
	n.answers("a b.internal nobody", "plain")
	if r := load.Stop(); r.Failed > 0 {
		t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
	n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(backend, ""))
	n.answers("a b.internal nobody")
	consul.StartAgain()
}
