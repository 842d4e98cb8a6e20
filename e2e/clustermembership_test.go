package e2e_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// A membersFixture is bare nodes whose agents can be asked to join.
type membersFixture struct {
	nodesFixture
}

func newMembersFixture(t *testing.T, nodes int) membersFixture {
	t.Helper()
	cfg := clusterConfig(t)
	cfg.Bare, cfg.Nodes = true, nodes
	cfg.Setup += `
		(umask 077; echo "admin node $(hostname)-0123456789abcdef" >/run/tokens)`
	cfg.Units["thalassa"] = `exec thalassa agent --config /run/fixture/thalassa.yaml --token-file /run/tokens --haproxy pacemaker --haproxy-log "" --host 0.0.0.0`
	// What thalassa-membership.socket does where it is enabled.
	cfg.Units["membership"] = `until [ -e /etc/membership ]; do sleep 0.2; done
		exec systemd-socket-activate --accept --inetd -l /run/thalassa-membership.sock thalassa membership-service --user nobody`
	s := bootNodes(t, cfg)
	return membersFixture{nodesFixture{s}}
}

// enable lets the API change the membership of a node.
func (f membersFixture) enable(t *testing.T, n *cluster.Node) {
	t.Helper()
	n.Run("touch", "/etc/membership")
	testkit.Eventually(t, 30*time.Second, func() error {
		_, err := n.Try("test", "-S", "/run/thalassa-membership.sock")
		return err
	})
}

// request asks the agent of a node, and waits for the answer.
func (f membersFixture) request(n *cluster.Node, method, path, body string) (status int, answer string) {
	req, err := http.NewRequest(method, "https://127.0.0.1:10000"+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+n.Name+"-0123456789abcdef")
	client := &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{
		DialContext: f.cluster.Dial(n.Name), DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// wants posts, and the answer has a status and words.
func (f membersFixture) wants(t *testing.T, n *cluster.Node, path, body string, status int, words string) string {
	t.Helper()
	got, text := f.request(n, http.MethodPost, path, body)
	if got != status || !strings.Contains(text, words) {
		t.Fatalf("POST %s on %s: %d %s, expected %d with %q", path, n.Name, got, text, status, words)
	}
	return text
}

// answers waits until the agents are there.
func (f membersFixture) answers(t *testing.T) {
	t.Helper()
	for _, n := range f.cluster.Nodes {
		testkit.Eventually(t, time.Minute, func() error {
			if status, text := f.request(n, http.MethodGet, "/version", ""); status != http.StatusOK {
				return fmt.Errorf("%s: %d %s", n.Name, status, text)
			}
			return nil
		})
	}
}

// online waits until the nodes are online, and their agents have seen that.
func (f membersFixture) online(t *testing.T, nodes ...*cluster.Node) {
	t.Helper()
	f.clusterFixture.online(t, nodes...)
	for _, n := range nodes {
		testkit.Eventually(t, time.Minute, func() error {
			var v clusterstatus.Status
			err := f.ask(n, http.MethodGet, "/cluster", "", &v)
			if err == nil && (!v.Quorum || len(v.Nodes) != len(nodes) || slices.ContainsFunc(v.Nodes, func(n clusterstatus.Node) bool { return n.State != "online" })) {
				err = fmt.Errorf("the agent of %s sees quorum %t and %+v", n.Name, v.Quorum, v.Nodes)
			}
			return err
		})
	}
}

// invite makes a code on a node.
func (f membersFixture) invite(t *testing.T, n *cluster.Node) string {
	t.Helper()
	var i clusterstatus.Invitation
	decode(t, f.wants(t, n, "/cluster/invitations", `{"for":"10m"}`, http.StatusCreated, `"code"`), &i)
	if i.Code == "" || i.State != clusterstatus.InvitationOpen || time.Until(i.Expires) > 11*time.Minute {
		t.Fatalf("%+v", i)
	}
	return i.Code
}

// invited waits until all nodes of an invitation have joined.
func (f membersFixture) invited(t *testing.T, n *cluster.Node) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() error {
		status, text := f.request(n, http.MethodGet, "/cluster/invitations", "")
		if status != http.StatusOK || !strings.Contains(text, `"state":"done"`) {
			return fmt.Errorf("%d %s", status, text)
		}
		return nil
	})
}

