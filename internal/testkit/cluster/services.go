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

// ConsulPort is where the lab's Consul answers, at World.
const ConsulPort = 8500

// Consul starts a real Consul in the world, reached by every node.
func (l *Lab) Consul() *testkit.ConsulAgent {
	l.tb.Helper()
	binary, err := filepath.EvalSymlinks(testkit.ConsulBinary(l.tb))
	if err != nil {
		l.tb.Fatal(err)
	}
	call := l.inWorld(binary, "agent", "-dev", "-node", "world", "-disable-host-node-id", "-log-level", "warn",
		"-bind", World, "-client", World, "-http-port", strconv.Itoa(ConsulPort), "-dns-port", "-1", "-grpc-port", "-1", "-grpc-tls-port", "-1",
		"-hcl", "connect { enabled = false }", "-hcl", "disable_update_check = true", "-hcl", "performance { raft_multiplier = 1 }")
	p, err := startProcess(exec.Command(call.Path, call.Args[1:]...))
	if err != nil {
		l.tb.Fatal(err)
	}
	address := net.JoinHostPort(World, strconv.Itoa(ConsulPort))
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

// Serve answers every request to a port of the world with one line, until the
// server returned is closed or the test ends.
func (l *Lab) Serve(port int, line string) *http.Server {
	l.tb.Helper()
	listener := l.Listen("", net.JoinHostPort(World, strconv.Itoa(port)))
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, line) }),
	}
	go func() { _ = server.Serve(listener) }() // ends with the listener
	l.tb.Cleanup(func() { _ = server.Close() })
	return server
}
