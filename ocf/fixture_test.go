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

// A fixture is a node's paths for one HAProxy, and the resource agent for them.
type fixture struct {
	t          *testing.T
	dir        string
	port       int
	parameters map[string]string
	health     func(context.Context, string) ([]string, error)
	timeout    time.Duration
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := testkit.SocketDir(t)
	s := &fixture{t: t, dir: dir, port: testkit.Port(t), timeout: patience}
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

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fixture) do(action string, level int) ocf.Result {
	return ocf.Do(context.Background(), ocf.Config{Health: f.health, Logger: testkit.Logger(f.t)},
		ocf.Request{Action: action, Parameters: f.parameters, Level: level, Timeout: f.timeout})
}

// want carries out an action that must end with a code, and returns the reason.
func (f *fixture) want(code ocf.Code, action string, level int) string {
	f.t.Helper()
	r := f.do(action, level)
	if r.Code != code {
		f.t.Fatalf("%s %d: %s: %s, expected %s", action, level, r.Code, r.Reason, code)
	}
	if (code == ocf.OK) != (r.Reason == "") {
		f.t.Errorf("%s %d ended with %s and the reason %q", action, level, r.Code, r.Reason)
	}
	return r.Reason
}

// write makes a configuration that answers with a word the file on disk.
func (f *fixture) write(word string, further ...string) {
	f.t.Helper()
	config := testkit.HAProxyConfig{
		Description: "thalassa " + word, StatsSocket: f.path("stats"), Address: f.address(), Answer: word, Frontend: further,
	}
	f.put(string(config.Bytes()))
}

func (f *fixture) put(config string) {
	f.t.Helper()
	if err := os.WriteFile(f.path("haproxy.cfg"), []byte(config), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) address() string { return "127.0.0.1:" + strconv.Itoa(f.port) }

// get asks HAProxy once, over a new connection.
func (f *fixture) get() (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + f.address())
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// answers checks that HAProxy answers with a word, at once.
func (f *fixture) answers(word string) {
	f.t.Helper()
	if got, err := f.get(); err != nil || got != word {
		f.t.Errorf("HAProxy answers %q (%v), expected %q", got, err, word)
	}
}

// closed checks that nobody listens any more, at once.
func (f *fixture) closed() {
	f.t.Helper()
	if _, err := f.get(); !errors.Is(err, syscall.ECONNREFUSED) {
		f.t.Errorf("HAProxy still listens: %v", err)
	}
}

// master is HAProxy's process, from its pid file.
func (f *fixture) master() int {
	f.t.Helper()
	data, err := os.ReadFile(f.path("pid"))
	if err != nil {
		f.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		f.t.Fatal(err)
	}
	return pid
}

// workers are the children of the master.
func (f *fixture) workers() []int {
	f.t.Helper()
	master := f.master()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
	if err != nil {
		f.t.Fatal(err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			f.t.Fatal(err)
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

func (f *fixture) signal(sig syscall.Signal, pids ...int) {
	f.t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			f.t.Fatal(err)
		}
	}
}
