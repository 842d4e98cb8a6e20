package e2e_test

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// The agent tells systemd that it is ready, alive, reloading and stopping, and HAProxy
// inherits nothing of that. When the watchdog ends the agent, HAProxy keeps running.
func TestSystemdNotifications(t *testing.T) {
	t.Parallel()
	prlimit := testkit.Tool(t, "prlimit")
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	address := filepath.Join(testkit.SocketDir(t), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	expect := func(want string) {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 4096)
		for {
			length, err := conn.Read(buffer)
			if err != nil {
				t.Fatalf("systemd was not told %s: %v", want, err)
			}
			if strings.HasPrefix(string(buffer[:length]), want) {
				return
			}
		}
	}
	n.wrap = func(cmd *exec.Cmd) *exec.Cmd {
		cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+address, "WATCHDOG_USEC=1000000")
		cmd.Args = append([]string{"prlimit", "--core=unlimited:unlimited", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = prlimit
		return cmd
	}
	n.start()
	expect("READY=1")
	expect("WATCHDOG=1")
	if err := n.agent.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect("RELOADING=1\nMONOTONIC_USEC=")
	expect("READY=1")
	if err := n.agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expect("STOPPING=1")
	<-n.exit
	n.start()
	before := n.master()
	if err := n.agent.Process.Signal(syscall.SIGABRT); err != nil { // as the watchdog does
		t.Fatal(err)
	}
	<-n.exit
	// With an exit code of its own, 2, systemd would take it for an agent with wrong settings.
	if status, ok := n.agent.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGABRT || status.CoreDump() {
		t.Errorf("the agent has ended with %s", n.agent.ProcessState)
	}
	if err := syscall.Kill(before, 0); err != nil {
		t.Errorf("HAProxy has ended with the agent: %v", err)
	}
	n.start()
	if now := n.master(); now != before {
		t.Errorf("HAProxy was started again: %d, before %d", now, before)
	}
}
