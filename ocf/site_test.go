package ocf_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/ocf"
)

// patience is what anything may take on a busy machine.
const patience = 30 * time.Second

// A site is a node's paths for one HAProxy, and the resource agent for them.
type site struct {
	t          *testing.T
	dir        string
	port       int
	parameters map[string]string
	health     func(context.Context, string) ([]string, error)
	timeout    time.Duration
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := testkit.SocketDir(t)
	s := &site{t: t, dir: dir, port: testkit.Port(t), timeout: patience}
	s.parameters = map[string]string{
		"binary": testkit.HAProxy(t), "config": s.path("haproxy.cfg"), "stats_socket": s.path("stats"), "master_socket": s.path("master"),
		"pidfile": s.path("pid"), "startup_log": s.path("log"), "drain_time": "1s", "agent_url": "none",
	}
	t.Cleanup(func() {
		if r := s.do("stop", 0); r.Code != ocf.OK {
			t.Errorf("the last stop: %+v", r)
		}
	})
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) do(action string, level int) ocf.Result {
	return ocf.Do(context.Background(), ocf.Config{Health: s.health, Logger: testkit.Logger(s.t)},
		ocf.Request{Action: action, Parameters: s.parameters, Level: level, Timeout: s.timeout})
}

// want carries out an action that must end with a code, and returns the reason.
func (s *site) want(code ocf.Code, action string, level int) string {
	s.t.Helper()
	r := s.do(action, level)
	if r.Code != code {
		s.t.Fatalf("%s %d: %s: %s, expected %s", action, level, r.Code, r.Reason, code)
	}
	if (code == ocf.OK) != (r.Reason == "") {
		s.t.Errorf("%s %d ended with %s and the reason %q", action, level, r.Code, r.Reason)
	}
	return r.Reason
}

// write makes a configuration that answers with a word the file on disk.
func (s *site) write(word string, further ...string) {
	s.t.Helper()
	config := testkit.HAProxyConfig{
		Description: "thalassa " + word, StatsSocket: s.path("stats"), Address: s.address(), Answer: word, Frontend: further,
	}
	s.put(string(config.Bytes()))
}

func (s *site) put(config string) {
	s.t.Helper()
	if err := os.WriteFile(s.path("haproxy.cfg"), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// get asks HAProxy once, over a new connection.
func (s *site) get() (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + s.address())
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// answers checks that HAProxy answers with a word, at once.
func (s *site) answers(word string) {
	s.t.Helper()
	if got, err := s.get(); err != nil || got != word {
		s.t.Errorf("HAProxy answers %q (%v), expected %q", got, err, word)
	}
}

// closed checks that nobody listens any more, at once.
func (s *site) closed() {
	s.t.Helper()
	if _, err := s.get(); !errors.Is(err, syscall.ECONNREFUSED) {
		s.t.Errorf("HAProxy still listens: %v", err)
	}
}

// master is HAProxy's process, from its pid file.
func (s *site) master() int {
	s.t.Helper()
	data, err := os.ReadFile(s.path("pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// workers are the children of the master.
func (s *site) workers() []int {
	s.t.Helper()
	master := s.master()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
	if err != nil {
		s.t.Fatal(err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			s.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// lives is false for zombies, too.
func lives(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(data), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// freeze stops processes.
func freeze(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		testkit.Freeze(t, pid)
	}
}

func (s *site) signal(sig syscall.Signal, pids ...int) {
	s.t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			s.t.Fatal(err)
		}
	}
}
