package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/client"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
	"thalassa/listen"
)

const (
	// manageIP is a free address of the fixture's network.
	manageIP = "10.99.0.101"
	manageAt = "https://" + manageIP + ":10000"
)

// A managedFixture is a cluster whose agents are behind a floating IP of their own, and a user
// outside.
type managedFixture struct {
	*clusterFixture

	manage *cluster.Holders
	home   string // of the user
}

// newManagedFixture boots a cluster whose agents share a key, and sets up the management
// endpoint as everybody does.
func newManagedFixture(tb testing.TB, adjust func(*cluster.Config)) *managedFixture {
	tb.Helper()
	testkit.HAProxy(tb)
	access := filepath.Join(tb.TempDir(), "access.yaml")
	add := exec.CommandContext(tb.Context(), build(tb), "user", "add", "--access-file", access, "ann", "--role", "admin")
	add.Stdin = strings.NewReader("correct horse\n")
	if out, err := add.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	users, err := os.ReadFile(access)
	if err != nil {
		tb.Fatal(err)
	}
	secret := make([]byte, 48)
	_, _ = rand.Read(secret)
	cfg := clusterConfig(tb)
	cfg.Files["access.yaml"] = cluster.File{Content: users, Mode: 0o600}
	cfg.Files["session.key"] = cluster.File{Content: []byte(base64.StdEncoding.EncodeToString(secret)), Mode: 0o600}
	cfg.Units["thalassa"] = `exec thalassa agent --config /run/fixture/thalassa.yaml --token-file "" --haproxy pacemaker --haproxy-log "" --register=false ` +
		`--host 0.0.0.0 --tls shared --access-file /run/fixture/access.yaml --session-key-file /run/fixture/session.key`
	if adjust != nil {
		adjust(&cfg)
	}
	s := &managedFixture{clusterFixture: bootNodes(tb, cfg), home: tb.TempDir()}
	s.cluster.AwaitOnline()
	s.holders, s.manage = s.cluster.WatchHolders(cluster.Floating), s.cluster.WatchHolders(manageIP)
	testkit.Eventually(tb, 2*time.Minute, func() error { // the agents are asked by apply
		_, err := s.cluster.Any().Try("/run/fixture/thalassa", append([]string{"cluster"}, s.managed()...)...)
		return err
	})
	s.managedBy("")
	return s
}

// managed is the command that sets it up. Failures expire soon, so that no test waits for that.
func (s *managedFixture) managed() []string {
	return s.apply("--manage-ip", manageIP+"/24", "--failure-timeout", "10s")
}

// managedBy waits until one node has the address, and another than unlike.
func (s *managedFixture) managedBy(unlike string) string {
	s.tb.Helper()
	var name string
	testkit.Eventually(s.tb, 2*time.Minute, func() error {
		now := s.manage.Now()
		if len(now) != 1 || now[0] == unlike {
			return fmt.Errorf("the address is on %v", now)
		}
		name = now[0]
		return nil
	})
	return name
}

// outside prepares a command of the user, who is on none of the nodes.
func (s *managedFixture) outside(ctx context.Context, args ...string) *exec.Cmd {
	first := strings.TrimPrefix(s.cluster.FirstProcess(), "/proc/")
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", first, "--mount", "--net", "--pid", "--", "nsenter", "--net=/run/netns/client", build(s.tb),
	}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "XDG_CONFIG_HOME=" + s.home}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a command of the user.
func (s *managedFixture) run(input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.tb.Context(), 2*time.Minute)
	defer cancel()
	cmd := s.outside(ctx, args...)
	cmd.Stdin = strings.NewReader(input)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("thalassa %s: %w: %s", strings.Join(args, " "), err, problem.String())
	}
	return out.String(), err
}

// login logs the user in at the address; the key is trusted at first use.
func (s *managedFixture) login() {
	s.tb.Helper()
	password := filepath.Join(s.home, "password")
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	testkit.Eventually(s.tb, time.Minute, func() error { // the agent may be about to take the address
		_, err := s.run("yes\n", "login", manageAt, "--user", "ann", "--password-file", password)
		return err
	})
}

// api is a client of the user's in this process, with the key and the session of the login.
func (s *managedFixture) api() *client.Client {
	s.tb.Helper()
	data, err := os.ReadFile(filepath.Join(s.home, "thalassa", "contexts.json"))
	if err != nil {
		s.tb.Fatal(err)
	}
	var known struct {
		Contexts []struct {
			PublicKey string
			Token     string
		}
	}
	if err := json.Unmarshal(data, &known); err != nil || len(known.Contexts) != 1 || known.Contexts[0].PublicKey == "" {
		s.tb.Fatalf("contexts: %v, %+v", err, known)
	}
	pinned := func(state tls.ConnectionState) error {
		if got := listen.DescribeCertificate(state.PeerCertificates[0]).PublicKey; got != known.Contexts[0].PublicKey {
			return fmt.Errorf("the key is %s, expected %s", got, known.Contexts[0].PublicKey)
		}
		return nil
	}
	c, err := client.New(client.Config{Address: manageAt, Token: known.Contexts[0].Token, Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: s.cluster.Dial("client"), DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: pinned},
	}})
	if err != nil {
		s.tb.Fatal(err)
	}
	return c
}

