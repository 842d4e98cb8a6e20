package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/clusters"
	"thalassa/internal/testkit"
)

// An otherPeer is a node of another cluster: the API of its agent, with TLS.
type otherPeer struct {
	*httptest.Server
	handler *api.Server
}

// otherNode starts the agent of a node of another cluster.
func otherNode(t *testing.T, authority testkit.Authority, c *apitest.Cluster, adjust ...func(*api.Config)) otherPeer {
	t.Helper()
	pair := authority.IssueAs(t, func(x *x509.Certificate) { x.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }, "agent")
	cert, err := tls.X509KeyPair([]byte(pair.Chain), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	_, cfg := apitest.Prepare(t, append([]func(*api.Config){apitest.InCluster(c)}, adjust...)...)
	handler := api.New(cfg)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	a := otherPeer{server, handler}
	t.Cleanup(a.lose)
	return a
}

// lose ends the node.
func (a otherPeer) lose() {
	_ = a.Listener.Close() // so that nobody connects again
	a.CloseClientConnections()
	a.Close()
}

// caFile writes the certificate of an authority.
func caFile(t *testing.T, authority testkit.Authority) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte(authority.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fleetOf follows clusters until the end of the test.
func fleetOf(t *testing.T, entries ...clusters.Entry) *clusters.Fleet {
	t.Helper()
	sources, err := clusters.Load(entries)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := clusters.New(clusters.Config{Now: time.Now}, sources)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return fleet
}

// Several clusters on one page: each with its light, what is wrong and why, live; and the pages of
// one of them, read-only.
func TestClustersPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	authority := testkit.NewAuthority(t)
	ca := caFile(t, authority)
	paris, rome := apitest.NewCluster(), apitest.NewCluster()
	rome.Change(func(v *cluster.Status) { v.Name, v.Failures = "roma", nil })
	a, b, only := otherNode(t, authority, paris), otherNode(t, authority, paris), otherNode(t, authority, rome)
	fleet := fleetOf(t,
		clusters.Entry{Name: "paris", Addresses: []string{a.URL, b.URL}, CAFile: ca},
		clusters.Entry{Name: "rome", Addresses: []string{only.URL}, CAFile: ca},
	)
	_, cfg := apitest.Prepare(t)
	cfg.Clusters = fleet
	p := openPage(t, served(t, cfg), "/clusters", look{})
	const card = `[aria-label="Cluster paris"]`
	p.reads("h1", "Clusters")
	p.reads("nav [aria-current]", "Clusters")
	p.reads(card, "paris", "ok", "lab", "DC n1", "quorum", "2 / 2", "haproxy monitor failed on n2: not running", "Reported by n1 at 127.0.0.1:", "just now")
	p.reads(`[aria-label="Cluster rome"]`, "ok", "roma")
	p.reads(".lights", "2 ok")
	p.shot("clusters")
	p.barriers(axe(t), "other clusters", allRules)
	p.legible("other clusters", look{})

	// What changes there is here without being asked for.
	rome.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.State, v.Quorum, v.DC, v.Nodes[1].State = cluster.StateNoQuorum, false, "", "unclean"
		v.Reasons = []string{"this partition has no quorum, so Pacemaker runs nothing here"}
	})
	p.reads(`[aria-label="Cluster rome"].lit-bad`, "no quorum", "1 / 2", "This partition has no quorum", "DC none")
	p.reads(".lights", "1 ok", "1 no quorum")

	// A node dies, and another one goes on.
	died := a
	if first, _, err := fleet.Cluster("paris"); err != nil || first.Address == b.URL {
		died = b
	}
	died.lose()
	p.reads(card+" .silent", strings.TrimPrefix(died.URL, "https://"), "refused")
	p.reads(card, "ok", "Reported by n1")
	p.shot("clusters-trouble")

	// The pages of one cluster: its state, a resource, a node.
	p.click(`[aria-label="Cluster rome"] h2 a`)
	p.sees(`location.pathname === "/clusters/rome"`)
	p.reads(".strip.past", "This is the cluster rome, read-only.", "Reported by n1")
	p.reads(`[aria-label="Floating IPs"]`, "192.0.2.10/24", "on n1")
	p.reads(".notices", "no quorum")
	p.sees(`document.querySelectorAll(".matrix tbody tr").length === 2 && document.querySelector(".matrix thead .badge.bad")`)
	p.sees(`document.querySelectorAll("main button").length === 0`) // nothing can be done here
	p.barriers(axe(t), "another cluster", allRules)
	p.legible("another cluster", look{})
	p.shot("clusters-one")
	rome.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.State, v.Quorum, v.DC, v.Nodes[1].State, v.Reasons = cluster.StateOK, true, "n1", "online", []string{}
	})
	p.sees(`!document.querySelector(".matrix thead .badge.bad") && document.querySelector(".head .badge.good")`)
	p.click(`.matrix tbody a[href="/clusters/rome/resources/vip"]`)
	p.reads("h1", "vip")
	p.reads(".crumbs", "Clusters / rome / Resources")
	p.reads(`[aria-label="Where it runs"]`, "n1", "started")
	p.sees(`document.querySelector(".strip.past a").href.endsWith("/cluster/resources/vip") && document.querySelector(".strip.past a").innerText === "Open the console of this cluster"`)
	p.sees(`document.querySelector(".strip.past") && document.querySelectorAll("main button").length === 0 && !document.querySelector('[href^="/cluster/config"]')`)
	p.barriers(axe(t), "a resource of another cluster", allRules)
	p.click(`[aria-label="Where it runs"] a[href="/clusters/rome/nodes/n1"]`)
	p.reads("h1", "n1")
	p.reads(`[aria-label="What runs there"]`, "haproxy", "vip")
	p.do(goBack)
	p.reads("h1", "vip")

	p.visit("/clusters/rome/config")
	p.reads("h1", "Configuration")
	p.reads(`[aria-label="primitives"]`, "vip", "ocf:heartbeat:IPaddr2")
	p.click(`[aria-label="View of the configuration"] button:nth-child(2)`)
	p.reads(`[aria-label="Configuration as text"]`, "primitive vip")
	p.excuse("data:image/svg+xml") // the icon in Chromium's own field for a time
	p.visit("/clusters/rome/history")
	p.reads("h1", "History")
	p.reads(".strip.past", "This is the cluster rome")
	p.reads(`[aria-label="Transitions"]`, "input")
	p.click(`[aria-label="Transitions"] tbody tr:first-child a`)
	p.sees(`location.pathname === "/clusters/rome/history" && location.search.startsWith("?id=")`)
	p.reads(`[aria-label="The past"]`, "Previous")
	p.sees(`(l => l.pathname === "/history" && l.search === location.search && l.search !== "")(new URL(document.querySelector(".strip.past a").href))`)
	p.visit("/clusters/rome/history?import=1a2b3c4d5e6f") // imports are of this agent: the past is that of rome
	p.reads(`[aria-label="Transitions"]`, "input")
	p.sees(`!document.querySelector('[aria-label="Imported"]') && !document.querySelector("main .problem, main [role=alert]")`)

	// All of its nodes are gone: what was seen last stays, and says so.
	p.visit("/clusters/rome")
	p.reads(`[aria-label="Floating IPs"]`, "192.0.2.10/24")
	p.excuse("503") // of what the page asks for just then
	only.lose()
	p.reads(".strip.past.away", "None of its agents answers", "seen last")
	p.reads(".head", "unreachable")
	p.reads(`[aria-label="Floating IPs"]`, "192.0.2.10/24")
	p.legible("an unreachable cluster", look{})
	p.excuse("404")
	p.visit("/clusters/nowhere")
	p.reads("main", "No cluster nowhere")
	p.visit("/clusters")
	p.reads(`[aria-label="Cluster rome"].lit-bad`, "unreachable", "refused")
	p.look(look{dark: true})
	p.shot("clusters-dark")
	p.look(look{width: 390, height: 844, phone: true})
	p.sees(`document.documentElement.scrollWidth <= innerWidth`)
	p.shot("clusters-phone")
	p.visit("/clusters/paris")
	p.reads(".strip.past", "paris")
	p.sees(`document.documentElement.scrollWidth <= innerWidth`)
	p.shot("clusters-one-phone")
}

