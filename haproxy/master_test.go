package haproxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// A scriptedMaster speaks like a HAProxy that tells the outcome of a reload, as
// 2.7 and later do, whatever release is installed.
type scriptedMaster struct {
	mu      sync.Mutex
	replies []string // to the next reloads; after the last one they succeed
	reloads int
	failed  int
	worker  int
	running string // the description of the worker
	next    func() string
}

func (m *scriptedMaster) answer(command string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch command {
	case "show proc":
		return fmt.Sprintf("#<PID>          <type>          <reloads>       <uptime>        <version>\n"+
			"%d           master          %d [failed: %d]   0d00h00m04s     2.8.10\n# workers\n%d           worker          0               0d00h00m01s     2.8.10\n# programs\n\n",
			os.Getpid(), m.reloads, m.failed, m.worker)
	case "show info":
		return fmt.Sprintf("Name: HAProxy\nVersion: 2.8.10\nPid: %d\ndescription: %s\nStopping: 0\n\n", m.worker, m.running)
	case "reload":
		reply := "Success=1\n--\n[NOTICE]   (1) : Loading success.\n\n"
		if len(m.replies) > 0 {
			reply, m.replies = m.replies[0], m.replies[1:]
		}
		switch {
		case strings.Contains(reply, "still in progress"):
			return reply
		case strings.HasPrefix(reply, "Success=1"):
			m.failed = 0
			m.worker++
			m.running = m.next()
		default:
			m.failed++
		}
		m.reloads++
		return reply
	}
	return "Unknown command: '" + command + "'\n\n"
}

func (m *scriptedMaster) listen(t *testing.T, path string) {
	t.Helper()
	fx, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := fx.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
					_, _ = conn.Write([]byte(m.answer(strings.TrimSpace(line))))
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = fx.Close()
		all.Wait()
	})
}

func TestConclusiveReload(t *testing.T) {
	dir := testkit.SocketDir(t)
	cfg := paths(dir)
	cfg.Mode, cfg.Binary = haproxy.External, testkit.HAProxy(t)
	config := func(word string) []byte {
		return testkit.HAProxyConfig{Description: "thalassa " + word, StatsSocket: cfg.StatsSocket}.Bytes()
	}
	m := &scriptedMaster{worker: 1000, running: "thalassa none", next: func() string {
		data, _ := os.ReadFile(cfg.ConfigPath)
		_, rest, _ := strings.Cut(string(data), "description ")
		line, _, _ := strings.Cut(rest, "\n")
		return line
	}}
	m.listen(t, cfg.MasterSocket)
	m.listen(t, cfg.StatsSocket)
	p := haproxy.New(cfg)
	if out, err := p.Apply(t.Context(), config("one"), "one"); err != nil || !out.Reloaded || out.WorkerPID != 1001 {
		t.Fatalf("%+v, %v", out, err)
	}

	m.replies = []string{"Success=0\n--\n[NOTICE]   (7) : haproxy version is 2.8.10\n[ALERT]    (7) : [haproxy.main()] Cannot raise FD limit to 9, limit is 8.\n[WARNING]  (7) : Loading failure!\n\n"}
	_, err := p.Apply(t.Context(), config("two"), "two")
	var refused *lb.RefusedError
	if !errors.As(err, &refused) || refused.At != "start" || refused.Output != "[ALERT] [haproxy.main()] Cannot raise FD limit to 9, limit is 8." {
		t.Errorf("got %v", err)
	}
	if data, _ := os.ReadFile(cfg.ConfigPath); string(data) != string(config("one")) {
		t.Errorf("the file is\n%s", data)
	}

	m.replies = []string{"Success=0\n--\nAnother reload is still in progress.\n\n"}
	if out, err := p.Apply(t.Context(), config("three"), "three"); err != nil || out.WorkerPID != 1002 {
		t.Errorf("a master that was busy: %+v, %v", out, err)
	}

	m.replies = []string{""} // a master that ends the connection, and fails
	if _, err := p.Apply(t.Context(), config("four"), "four"); !errors.As(err, &refused) || !strings.Contains(refused.Output, "failed reload") {
		t.Errorf("got %v", err)
	}

	// Somebody else's reload takes another file in between.
	own := m.next
	m.next = func() string {
		m.next = own
		return "thalassa other"
	}
	if out, err := p.Apply(t.Context(), config("five"), "five"); err != nil || out.WorkerPID != 1004 {
		t.Errorf("after another reload: %+v, %v", out, err)
	}
	// Somebody else puts another file in place in between, and reloads.
	m.next = func() string {
		m.next = own
		if err := os.WriteFile(cfg.ConfigPath, config("other"), 0o600); err != nil {
			t.Error(err)
		}
		return own()
	}
	if out, err := p.Apply(t.Context(), config("six"), "six"); err != nil || out.WorkerPID != 1006 {
		t.Errorf("after a reload of another file: %+v, %v", out, err)
	}
	if data, _ := os.ReadFile(cfg.ConfigPath); string(data) != string(config("six")) {
		t.Errorf("the file is\n%s", data)
	}
	if state, err := p.State(t.Context()); err != nil || state.Fingerprint != "six" || state.MasterPID != os.Getpid() {
		t.Errorf("%+v, %v", state, err)
	}
}