// agents are the processes of the agent of a node.
func agents(n *cluster.Node) []int {
	return slices.DeleteFunc(n.PIDs("thalassa"), func(pid int) bool {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return !bytes.Contains(line, []byte("\x00agent\x00--config"))
	})
}

// TestClusterManage has the agents behind an address of their own: it is where an agent
// answers, and a client notices moves by nothing but a pause.
func TestClusterManage(t *testing.T) {
	t.Parallel()
	s := newManagedFixture(t, nil)
	t.Run("again", s.appliedTwice)
	s.login()
	t.Run("agent restarted", s.agentRestarted)
	t.Run("agent hangs", s.agentHangs)
	t.Run("monitor", s.monitorMoves)
	t.Run("steps", func(t *testing.T) { s.steps(t, uint64(time.Now().UnixNano()), 30, map[string]int{}) })
	t.Run("certificate", s.certificateNames)
	t.Run("without", s.withoutManagement)
}

// TestClusterManageOfOtherReleases is about Pacemaker 3.
func TestClusterManageOfOtherReleases(t *testing.T) {
	t.Parallel()
	onOtherPacemakers(t, func(t *testing.T, root string) {
		t.Helper()
		s := newManagedFixture(t, func(cfg *cluster.Config) { cfg.Root = root })
		s.login()
		t.Run("agent hangs", s.agentHangs)
		t.Run("steps", func(t *testing.T) { s.steps(t, uint64(time.Now().UnixNano()), 20, map[string]int{}) })
	})
}

func (s *managedFixture) appliedTwice(t *testing.T) {
	out, _ := s.commands().call(0, s.managed()...)
	if !strings.Contains(out, "nothing to change") {
		t.Errorf("a second time: %s", out)
	}
	s.cluster.AwaitRunning(t, "thalassa-agent", "n1", "n2", "n3")
	if got := s.holders.Now(); len(got) != 1 {
		t.Errorf("HAProxy's address is on %v", got)
	}
	reason := s.cluster.Any().Run("crm_resource", "--resource", "thalassa-agent", "--validate")
	if !strings.Contains(reason, "ok") && !strings.Contains(reason, "OK") {
		t.Logf("validate-all: %s", reason)
	}
}

