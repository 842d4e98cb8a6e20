package e2e_test

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// floatingAddress is a resource of the cluster: an address alone.
const floatingAddress = `<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
	<instance_attributes id="vip-params">
		<nvpair id="vip-ip" name="ip" value="` + cluster.Floating + `"/>
		<nvpair id="vip-mask" name="cidr_netmask" value="24"/>
	</instance_attributes>
	<operations><op id="vip-monitor" name="monitor" interval="5s" timeout="20s"/></operations>
</primitive>`

// Nobody logs in again when the floating IP moves, and a logout there counts on the node
// before, too.
func TestClusterSessionsHoldOnAllNodes(t *testing.T) {
	t.Parallel()
	access := filepath.Join(t.TempDir(), "access.yaml")
	accessUser(t, access, "ann", "--role", "admin")
	for _, role := range []string{"read", "deploy", "operate", "admin"} { // users of secretsStay
		accessUser(t, access, role, "--role", role)
	}
	users, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, 48)
	_, _ = rand.Read(secret)
	cfg := clusterConfig(t)
	cfg.Resources = floatingAddress
	cfg.Files["access.yaml"] = cluster.File{Content: users, Mode: 0o600}
	cfg.Files["session.key"] = cluster.File{Content: []byte(base64.StdEncoding.EncodeToString(secret)), Mode: 0o600}
	cfg.Units["thalassa"] = `exec thalassa agent --config /run/fixture/thalassa.yaml --token-file "" --haproxy pacemaker --haproxy-log "" ` +
		`--host 0.0.0.0 --access-file /run/fixture/access.yaml --session-key-file /run/fixture/session.key`
	s := bootNodes(t, cfg)
	s.cluster.AwaitOnline()
	s.holders = s.cluster.WatchHolders(cluster.Floating)
	holder := func(unlike string) string {
		t.Helper()
		var name string
		testkit.Eventually(t, 2*time.Minute, func() error {
			now := s.holders.Now()
			if len(now) != 1 || now[0] == unlike {
				return fmt.Errorf("the address is on %v", now)
			}
			name = now[0]
			return nil
		})
		return name
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	// Each node has a certificate of its own here.
	client := &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: s.cluster.Dial("client"), DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	ask := func(method, address, path, body string) (int, string, error) {
		req, err := http.NewRequest(method, "https://"+address+":10000"+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return res.StatusCode, string(text), err
	}
	first := holder("")
	var session struct{ Name, Nodes string }
	testkit.Eventually(t, 2*time.Minute, func() error {
		status, text, err := ask("POST", cluster.Floating, "/session", `{"user":"ann","password":"correct horse"}`)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("login: %d %s %w", status, text, err)
		}
		return json.Unmarshal([]byte(text), &session)
	})
	if session.Name != "ann" || session.Nodes != "all" {
		t.Fatalf("session: %+v", session)
	}
	floating := "https://" + cluster.Floating + ":10000/"
	req, _ := http.NewRequest(http.MethodGet, floating, nil)
	cookies := jar.Cookies(req.URL)
	if len(cookies) != 1 || !strings.HasPrefix(cookies[0].Name, "__Host-") {
		t.Fatalf("cookies: %v", cookies)
	}

	s.cluster.Any().Run("crm_attribute", "-N", first, "-n", "standby", "-v", "on")
	begun := time.Now()
	second := holder(first)
	testkit.Eventually(t, 30*time.Second, func() error {
		status, text, err := ask("GET", cluster.Floating, "/session", "")
		if err != nil || status != http.StatusOK || !strings.Contains(text, `"ann"`) {
			return fmt.Errorf("on %s: %d %s %w", second, status, text, err)
		}
		return nil
	})
	t.Logf("from %s to %s: still logged in %s after the move began", first, second, time.Since(begun).Round(time.Millisecond))

	t.Run("history", func(t *testing.T) { sharedHistory(t, s, cookies[0], client) })
	t.Run("author", func(t *testing.T) { namedAuthor(t, s, cookies[0], client) })
	t.Run("secrets", func(t *testing.T) { secretsStay(t, s, client) })

	// The first node has the session, too, until it ends on the second.
	before := s.cluster.Node(first).Address()
	withCookie := func(address string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, "https://"+address+":10000/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(cookies[0])
		res, err := (&http.Client{Transport: client.Transport, Timeout: 20 * time.Second}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	if status, text := withCookie(before); status != http.StatusOK {
		t.Errorf("the first node: %d %s", status, text)
	}
	status, text, err := ask("DELETE", cluster.Floating, "/session", "")
	if err != nil || status != http.StatusOK || !strings.Contains(text, `"nodes":"all"`) {
		t.Fatalf("logout: %d %s %v", status, text, err)
	}
	if status, text := withCookie(s.cluster.Node(second).Address()); status != http.StatusUnauthorized {
		t.Errorf("the node of the logout: %d %s", status, text)
	}
	begun = time.Now()
	testkit.Eventually(t, 10*time.Second, func() error {
		if status, text := withCookie(before); status != http.StatusUnauthorized {
			return fmt.Errorf("the first node: %d %s", status, text)
		}
		return nil
	})
	t.Logf("the first node refuses %s after the logout", time.Since(begun).Round(time.Millisecond))
}

// namedAuthor changes the configuration on one node as ann, and looks whether each agent
// knows that she did.
func namedAuthor(t *testing.T, s *clusterFixture, session *http.Cookie, client *http.Client) {
	t.Helper()
	ask := func(n *cluster.Node, method, path, body string, v any) error {
		req, err := http.NewRequest(method, "https://"+n.Address()+":10000"+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.AddCookie(session)
		res, err := (&http.Client{Transport: client.Transport, Timeout: 30 * time.Second}).Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %d %s %w", n.Name, res.StatusCode, text, err)
		}
		return json.Unmarshal(text, v)
	}
	writer := s.cluster.Any()
	if err := ask(writer, "PUT", "/cluster/config/locations/vip-home", `{"rsc":"vip","node":"`+writer.Name+`","score":"1"}`, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, time.Minute, func() error {
		for _, n := range s.cluster.Up() {
			var list struct {
				Transitions []struct {
					ID      string
					Authors []struct{ Name, Job, Object, Node string }
				}
			}
			if err := ask(n, "GET", "/cluster/history?author=ann", "", &list); err != nil {
				return err
			}
			if len(list.Transitions) != 1 || len(list.Transitions[0].Authors) != 1 {
				return fmt.Errorf("%s: %+v", n.Name, list)
			}
			a := list.Transitions[0].Authors[0]
			if a.Name != "ann" || a.Object != "locations/vip-home" || a.Node != writer.Name {
				return fmt.Errorf("%s: %+v", n.Name, a)
			}
			var job struct{ Author, Result string }
			if err := ask(n, "GET", "/cluster/jobs/"+a.Job, "", &job); err != nil || job.Author != "ann" || job.Result != "done" {
				return fmt.Errorf("%s: %+v, %w", n.Name, job, err)
			}
			var records []struct{ Name, Path string }
			if err := ask(n, "GET", "/audit?job="+a.Job, "", &records); err != nil || n == writer && (len(records) != 1 || records[0].Name != "ann") || n != writer && len(records) > 0 {
				return fmt.Errorf("%s audits %+v, %w", n.Name, records, err)
			}
			if err := readsLogs(n, list.Transitions[0].ID, ask); err != nil {
				return err
			}
		}
		return nil
	})
}

// readsLogs reports whether the agent of a node does not show what all nodes have logged around a
// transition, and in the last minutes.
func readsLogs(n *cluster.Node, transition string, ask func(n *cluster.Node, method, path, body string, v any) error) error {
	now := time.Now().UTC()
	for _, path := range []string{
		"/cluster/history/" + transition + "/log?limit=1000",
		"/cluster/history/log?limit=1000&from=" + now.Add(-10*time.Minute).Format(time.RFC3339) + "&to=" + now.Format(time.RFC3339),
	} {
		var log clusterstatus.Logged
		if err := ask(n, "GET", path, "", &log); err != nil {
			return err
		}
		from := map[string]bool{}
		for _, l := range log.Lines {
			if strings.HasPrefix(l.Daemon, "pacemaker-") && l.PID > 0 {
				from[cmp.Or(l.Node, log.Node)] = true
			}
		}
		own := slices.ContainsFunc(log.Lines, func(l clusterstatus.LogLine) bool { return strings.HasPrefix(l.Text, "Setting thalassa-") })
		if len(from) != 3 || own || log.Node != n.Name || len(log.Missing) > 0 {
			return fmt.Errorf("%s of %s: lines of %v, own %t, missing %v, %d lines", path, n.Name, from, own, log.Missing, len(log.Lines))
		}
	}
	return nil
}

// sharedHistory looks whether every agent knows the latest transitions of the DC.
func sharedHistory(t *testing.T, s *clusterFixture, session *http.Cookie, client *http.Client) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() error {
		latest := map[string][]string{} // nodes by what they know
		for _, n := range s.cluster.Up() {
			req, err := http.NewRequest(http.MethodGet, "https://"+n.Address()+":10000/cluster/history?limit=3", nil)
			if err != nil {
				return err
			}
			req.AddCookie(session)
			res, err := (&http.Client{Transport: client.Transport, Timeout: 20 * time.Second}).Do(req)
			if err != nil {
				return err
			}
			text, err := io.ReadAll(res.Body)
			_ = res.Body.Close() // read
			if err != nil || res.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %d %s %w", n.Name, res.StatusCode, text, err)
			}
			var list struct{ Transitions []struct{ ID string } }
			if err := json.Unmarshal(text, &list); err != nil {
				return err
			}
			latest[fmt.Sprint(list.Transitions)] = append(latest[fmt.Sprint(list.Transitions)], n.Name)
		}
		if len(latest) != 1 || latest["[]"] != nil {
			return fmt.Errorf("they know different ones: %v", latest)
		}
		t.Logf("all know %v", latest)
		return nil
	})
}
