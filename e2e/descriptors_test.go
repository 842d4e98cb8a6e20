package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// unprivileged has the agent run as a user without rights, with few file descriptors.
func (n *node) unprivileged(files int) {
	n.tb.Helper()
	testkit.NeedsRoot(n.tb)
	setpriv, prlimit := testkit.Tool(n.tb, "setpriv"), testkit.Tool(n.tb, "prlimit")
	nobody := strconv.Itoa(testkit.Nobody)
	if err := os.Chown(n.dir, testkit.Nobody, testkit.Nobody); err != nil {
		n.tb.Fatal(err)
	}
	program := build(n.tb)
	if err := os.Chmod(program[:strings.LastIndexByte(program, '/')], 0o755); err != nil { //nolint:gosec // another user runs it
		n.tb.Fatal(err)
	}
	n.wrap = func(cmd *exec.Cmd) *exec.Cmd {
		args := append([]string{
			"--nofile=" + strconv.Itoa(files), setpriv, "--reuid", nobody, "--regid", nobody, "--clear-groups",
		}, cmd.Args...)
		return exec.Command(prlimit, args...)
	}
}

// Connections that nobody has identified cannot use the file descriptors that the agent
// needs to start a killed HAProxy again.
func TestIdleConnectionsLeaveDescriptors(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address(), "--haproxy-maxconn", "10", "--host", "0.0.0.0", "--insecure-no-auth", "--tls", "off")
	n.unprivileged(240)
	n.start()
	service(t, consul, "1.0.0", 1)
	n.route()
	n.answers("1.0.0-0")

	var open []net.Conn
	for _, host := range []string{"127.0.0.1", ownAddress(t)} {
		for range 150 {
			conn, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", host, n.api), 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
			defer conn.Close()
		}
	}
	n.restarts()
	n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	if code, body := n.try(http.MethodGet, "/activity?limit=50", ""); code != http.StatusOK || !strings.Contains(body, "connectionsRefused") {
		t.Errorf("no event about refused connections: %d %s", code, body)
	}
	code, metrics := n.try(http.MethodGet, "/metrics", "")
	if code != http.StatusOK || strings.Contains(metrics, "\nthalassa_api_connections_refused 0\n") || !strings.Contains(metrics, "\nthalassa_api_connections_refused ") {
		t.Errorf("the metrics do not tell of refused connections: %d", code)
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	n.restarts()
}

// ownAddress is an address of this machine that is not on the loopback.
func ownAddress(tb testing.TB) string {
	tb.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		tb.Fatal(err)
	}
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil && !network.IP.IsLoopback() {
			return network.IP.String()
		}
	}
	testkit.Missing(tb, "an address that is not on the loopback")
	return ""
}
