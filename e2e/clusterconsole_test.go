package e2e_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/listen"
)

// consoleToken is that of whoever looks at a console.
const consoleToken = "looks-at-the-console-0123456789"

// A consoleOf is a console on this machine, which reads its settings again.
type consoleOf struct {
	*node

	config, before string // the file of the settings, and what it begins with
	tokenFile      string // has the token that the cluster accepts
}

// console prepares a console; its settings name no cluster yet.
func (a *acceptance) console() *consoleOf {
	t := a.t
	t.Helper()
	dir, port := t.TempDir(), testkit.Ports(t, 1)[0]
	c := &consoleOf{config: filepath.Join(dir, "console.yaml"), tokenFile: filepath.Join(dir, "lab-token")}
	tokens := filepath.Join(dir, "tokens")
	writeSecret(t, c.tokenFile, a.token+"\n")
	writeSecret(t, tokens, "read reader "+consoleToken+"\n")
	c.before = "console: true\ndb-path: " + dir + "\ntoken-file: " + tokens + "\nport: " + strconv.Itoa(port) + "\n"
	c.node = &node{tb: t, dir: dir, api: port, token: consoleToken, log: &testkit.Log{}}
	c.wrap = func(cmd *exec.Cmd) *exec.Cmd {
		out := exec.Command(cmd.Path, "agent", "--config", c.config)
		out.Env = []string{"PATH=/nowhere", "HOME=" + dir}
		return out
	}
	t.Cleanup(func() {
		if c.agent != nil && !c.exited() {
			_ = c.agent.Process.Kill()
			<-c.exit
		}
		if t.Failed() {
			t.Logf("the log of the console:\n%s", c.log)
		}
	})
	return c
}

// names has the settings name clusters, as YAML.
func (c *consoleOf) names(clusters string) {
	c.tb.Helper()
	writeSecret(c.tb, c.config, c.before+"clusters:\n"+clusters)
}

// reload has the console read its settings again.
func (c *consoleOf) reload() {
	c.tb.Helper()
	if err := c.agent.Process.Signal(syscall.SIGHUP); err != nil {
		c.tb.Fatal(err)
	}
}

func writeSecret(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// key is the digest of the key that the agents share.
func (s *managedFixture) key(space, address string) string {
	s.tb.Helper()
	raw, err := s.cluster.Dial(space)(s.tb.Context(), "tcp", address)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true})
	if err := conn.HandshakeContext(s.tb.Context()); err != nil {
		s.tb.Fatal(err)
	}
	return listen.DescribeCertificate(conn.ConnectionState().PeerCertificates[0]).PublicKey
}

// otherCluster has the settings of a console name one more cluster, and then no more: clusters come
// from the settings of an agent, not from its pages. Both names are of the cluster of the fixture.
func (a *acceptance) otherCluster() {
	c := a.console()
	key, at := a.key("n1", "127.0.0.1:10000"), func(node string) string {
		return fmt.Sprintf("https://127.0.0.1:%d", a.servedAt(node, "127.0.0.1:10000").api)
	}
	one := func(name, address string) string {
		return fmt.Sprintf("  - {name: %s, addresses: [%q], tokenFile: %s, fingerprints: [%s]}\n", name, address, c.tokenFile, key)
	}
	first, second := one("first", at("n2")), one("lab", at("n1"))
	c.names(first)
	c.start()
	p := openPage(a.t, c.node, "/", look{})
	p.excuse("401")
	p.write("#token", consoleToken)
	p.click("form button[type=submit]")
	p.reads(`[aria-label="Cluster first"]`, "ok", "3 / 3")
	p.click(p.button("main", "Add or remove a cluster"))
	p.reads("main details", "clusters:", "tokenFile:", "systemctl reload thalassa")
	p.shot("how to add")
	c.names(first + second)
	c.reload()
	p.reads(`[aria-label="Cluster lab"]`, "ok", "3 / 3", "Reported by n1")
	p.reads(".lights", "2 ok")
	p.shot("added")
	p.click(`[aria-label="Cluster lab"] h2 a`)
	p.reads(`[aria-label="Nodes and resources"]`, "fence", "n1", "n2", "n3")
	p.reads("main", "read-only")
	p.click(p.button(".head", "Jobs"))
	p.reads(`[aria-label="Jobs"]`, "primitives/extra")
	p.visit("/clusters")
	c.names(first)
	c.reload()
	p.reads(".lights", "1 ok")
	p.sees(`!document.querySelector('[aria-label="Cluster lab"]')`)
}
