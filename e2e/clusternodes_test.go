package e2e_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// A nodesFixture is a cluster whose agents reach each other, and have no credential in common.
type nodesFixture struct {
	*clusterFixture
}

func newNodesFixture(t *testing.T) nodesFixture {
	t.Helper()
	cfg := clusterConfig(t)
	cfg.Resources = floatingAddress
	cfg.Setup += `
		(umask 077; echo "admin node $(hostname)-0123456789abcdef" >/run/tokens)`
	cfg.Units["thalassa"] = `exec thalassa agent --config /run/fixture/thalassa.yaml --token-file /run/tokens --haproxy pacemaker --haproxy-log "" --host 0.0.0.0`
	s := bootNodes(t, cfg)
	s.cluster.AwaitOnline()
	s.holders = s.cluster.WatchHolders(cluster.Floating)
	f := nodesFixture{s}
	f.held(t)
	f.known(t)
	return f
}

// held waits until one node has the floating address.
func (f nodesFixture) held(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, 2*time.Minute, func() error {
		if now := f.holders.Now(); len(now) != 1 {
			return fmt.Errorf("the address is on %v", now)
		}
		return nil
	})
}

// known waits until each agent knows where the others are.
func (f nodesFixture) known(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, 2*time.Minute, func() error {
		for _, n := range f.cluster.Up() {
			text, err := n.Try("cat", "/var/lib/thalassa/cluster-nodes.json")
			if err != nil {
				return err
			}
			for _, other := range f.cluster.Up() {
				if !strings.Contains(text, `"https://`+other.Address()+`:10000"`) {
					return fmt.Errorf("%s knows %s", n.Name, text)
				}
			}
		}
		return nil
	})
}