// agentRestarted replaces the agent of the node with the address, as an upgrade does: the
// address stays.
func (s *managedFixture) agentRestarted(t *testing.T) {
	holder := s.cluster.Node(s.managedBy(""))
	before := agents(holder)
	for _, pid := range before {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	begun := time.Now()
	testkit.Eventually(t, time.Minute, func() error {
		if now := s.manage.Now(); !slices.Equal(now, []string{holder.Name}) {
			t.Fatalf("the address was on %s, and is on %v %s after the agent was stopped", holder.Name, now, time.Since(begun))
		}
		if now := agents(holder); len(now) == 0 || slices.Equal(now, before) {
			return fmt.Errorf("agents %v, were %v", now, before)
		}
		_, err := client.ClusterStatus(t.Context(), s.api())
		return err
	})
	t.Logf("%s answers again %s after it was stopped", holder.Name, time.Since(begun).Round(time.Millisecond))
	if out := holder.Run("crm_mon", "-1", "--include=failures,failcounts"); strings.Contains(out, "thalassa-agent_monitor") {
		t.Errorf("it counts as a failure: %s", out)
	}
}

// agentHangs stops the process of the agent of the node with the address: another node has it
// as soon as the monitor has noticed. The process is not killed, and is a candidate again later.
func (s *managedFixture) agentHangs(t *testing.T) {
	holder := s.cluster.Node(s.managedBy(""))
	var pids []int
	testkit.Eventually(t, time.Minute, func() error {
		if pids = agents(holder); len(pids) == 0 {
			return errors.New("no agent runs on " + holder.Name)
		}
		return nil
	})
	begun := time.Now()
	for _, pid := range pids {
		testkit.Freeze(t, pid)
	}
	other := s.managedBy(holder.Name)
	noticed := time.Since(begun)
	if noticed > 30*time.Second {
		t.Errorf("the address has moved only after %s", noticed)
	}
	testkit.Eventually(t, time.Minute, func() error {
		_, err := client.ClusterStatus(t.Context(), s.api())
		return err
	})
	t.Logf("from %s to %s %s after the agent was stopped; it answers after %s", holder.Name, other, noticed.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	if now := agents(holder); !slices.Equal(now, pids) {
		t.Errorf("the agents of %s were %v, and are %v", holder.Name, pids, now)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	s.cluster.AwaitRunning(t, "thalassa-agent", "n1", "n2", "n3")
	if most := s.manage.Most(); len(most) > 1 {
		t.Errorf("the address was on %v at one moment", most)
	}
	if now := s.managedBy(""); now != other {
		t.Errorf("the address has moved back to %s", now)
	}
}

// monitorMoves follows the cluster at the address over a move, with the same login.
func (s *managedFixture) monitorMoves(t *testing.T) {
	holder := s.managedBy("")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	epochs, lost := make(chan struct{}, 100), make(chan struct{}, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- s.api().Stream(ctx, []string{"cluster"}, nil, func(f client.Frame) error {
			to := epochs
			if f.Type == "lost" {
				to = lost
			}
			if f.Type == "state" || f.Type == "delta" || f.Type == "lost" {
				select {
				case to <- struct{}{}:
				default:
				}
			}
			return nil
		})
	}()
	await := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case err := <-ended:
			t.Fatalf("the websocket has ended before %s: %v", what, err)
		case <-time.After(2 * time.Minute):
			t.Fatalf("the websocket has no %s", what)
		}
	}
	await("state", epochs)
	var first struct{ Epoch string }
	if err := s.get("/monitor?0:0:0", &first); err != nil || strings.Count(first.Epoch, ":") != 2 {
		t.Fatalf("/monitor: %v, %+v", err, first)
	}
	s.cluster.Any().Run("crm_attribute", "-N", holder, "-n", "standby", "-v", "on")
	other := s.managedBy(holder)
	var second struct{ Epoch string }
	testkit.Eventually(t, time.Minute, func() error {
		if err := s.get("/monitor?"+first.Epoch, &second); err != nil {
			return err
		}
		if second.Epoch == first.Epoch {
			return errors.New("no news since " + first.Epoch)
		}
		return nil
	})
	s.cluster.Any().Run("crm_attribute", "-N", holder, "-n", "standby", "-D")
	// The node before has no longer the address; its websocket ends when the kernel says so, or
	// when the client's ping is not answered.
	for len(epochs) > 0 {
		<-epochs
	}
	s.cluster.Any().Run("crm_attribute", "--type", "crm_config", "--name", "thalassa-news", "--update", "1")
	await("news after the move to "+other, epochs)
	s.cluster.Any().Run("crm_attribute", "--type", "crm_config", "--name", "thalassa-news", "--delete")
	if out, err := s.run("", "context"); err != nil || !strings.Contains(out, manageAt) {
		t.Errorf("contexts: %v, %s", err, out)
	}
	if out, err := s.run("", "cluster", "jobs"); err != nil {
		t.Errorf("the command line after the move: %v, %s", err, out)
	}
	s.cluster.AwaitRunning(t, "thalassa-agent", "n1", "n2", "n3")
}

// get asks at the address, with the key and session of the login.
func (s *managedFixture) get(path string, v any) error { return s.getAt(manageAt, path, v) }

// getAt is get at any agent.
func (s *managedFixture) getAt(address, path string, v any) error {
	text, err := s.send(http.MethodGet, address+path, "")
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), v)
}

// send sends a request with the session of the login to any agent.
func (s *managedFixture) send(method, address, body string) (string, error) {
	data, err := os.ReadFile(filepath.Join(s.home, "thalassa", "contexts.json"))
	if err != nil {
		return "", err
	}
	var known struct{ Contexts []struct{ Token string } }
	if err := json.Unmarshal(data, &known); err != nil {
		return "", err
	}
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+known.Contexts[0].Token)
	request.Header.Set("Content-Type", "application/json")
	c := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: s.cluster.Dial("client"), DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
	}}
	answer, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, address, answer.Status, text)
	}
	return string(text), err
}

// certificateNames looks whether the certificate of the agent with the address names it.
func (s *managedFixture) certificateNames(t *testing.T) {
	testkit.Eventually(t, 2*time.Minute, func() error { // it is looked at every minute
		raw, err := s.cluster.Dial("client")(t.Context(), "tcp", manageIP+":10000")
		if err != nil {
			return err
		}
		defer raw.Close()
		conn := tls.Client(raw, &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true})
		if err := conn.HandshakeContext(t.Context()); err != nil {
			return err
		}
		return conn.ConnectionState().PeerCertificates[0].VerifyHostname(manageIP)
	})
}

// withoutManagement takes the address out of the description: HAProxy stays.
func (s *managedFixture) withoutManagement(t *testing.T) {
	out, _ := s.commands().call(0, s.apply("--failure-timeout", "10s")...)
	if !strings.Contains(out, "remove primitive manage-ip") || strings.Contains(out, "haproxy-clone") && strings.Contains(out, "change clone") {
		t.Errorf("left out: %s", out)
	}
	testkit.Eventually(t, time.Minute, func() error {
		if now := s.manage.Now(); len(now) > 0 {
			return fmt.Errorf("the address is on %v", now)
		}
		return nil
	})
	for _, n := range s.cluster.Up() {
		if len(agents(n)) == 0 {
			t.Errorf("no agent runs on %s", n.Name)
		}
	}
	if got := s.holders.Now(); len(got) != 1 {
		t.Errorf("HAProxy's address is on %v", got)
	}
}
