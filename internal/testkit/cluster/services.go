package cluster

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"thalassa/internal/testkit"
)

// ConsulPort is where the fixture's Consul answers, at Outside.
const ConsulPort = 8500

// consulAgent runs on every node.
const consulAgent = `exec /run/fixture/consul agent -node "$(hostname)" -bind "$(awk -v node="$(hostname)" '$2 == node { print $1 }' /etc/hosts)" \
	-retry-join ` + Outside + ` -retry-interval 1s -data-dir /var/lib/consul -disable-host-node-id -log-level warn \
	-dns-port -1 -grpc-port -1 -grpc-tls-port -1 -hcl 'connect { enabled = false }' -hcl 'disable_update_check = true'`

// Consul starts a real Consul server outside the nodes. Every node that boots from then
// on has an agent of it at 127.0.0.1:8500, as operators have it, which ends with
// its node.
func (l *Fixture) Consul() *testkit.ConsulAgent {
	l.tb.Helper()
	binary, err := filepath.EvalSymlinks(testkit.ConsulBinary(l.tb))
	if err != nil {
		l.tb.Fatal(err)
	}
	l.share("consul", binary)
	l.unit("consul", consulAgent)
	call := l.inOutside(binary, "agent", "-dev", "-node", "outside", "-disable-host-node-id", "-log-level", "warn",
		"-bind", Outside, "-client", Outside, "-http-port", strconv.Itoa(ConsulPort), "-dns-port", "-1", "-grpc-port", "-1", "-grpc-tls-port", "-1",
		"-hcl", "connect { enabled = false }", "-hcl", "disable_update_check = true", "-hcl", "performance { raft_multiplier = 1 }",
		// Those of development take a busy node for a dead one.
		"-hcl", `gossip_lan { probe_interval = "1s" probe_timeout = "500ms" suspicion_mult = 4 }`)
	p, err := startProcess(exec.Command(call.Path, call.Args[1:]...))
	if err != nil {
		l.tb.Fatal(err)
	}
	address := net.JoinHostPort(Outside, strconv.Itoa(ConsulPort))
	l.await("consul", func() error {
		if p.ended() {
			return fmt.Errorf("it has ended: %s", p.output())
		}
		answer, err := l.HTTP("").Get("http://" + address + "/v1/status/leader")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK || answer.ContentLength < 5 { // "" while there is none
			return fmt.Errorf("no leader: %s", answer.Status)
		}
		return nil
	})
	return testkit.ConsulAt(l.tb, address, l.Dial(""))
}

// Serve answers every request to a port outside the nodes with one line, until the
// server returned is closed or the test ends.
func (l *Fixture) Serve(port int, line string) *http.Server {
	l.tb.Helper()
	listener := l.Listen("", net.JoinHostPort(Outside, strconv.Itoa(port)))
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, line) }),
	}
	go func() { _ = server.Serve(listener) }() // ends with the listener
	l.tb.Cleanup(func() { _ = server.Close() })
	return server
}