func joinBody(code string, n *cluster.Node) string {
	return fmt.Sprintf(`{"code":%q,"node":%q,"addresses":[%q]}`, code, n.Name, n.Address())
}

// killRoot kills the side of root while it works.
func (f membersFixture) killRoot(t *testing.T, n *cluster.Node) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() error {
		journal, err := os.ReadFile(n.Path("/var/lib/thalassa-cluster/journal.json"))
		if err != nil || !bytes.Contains(journal, []byte(`"pacemaker"`)) { // that it begins with
			return fmt.Errorf("Pacemaker has not begun to start; the journal is %s", journal)
		}
		return killCommand(n, "membership-service")
	})
}

// killCommand kills a command of thalassa on a node.
func killCommand(n *cluster.Node, name string) error {
	for _, pid := range n.PIDs("thalassa") {
		line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if words := strings.Split(string(line), "\x00"); err == nil && len(words) > 1 && words[1] == name {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return fmt.Errorf("thalassa %s does not run on %s", name, n.Name)
}

// Nodes join by requests to their agents alone, also after a crash in the middle, and one leaves by a
// request to another one. Nobody types anything on the others.
func TestClusterMembershipByTheAPI(t *testing.T) {
	t.Parallel()
	f := newMembersFixture(t, 3)
	n1, n2, n3 := f.cluster.Nodes[0], f.cluster.Nodes[1], f.cluster.Nodes[2]
	f.answers(t)
	f.begin(t, n1, initArgs(1)...).ends(t, 0)
	f.online(t, n1)

	// Nothing is done unless root of a node has allowed it.
	f.wants(t, n1, "/cluster/invitations", "", http.StatusConflict, "systemctl enable --now thalassa-membership.socket")
	f.wants(t, n2, "/cluster/join", joinBody("GG60008-4W8QG", n2), http.StatusConflict, "systemctl enable --now thalassa-membership.socket")
	f.enable(t, n1)
	f.enable(t, n2)
	f.enable(t, n3)

	code := f.invite(t, n1)
	wrong := []byte(code)
	wrong[10] = map[bool]byte{true: 'A', false: 'B'}[wrong[10] != 'A']
	f.wants(t, n2, "/cluster/join", joinBody(string(wrong), n2), http.StatusBadRequest, "code")
	begun := time.Now()
	joined := f.wants(t, n2, "/cluster/join", joinBody(code, n2), http.StatusOK, `"quorum":true`)
	t.Logf("n2 had joined after %.1f s", time.Since(begun).Seconds())
	var m clusterstatus.Membership
	decode(t, joined, &m)
	if m.Node != "n2" || m.Cluster == nil || len(m.Cluster.Nodes) != 2 || !strings.Contains(joined, `"step":"member","state":"done"`) {
		t.Errorf("%s", joined)
	}
	f.invited(t, n1)
	f.online(t, n1, n2)
	f.wants(t, n2, "/cluster/join", joinBody(code, n2), http.StatusOK, "already") // once more
	f.wants(t, n3, "/cluster/join", joinBody(code, n3), http.StatusServiceUnavailable, "may have been used")

	// The third one needs a new corosync.conf on n2, which its agent gets. Root of n3 is killed.
	f.known(t, n1, n2)
	code = f.invite(t, n1)
	for _, kind := range []string{"startup", "shutdown"} { // over another agent
		f.wants(t, n2, "/cluster/actions/"+kind, "", http.StatusConflict, "n1: an invitation is open")
		f.wants(t, n2, "/cluster/actions/"+kind, `{"node":"n1"}`, http.StatusConflict, "n1: an invitation is open")
	}
	first := make(chan string, 1)
	go func() {
		status, text := f.request(n3, http.MethodPost, "/cluster/join", joinBody(code, n3))
		first <- fmt.Sprintf("%d %s", status, text)
	}()
	f.killRoot(t, n3)
	if got := <-first; !strings.HasPrefix(got, "503 ") || !strings.Contains(got, "send the same request again") {
		t.Errorf("after the kill: %s", got)
	}
	begun = time.Now()
	f.wants(t, n3, "/cluster/join", joinBody(code, n3), http.StatusOK, `"quorum":true`)
	t.Logf("n3 had joined %.1f s after its root was killed", time.Since(begun).Seconds())
	f.invited(t, n1)
	f.online(t, n1, n2, n3)
	one := n1.Run("cat", "/etc/corosync/corosync.conf")
	for _, n := range f.cluster.Nodes {
		if got := n.Run("cat", "/etc/corosync/corosync.conf"); got != one {
			t.Errorf("corosync.conf of %s is\n%s\nthat of n1\n%s", n.Name, got, one)
		}
	}
	f.leaves(t, n1, n2, n3)
	if fenced := f.cluster.Fenced(); len(fenced) > 0 {
		t.Errorf("fenced: %v", fenced)
	}
	f.keepsSecrets(t, code)
	f.forgets(t, n1, n2)
}

// known waits until agents know where the others are.
func (f membersFixture) known(t *testing.T, nodes ...*cluster.Node) {
	t.Helper()
	testkit.Eventually(t, 2*time.Minute, func() error {
		for _, n := range nodes {
			text, err := n.Try("cat", "/var/lib/thalassa/cluster-nodes.json")
			if err != nil {
				return err
			}
			for _, other := range nodes {
				if !strings.Contains(text, `"https://`+other.Address()+`:10000"`) {
					return fmt.Errorf("%s knows %s", n.Name, text)
				}
			}
		}
		return nil
	})
}

// leaves has n3 leave, asked at n1.
func (f membersFixture) leaves(t *testing.T, n1, n2, n3 *cluster.Node) {
	t.Helper()
	f.known(t, n1, n2, n3)
	f.wants(t, n1, "/cluster/actions/leave", `{"node":"n1"}`, http.StatusConflict, "ask the agent of another node (n2)")
	n3.Run("rm", "/run/thalassa-membership.sock") // as if it were off there
	f.wants(t, n1, "/cluster/actions/leave", `{"node":"n3"}`, http.StatusConflict, "nothing was changed")
	f.online(t, n1, n2, n3)
	for _, pid := range n3.PIDs("systemd-socket-activate") {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	f.enable(t, n3)
	begun := time.Now()
	ended := make(chan struct{})
	var code int
	var text string
	go func() { defer close(ended); code, text = f.command(n1, "leave", "n3", "--yes") }()
	f.keepsApart(t, n1, n2, "leave")
	<-ended
	if code != 0 || !strings.Contains(text, "will take out node n3") || !strings.Contains(text, "done") {
		t.Fatalf("leave n3: %d %s", code, text)
	}
	t.Logf("n3 had left after %.1f s", time.Since(begun).Seconds())
	f.online(t, n1, n2)
	for _, n := range []*cluster.Node{n1, n2} {
		if conf := n.Run("cat", "/etc/corosync/corosync.conf"); strings.Contains(conf, "n3") || !strings.Contains(conf, "two_node: 1") {
			t.Errorf("corosync.conf of %s:\n%s", n.Name, conf)
		}
	}
	if err := down(n3); err != nil {
		t.Error(err)
	}
	if out, err := n3.Try("ls", "/etc/corosync/authkey", "/var/lib/thalassa-cluster/journal.json"); err == nil || out != "" {
		t.Errorf("left behind: %s", out)
	}
	f.wants(t, n1, "/cluster/actions/leave", `{"node":"n3"}`, http.StatusNotFound, "node/n3")
}

// keepsApart checks that n2 refuses to stop the cluster while n1 has a node leave, also if the agent of n1
// is killed then.
func (f membersFixture) keepsApart(t *testing.T, n1, n2 *cluster.Node, kind string) {
	t.Helper()
	var running clusterstatus.Job
	testkit.Eventually(t, time.Minute, func() error {
		var list []clusterstatus.Job
		err := f.ask(n1, http.MethodGet, "/cluster/jobs?state=running", "", &list)
		if err == nil && (len(list) != 1 || list[0].Kind != kind) {
			err = fmt.Errorf("%+v", list)
		}
		if err == nil {
			running = list[0]
		}
		return err
	})
	words := "node n3 is leaving the cluster (job " + running.ID + " of node at n1)"
	f.wants(t, n2, "/cluster/actions/shutdown", "", http.StatusConflict, words)
	f.wants(t, n2, "/cluster/invitations", "", http.StatusConflict, "nothing was changed")
	// Nobody is asked for anything before the others know of the job.
	testkit.Eventually(t, time.Minute, func() error {
		return f.ask(n2, http.MethodGet, "/cluster/jobs/"+running.ID, "", new(clusterstatus.Job))
	})
	if err := killCommand(n1, "agent"); err != nil { // not the command of the leave, which waits for it
		t.Fatal(err)
	}
	for _, path := range []string{"shutdown", "startup"} { // previews: should the job have ended, nothing happens
		status, text := f.request(n2, http.MethodPost, "/cluster/simulate/"+path, "")
		if strings.Contains(text, words) && status == http.StatusConflict {
			continue
		}
		var now clusterstatus.Job
		if err := f.ask(n2, http.MethodGet, "/cluster/jobs/"+running.ID, "", &now); err != nil || !now.Over() {
			t.Errorf("%s when the agent of the job was killed: %d %s; the job is %s, %v", path, status, text, now.State, err)
		}
	}
}

// forgets has n1 forget n2, which has lost its power, and was not fenced.
func (f membersFixture) forgets(t *testing.T, n1, n2 *cluster.Node) {
	t.Helper()
	f.wants(t, n1, "/cluster/actions/forget", `{"nodes":["n2"],"down":true}`, http.StatusConflict, "it is online")
	n2.Kill()
	state := ""
	testkit.Eventually(t, time.Minute, func() error {
		var v clusterstatus.Status
		if err := f.ask(n1, http.MethodGet, "/cluster", "", &v); err != nil {
			return err
		}
		for _, n := range v.Nodes {
			switch n.Name {
			case "n2":
				state = n.State
			case "n3":
				t.Errorf("n3, which has left, is shown again: %+v", n)
			}
		}
		if state != "unclean" && state != "offline" {
			return fmt.Errorf("n2 is %s", state)
		}
		return nil
	})
	if state == "unclean" {
		f.wants(t, n1, "/cluster/actions/forget", `{"nodes":["n2"]}`, http.StatusConflict, "confirm that with down")
	}
	begun := time.Now()
	code, text := f.command(n1, "forget", "n2", "--down", "--agent", "https://127.0.0.1:10000", "--yes")
	if code != 0 || !strings.Contains(text, "relies on your word that n2 is off") || !strings.Contains(text, "will take out node n2") {
		t.Fatalf("forget n2, which is %s: %d %s", state, code, text)
	}
	t.Logf("n2 was %s, and forgotten after %.1f s", state, time.Since(begun).Seconds())
	f.online(t, n1)
	if conf := n1.Run("cat", "/etc/corosync/corosync.conf"); strings.Contains(conf, "n2") || strings.Contains(conf, "two_node: 1") {
		t.Errorf("corosync.conf:\n%s", conf)
	}
	f.wants(t, n1, "/cluster/actions/forget", `{"nodes":["n2"],"down":true}`, http.StatusNotFound, "forgotten already")
}

// keepsSecrets looks for a code where it must not be.
func (f membersFixture) keepsSecrets(t *testing.T, code string) {
	t.Helper()
	for _, n := range f.cluster.Nodes {
		status, text := f.request(n, http.MethodGet, "/audit", "")
		if status != http.StatusOK || !json.Valid([]byte(text)) {
			t.Errorf("audit of %s: %d %s", n.Name, status, text)
		}
		if strings.Contains(text, code) {
			t.Errorf("the code is in the audit log of %s", n.Name)
		}
		const look = "cd / && grep --recursive --files-with-matches --fixed-strings -e %s /var/log /var/lib/thalassa /var/lib/thalassa-cluster 2>/dev/null || true"
		if files := n.Run("sh", "-c", fmt.Sprintf(look, code)); files != "" {
			t.Errorf("the code is in these files of %s: %s", n.Name, files)
		}
		if files := n.Run("sh", "-c", fmt.Sprintf(look, "level=INFO")); !strings.Contains(files, "/var/log/thalassa.log") { // the look itself works
			t.Errorf("files of %s with a line of the log: %q", n.Name, files)
		}
	}
}
