package e2e_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// installAgent puts the program and the executable of the resource agent into a
// folder, as they are installed, and returns the executable.
func installAgent(t *testing.T) (agent, dir string) {
	t.Helper()
	testkit.HAProxy(t)
	dir = testkit.SocketDir(t)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // somebody else calls it, too
		t.Fatal(err)
	}
	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	script := func(name string) string {
		return strings.ReplaceAll(read("../packaging/ocf-"+name), "/usr/bin/thalassa", dir+"/thalassa")
	}
	for name, content := range map[string]string{"haproxy": script("haproxy"), "agent": script("agent"), "thalassa": read(build(t))} {
		if err := testkit.WriteProgram(filepath.Join(dir, name), []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "haproxy"), dir
}

func TestOCFTester(t *testing.T) {
	tester := testkit.Tool(t, "ocf-tester")
	testkit.Tool(t, "xmllint")
	if os.Geteuid() != 0 {
		testkit.Missing(t, "ocf-tester needs root")
	}
	agent, dir := installAgent(t)
	config := testkit.HAProxyConfig{StatsSocket: dir + "/stats", Address: "127.0.0.1:" + strconv.Itoa(testkit.Port(t)), Answer: "one"}
	if err := os.WriteFile(dir+"/haproxy.cfg", config.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "test"}
	for name, value := range map[string]string{
		"config": "haproxy.cfg", "stats_socket": "stats", "master_socket": "master", "pidfile": "pid", "startup_log": "log",
	} {
		args = append(args, "-o", name+"="+filepath.Join(dir, value))
	}
	out, err := exec.Command(tester, append(args, "-o", "agent_url=none", agent)...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "passed all tests") {
		t.Errorf("ocf-tester: %v", err)
	}
}

// The agent of the node is there all the time; the resource starts and stops.
func TestOCFTesterOfTheEndpoint(t *testing.T) {
	tester := testkit.Tool(t, "ocf-tester")
	testkit.Tool(t, "xmllint")
	if os.Geteuid() != 0 {
		testkit.Missing(t, "ocf-tester needs root")
	}
	_, dir := installAgent(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"healthy":true}`))
	})}
	go func() { _ = server.Serve(listener) }() // ends with the listener
	t.Cleanup(func() { _ = server.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	out, err := exec.Command(tester, "-n", "test", "-o", "ip=192.0.2.20", "-o", "port="+port, "-o", "state="+dir+"/state", filepath.Join(dir, "agent")).CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "passed all tests") {
		t.Errorf("ocf-tester: %v", err)
	}
}

func TestMetadataForAnybody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes somebody else")
	}
	agent, _ := installAgent(t)
	cmd := exec.Command(agent, "meta-data")
	cmd.Env, cmd.Dir = []string{}, "/" // nothing is installed, for all that it knows
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `<resource-agent name="haproxy"`) {
		t.Errorf("meta-data as nobody: %v: %s", err, out)
	}
}

func TestResourceAgentWithoutTheProgram(t *testing.T) {
	agent, dir := installAgent(t)
	if err := os.Remove(filepath.Join(dir, "thalassa")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/usr/local/bin/thalassa"); err == nil {
		t.Skip("thalassa is installed on this machine")
	}
	out, err := exec.Command(agent, "start").CombinedOutput()
	if exitCode(err) != 5 || !strings.HasPrefix(string(out), "ocf-exit-reason:") {
		t.Errorf("exit code %d: %s", exitCode(err), out)
	}
}

// The codes of the program are those of the API, and the reason is where
// Pacemaker looks for it.
func TestResourceAgentsExitCodes(t *testing.T) {
	agent, dir := installAgent(t)
	for _, c := range []struct {
		action string
		env    []string
		code   int
		says   string
	}{
		{"monitor", nil, 7, "HAProxy does not run"},
		{"start", []string{"OCF_RESKEY_CRM_meta_timeout=1000"}, 5, "ocf-exit-reason:the configuration"},
		{"start", []string{"OCF_RESKEY_drain_time=soon"}, 6, "ocf-exit-reason:invalid parameters: drain_time"},
		{"stop", nil, 0, ""},
		{"promote", nil, 3, "promote"},
		{"usage", nil, 0, "usage: haproxy"},
	} {
		cmd := exec.Command(agent, c.action)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "OCF_RESKEY_agent_url=none"}, c.env...)
		for _, name := range []string{"config", "stats_socket", "master_socket", "pidfile", "startup_log"} {
			cmd.Env = append(cmd.Env, "OCF_RESKEY_"+name+"="+filepath.Join(dir, name))
		}
		out, err := cmd.CombinedOutput()
		if exitCode(err) != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%s %v: exit code %d, expected %d: %s", c.action, c.env, exitCode(err), c.code, out)
		}
	}
}
