// Package dev runs what developers need besides Thalassa: a Consul agent in
// development mode, and example services. It is for the demo and for tests. It must
// never manage a Consul with real data, and nothing it starts outlives the program.
package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// ConsulConfig is how to run a Consul agent in development mode. Only Binary is
// required.
type ConsulConfig struct {
	// Binary is the path of the consul executable, see FindConsul. Required.
	Binary string
	// DataDir stores the agent's own registrations; default: all state is in memory.
	DataDir string
	// Durable: the server stores all state in DataDir, like a production server. It
	// requires DataDir and ServerPort.
	Durable bool
	// ServerPort is the port for other servers; 0: a free one.
	ServerPort int
	// HTTPPort of the HTTP API on 127.0.0.1; 0: a free one.
	HTTPPort int
	// HCL fragments are added to the agent's configuration.
	HCL []string
	// Stdout receives the agent's output; default: it is discarded.
	Stdout io.Writer
	// Logger logs start and end; default: nothing is logged.
	Logger *slog.Logger
}

// Consul is a running Consul agent. Its methods are safe for concurrent use.
type Consul struct {
	address string
	process *os.Process
	logger  *slog.Logger
	exited  chan struct{}
}

// attempts to start an agent: another program may bind the free ports first.
const attempts = 5

// StartConsul runs an agent on 127.0.0.1 and returns when it has elected itself
// leader and answers queries. Its other ports are free ones or disabled, so several
// agents can run at once. ctx only limits the start. The agent runs until Stop, and
// dies with this process. After an error, nothing is left running.
func StartConsul(ctx context.Context, cfg ConsulConfig) (*Consul, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	for range attempts {
		var c *Consul
		if c, err = startConsul(ctx, cfg); err == nil {
			cfg.Logger.InfoContext(ctx, "consul started", "address", c.address, "pid", c.PID())
			return c, nil
		}
		if !errors.Is(err, errExited) {
			break
		}
	}
	return nil, fmt.Errorf("starting consul: %w", err)
}

var errExited = errors.New("the agent exited before it was ready")

func startConsul(ctx context.Context, cfg ConsulConfig) (*Consul, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	if cfg.HTTPPort == 0 {
		cfg.HTTPPort = ports[2]
	}
	if cfg.ServerPort == 0 {
		cfg.ServerPort = ports[1]
	}
	cmd := exec.Command(cfg.Binary, consulArgs(cfg, ports[0])...) //nolint:noctx // ctx only limits the start
	cmd.Stdout, cmd.Stderr = cfg.Stdout, cfg.Stdout
	// A process group of its own: Ctrl-C does not reach it, and Stop ends it in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c := &Consul{
		address: net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.HTTPPort)),
		logger:  cfg.Logger,
		exited:  make(chan struct{}),
	}
	if err := c.start(cmd); err != nil {
		return nil, err
	}
	if err := c.waitForLeader(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.ServerPort))); err != nil {
		c.kill()
		<-c.exited
		return nil, err
	}
	return c, nil
}

// start starts cmd on a thread that lives as long as the agent. The kernel sends
// Pdeathsig when the thread that started the child ends, not the process (prctl(2),
// PR_SET_PDEATHSIG).
func (c *Consul) start(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		c.process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait() // its output has the reason
			close(c.exited)
		}
	}()
	return <-started
}

func consulArgs(cfg ConsulConfig, serf int) []string {
	args := []string{
		"agent", "-node", "dev", "-disable-host-node-id", "-log-level", "info",
		"-bind", "127.0.0.1", "-client", "127.0.0.1",
		"-http-port", strconv.Itoa(cfg.HTTPPort), "-dns-port", "-1", "-grpc-port", "-1", "-grpc-tls-port", "-1",
		"-serf-wan-port", "-1", "-serf-lan-port", strconv.Itoa(serf), "-server-port", strconv.Itoa(cfg.ServerPort),
		"-hcl", "connect { enabled = false }", "-hcl", "disable_update_check = true",
	}
	if cfg.Durable {
		args = append(args, "-server", "-bootstrap-expect", "1", "-hcl", "performance { raft_multiplier = 1 }")
	} else {
		args = append(args, "-dev")
	}
	if cfg.DataDir != "" {
		args = append(args, "-data-dir", cfg.DataDir)
	}
	for _, fragment := range cfg.HCL {
		args = append(args, "-hcl", fragment)
	}
	return args
}

// freePorts returns n different free TCP ports of the loopback.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // binds the loopback, cannot block
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close() // all stay open, so that the ports differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// waitForLeader waits until the agent reports itself, by its server port, as the
// leader. Another Consul that has bound the HTTP port would report another one.
func (c *Consul) waitForLeader(ctx context.Context, self string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for a leader: %w", ctx.Err())
		case <-c.exited:
			return errExited
		case <-tick.C:
			if c.leader(ctx) == self {
				return nil
			}
		}
	}
}

// leader returns the leader; empty if there is none, or if the agent does not answer
// yet.
func (c *Consul) leader(ctx context.Context) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+"/v1/status/leader", http.NoBody)
	if err != nil {
		return ""
	}
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var leader string
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1024)).Decode(&leader); err != nil {
		return ""
	}
	return leader
}

// Address is host:port of the HTTP API.
func (c *Consul) Address() string { return c.address }

// PID of the agent.
func (c *Consul) PID() int { return c.process.Pid }

// Exited is closed when the agent has exited for any reason.
func (c *Consul) Exited() <-chan struct{} { return c.exited }

// Stop stops the agent and returns when it has exited. It kills the agent after three
// seconds or when ctx ends. It may be called again.
func (c *Consul) Stop(ctx context.Context) error {
	if err := c.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping consul: %w", err)
	}
	patience := time.NewTimer(3 * time.Second)
	defer patience.Stop()
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
	case <-patience.C:
	}
	c.Kill()
	return nil
}

// Kill kills the agent, like a crash, and returns when it has exited.
func (c *Consul) Kill() {
	c.kill()
	<-c.exited
	c.logger.Info("consul ended", "address", c.address)
}

func (c *Consul) kill() {
	_ = c.process.Kill() // fails only if it has exited
}

// FindConsul returns the path of a consul executable: path when it is not
// empty, else the one on PATH, else the one that `make setup` builds into the
// user's cache directory.
func FindConsul(path string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("finding consul: %w", err)
		}
		return found, nil
	}
	if found, err := exec.LookPath("consul"); err == nil {
		return found, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding consul: %w", err)
	}
	found, err := exec.LookPath(filepath.Join(cache, "thalassa", "consul"))
	if err != nil {
		return "", errors.New("finding consul: not found on PATH or in the cache; make setup builds it")
	}
	return found, nil
}