// A console is the real program without HAProxy, Consul and Pacemaker. It shows a cluster by pages,
// API and command line, follows its settings, and offers nothing else.
func TestConsole(t *testing.T) {
	testkit.Tool(t, "chromium")
	authority := testkit.NewAuthority(t)
	paris, rome := apitest.NewCluster(), apitest.NewCluster()
	a, b := otherNode(t, authority, paris, apitest.Guarded(t)), otherNode(t, authority, rome)
	dir, ports := t.TempDir(), testkit.Ports(t, 1)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, token, own := write("ca.pem", authority.PEM), write("paris-token", apitest.ReadToken), write("tokens", "admin boss "+apitest.AdminToken+"\nread reader "+apitest.ReadToken+"\n")
	one := func(name, address, more string) string {
		return fmt.Sprintf("  - {name: %s, addresses: [%q], caFile: %s%s}\n", name, address, ca, more)
	}
	first := one("paris", a.URL, ", tokenFile: "+token)
	config := write("console.yaml", "console: true\ndb-path: "+dir+"\ntoken-file: "+own+"\nport: "+strconv.Itoa(ports[0])+"\nclusters:\n"+first)
	n := &node{tb: t, dir: dir, api: ports[0], token: apitest.AdminToken, log: &testkit.Log{}}
	n.wrap = func(cmd *exec.Cmd) *exec.Cmd {
		out := exec.Command(cmd.Path, "agent", "--config", config)
		out.Env = []string{"PATH=/nowhere", "HOME=" + dir}
		return out
	}
	n.start()
	t.Cleanup(func() {
		if !n.exited() {
			_ = n.agent.Process.Kill()
			<-n.exit
		}
		if t.Failed() {
			t.Logf("the log of the console:\n%s", n.log)
		}
	})
	testkit.Eventually(t, patience, func() error {
		if status, body := n.try("GET", "/readyz", ""); status != 200 {
			return fmt.Errorf("/readyz: %d %s", status, body)
		}
		return nil
	})
	if got := n.call(200, "GET", "/clusters/paris", ""); got["state"] != "ok" || got["cluster"] == nil {
		t.Errorf("paris is %v", got)
	}
	if got := n.call(404, "GET", "/backends", ""); !strings.Contains(fmt.Sprint(got["error"]), "is a console") {
		t.Errorf("backends: %v", got)
	}
	n.call(404, "PUT", "/backends/live", `{"type":"static"}`)
	n.call(405, "POST", "/clusters/paris/actions/standby", `{"node":"n1"}`)

	// The command line.
	cmd := exec.Command(build(t), "clusters", "--agent", fmt.Sprintf("http://127.0.0.1:%d", n.api), "--token-file", write("cli-token", apitest.ReadToken))
	cmd.Env = []string{"HOME=" + dir}
	out, err := cmd.CombinedOutput()
	for _, want := range []string{"CLUSTER", "paris", "ok", "2/2", "n1", "monitor of haproxy failed on n2: not running"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("thalassa clusters: %v, lacks %q:\n%s", err, want, out)
		}
	}

	// Settings that are read again.
	write("console.yaml", "console: true\ndb-path: "+dir+"\ntoken-file: "+own+"\nport: "+strconv.Itoa(ports[0])+"\nclusters:\n"+first+one("rome", b.URL, ""))
	if err := n.agent.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		if status, body := n.try("GET", "/clusters/rome", ""); status != 200 || !strings.Contains(body, `"state":"ok"`) {
			return fmt.Errorf("/clusters/rome: %d %s", status, body)
		}
		return nil
	})

	// The pages offer what there is.
	p := openPage(t, n, "/", look{})
	p.excuse("401") // before the login
	p.write("#token", apitest.AdminToken)
	p.click("form button[type=submit]")
	p.sees(`location.pathname === "/clusters"`)
	p.reads(`[aria-label="Cluster paris"]`, "ok")
	p.reads(`[aria-label="Cluster rome"]`, "ok")
	p.sees(`[...document.querySelectorAll("nav[aria-label=Pages] a")].map((a) => a.textContent).join() === "Activity,Clusters,Access,Audit,API"`)
	p.shot("console")
	p.excuse("404") // of what a page asks for before it knows
	p.visit("/config")
	p.reads("main", "This agent is a console", "no HAProxy")
	p.visit("/activity")
	p.reads("main", "settings")

	// Both clusters are lost: it cannot show any as it is now.
	a.lose()
	b.lose()
	testkit.Eventually(t, patience, func() error {
		if status, body := n.try("GET", "/readyz", ""); status != 503 || !strings.Contains(body, "cluster paris is unreachable") {
			return fmt.Errorf("/readyz: %d %s", status, body)
		}
		return nil
	})
	n.signal(syscall.SIGTERM)
	if _, err := os.Stat("/nowhere"); err == nil || strings.Contains(n.log.String(), "haproxy") || strings.Contains(n.log.String(), "consul") {
		t.Errorf("the log of a console is about HAProxy or Consul:\n%s", n.log)
	}
}