// command runs thalassa cluster on a node, and returns its exit code and all that it has printed.
func (f nodesFixture) command(n *cluster.Node, args ...string) (code int, printed string) {
	cmd := n.Command(f.tb.Context(), "thalassa", append([]string{"cluster"}, args...)...)
	cmd.Env = append(cmd.Env, "THALASSA_TOKEN="+n.Name+"-0123456789abcdef")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return -1, err.Error()
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// ask asks the agent of a node.
func (f nodesFixture) ask(n *cluster.Node, method, path, body string, out any) error {
	req, err := http.NewRequest(method, "https://127.0.0.1:10000"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+n.Name+"-0123456789abcdef")
	req.Header.Set("Prefer", "respond-async")
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: f.cluster.Dial(n.Name), DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s on %s: %d %s", method, path, n.Name, res.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}

// down reports a daemon that runs on a node.
func down(n *cluster.Node) error {
	for _, daemon := range append(cluster.Daemons(), "corosync") {
		if len(n.PIDs(daemon)) > 0 {
			return fmt.Errorf("%s runs on %s", daemon, n.Name)
		}
	}
	return nil
}

func (f nodesFixture) allDown(t *testing.T) {
	t.Helper()
	for _, n := range f.cluster.Nodes {
		if err := down(n); err != nil {
			t.Error(err)
		}
	}
}

// up starts the cluster through a node.
func (f nodesFixture) up(t *testing.T, n *cluster.Node) {
	t.Helper()
	begun := time.Now()
	if code, text := f.command(n, "startup", "--yes"); code != 0 {
		t.Fatalf("startup: %d %s", code, text)
	}
	t.Logf("startup took %s", time.Since(begun).Round(time.Millisecond))
	f.cluster.AwaitOnline()
	f.held(t)
	f.known(t)
}

// The agents shut the cluster down and start it again, whichever is asked, and nobody is fenced.
func TestClusterStartsAndStopsOnItsNodes(t *testing.T) {
	t.Parallel()
	f := newNodesFixture(t)
	n1, n2, n3 := f.cluster.Nodes[0], f.cluster.Nodes[1], f.cluster.Nodes[2]

	t.Run("all", func(t *testing.T) {
		testkit.Eventually(t, time.Minute, func() error { // the agent may not have seen yet where the address is
			if code, text := f.command(n1, "shutdown"); code != 2 || !strings.Contains(text, "will stop vip on n") || !strings.Contains(text, "needs --yes") {
				return fmt.Errorf("without --yes: %d %s", code, text)
			}
			return nil
		})
		begun := time.Now()
		code, text := f.command(n1, "shutdown", "--yes")
		if code != 0 || !strings.Contains(text, "will shut down node n1, n2, n3") {
			t.Fatalf("shutdown: %d %s", code, text)
		}
		t.Logf("shutdown took %s", time.Since(begun).Round(time.Millisecond))
		f.allDown(t)
		for _, n := range f.cluster.Nodes {
			testkit.Eventually(t, 30*time.Second, func() error {
				var v clusterstatus.Status
				err := f.ask(n, http.MethodGet, "/cluster", "", &v)
				if err == nil && (v.State != clusterstatus.StateOffline || v.ShutDown == nil || v.ShutDown.By != "node") {
					err = fmt.Errorf("%s: %s %v %+v", n.Name, v.State, v.Reasons, v.ShutDown)
				}
				return err
			})
		}
		if code, text := f.command(n2, "status"); code != 6 || !strings.Contains(text, "the cluster was shut down by node at") {
			t.Errorf("status: %d %s", code, text)
		}
		f.up(t, n3)
		var v clusterstatus.Status
		if err := f.ask(n2, http.MethodGet, "/cluster", "", &v); err != nil || v.ShutDown != nil {
			t.Errorf("after startup: %v, %+v", err, v.ShutDown)
		}
	})
	t.Run("one node", func(t *testing.T) {
		if code, text := f.command(n1, "shutdown", "n2", "--yes"); code != 0 {
			t.Fatalf("shutdown n2: %d %s", code, text)
		}
		if err := down(n2); err != nil {
			t.Error(err)
		}
		if code, text := f.command(n1, "shutdown", "n3", "--yes"); code != 4 || !strings.Contains(text, "no quorum") {
			t.Errorf("the last but one: %d %s", code, text)
		}
		if code, text := f.command(n1, "startup", "n2"); code != 0 {
			t.Fatalf("startup n2: %d %s", code, text)
		}
		f.cluster.AwaitOnline()
		f.known(t)
	})
	t.Run("agent killed", func(t *testing.T) {
		var j clusterstatus.Job
		if err := f.ask(n1, http.MethodPost, "/cluster/actions/shutdown", "", &j); err != nil {
			t.Fatal(err)
		}
		n1.KillProcess(t, "thalassa")
		testkit.Eventually(t, 3*time.Minute, func() error {
			var now clusterstatus.Job
			err := f.ask(n1, http.MethodGet, "/cluster/jobs/"+j.ID, "", &now)
			if err == nil && now.State != clusterstatus.JobDone {
				err = fmt.Errorf("the job is %s: %s", now.State, now.Result)
			}
			return err
		})
		f.allDown(t)
		f.up(t, n2)
	})
	t.Run("agent dead", func(t *testing.T) {
		stop := func(signal syscall.Signal) {
			for _, pid := range n3.PIDs("thalassa") {
				if err := syscall.Kill(pid, signal); err != nil {
					t.Fatal(err)
				}
			}
		}
		stop(syscall.SIGSTOP)
		code, text := f.command(n1, "shutdown", "--yes")
		stop(syscall.SIGCONT)
		if code != 4 || !strings.Contains(text, "nothing was changed (n3: ") || !strings.Contains(text, "systemctl stop pacemaker corosync") {
			t.Errorf("%d %s", code, text)
		}
		for _, n := range f.cluster.Nodes {
			if len(n.PIDs("pacemakerd")) == 0 {
				t.Errorf("Pacemaker has ended on %s", n.Name)
			}
		}
	})
	if fenced := f.cluster.Fenced(); len(fenced) > 0 {
		t.Errorf("fenced: %v", fenced)
	}
	if err := f.strangers(n1); err != nil {
		t.Error(err)
	}
}

// strangers have no say about services.
func (f nodesFixture) strangers(n *cluster.Node) error {
	var challenge struct{ Node, Nonce string }
	if err := f.ask(n, http.MethodPost, "/cluster/node/challenge", "", &challenge); err != nil {
		return err
	}
	body := fmt.Sprintf(`{"node":%q,"nonce":%q,"fresh":"x","from":"n2","by":"x","job":"x","seal":"00"}`, challenge.Node, challenge.Nonce)
	err := f.ask(n, http.MethodPost, "/cluster/node/stop", body, &struct{}{})
	if err == nil || !strings.Contains(err.Error(), " 403 ") {
		return errors.Join(errors.New("a stranger was not refused"), err)
	}
	return nil
}
