package testkit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SocketDir makes a folder with a path short enough for unix sockets, for which HAProxy allows 90
// bytes.
func SocketDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "th") //nolint:usetesting // tb.TempDir is too long for a socket
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// A HAProxyConfig is a small valid haproxy.cfg: one frontend that answers
// requests itself. The zero value of each field leaves its line out.
type HAProxyConfig struct {
	Description string // e.g. "thalassa 5d41402a"
	StatsSocket string
	// Address the frontend listens on, host:port.
	Address string
	// Answer is the body of every response of the frontend.
	Answer string
	// Backend is the host:port of a server; the frontend then sends requests
	// there instead of answering them.
	Backend string
	// Global, Defaults and Frontend are further lines of those sections.
	Global, Defaults, Frontend []string
}

// Bytes renders the configuration; equal values give equal bytes.
func (c HAProxyConfig) Bytes() []byte {
	var lines []string
	section := func(name string, body ...string) {
		lines = append(lines, name)
		for _, line := range body {
			if line != "" {
				lines = append(lines, "    "+line)
			}
		}
	}
	optional := func(format, value string) string {
		if value == "" {
			return ""
		}
		return fmt.Sprintf(format, value)
	}
	section("global", slices.Concat([]string{
		optional("description %s", c.Description),
		optional("stats socket %s mode 600 level admin", c.StatsSocket),
		"hard-stop-after 10s",
	}, c.Global)...)
	section("defaults", slices.Concat([]string{
		"mode http", "timeout connect 5s", "timeout client 50s", "timeout server 50s",
		"timeout http-keep-alive 10s", "option idle-close-on-response",
	}, c.Defaults)...)
	if c.Address != "" {
		section("frontend web", slices.Concat([]string{
			"bind " + c.Address,
			optional("http-request return status 200 content-type text/plain string %q", c.Answer),
			optional("default_backend %s", strings.Repeat("members", min(1, len(c.Backend)))),
		}, c.Frontend)...)
	}
	if c.Backend != "" {
		section("backend members", "server member "+c.Backend)
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// A RunningHAProxy was started by a test in master-worker mode.
type RunningHAProxy struct {
	Dir, ConfigPath, MasterSocket, StatsSocket string
	PID                                        int // of the master
}

// RunHAProxy starts HAProxy with a configuration and ends it with the test. The
// stats socket is <Dir>/stats.sock when the configuration says nothing else.
// It does not wait until HAProxy answers.
func RunHAProxy(tb testing.TB, binary string, config HAProxyConfig) *RunningHAProxy {
	tb.Helper()
	dir := SocketDir(tb)
	h := &RunningHAProxy{
		Dir: dir, ConfigPath: filepath.Join(dir, "haproxy.cfg"),
		MasterSocket: filepath.Join(dir, "master.sock"), StatsSocket: filepath.Join(dir, "stats.sock"),
	}
	if config.StatsSocket == "" {
		config.StatsSocket = h.StatsSocket
	}
	h.StatsSocket = config.StatsSocket
	if err := os.WriteFile(h.ConfigPath, config.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(binary, "-W", "-S", h.MasterSocket+",mode,600", "-f", h.ConfigPath)
	cmd.Stdout, cmd.Stderr = tb.Output(), tb.Output()
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	h.PID = cmd.Process.Pid
	tb.Cleanup(func() { endProcess(tb, cmd) })
	return h
}

// endProcess ends a child, at last by force, and waits for it. It asks more than
// once, because a master that has just started or executed itself anew misses
// the signal.
func endProcess(tb testing.TB, cmd *exec.Cmd) {
	tb.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for tries := 0; ; tries++ {
		signal := syscall.SIGTERM
		if tries > 50 {
			signal = syscall.SIGKILL
		}
		_ = cmd.Process.Signal(signal)
		select {
		case <-tick.C:
		case err := <-ended:
			if err != nil && !errors.As(err, new(*exec.ExitError)) {
				tb.Error("ending process " + strconv.Itoa(cmd.Process.Pid) + ": " + err.Error())
			}
			return
		}
	}
}
