package haproxy_test

import (
	"context"
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

	"thalassa/haproxy"
	"thalassa/internal/testkit"
)

// patience is for what a busy machine may take.
const patience = 30 * time.Second

// A fixture is a folder with all paths of one HAProxy, and a Process for them.
type fixture struct {
	t    testing.TB
	dir  string
	cfg  haproxy.Config
	port int
	*haproxy.Process
}

// newFixture prepares a managed HAProxy that does not run yet. Whatever runs there
// at the end of the test is ended.
func newFixture(tb testing.TB, binary string) *fixture {
	tb.Helper()
	dir := testkit.SocketDir(tb)
	fx := &fixture{t: tb, dir: dir, port: testkit.Port(tb), cfg: paths(dir)}
	fx.cfg.Binary, fx.cfg.Logger = binary, testkit.Logger(tb)
	fx.Process = haproxy.New(fx.cfg)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := haproxy.New(fx.cfg).Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return fx
}

// paths has everything of one HAProxy in one folder.
func paths(dir string) haproxy.Config {
	return haproxy.Config{
		ConfigPath:    filepath.Join(dir, "haproxy.cfg"),
		PIDPath:       filepath.Join(dir, "pid"),
		StatsSocket:   filepath.Join(dir, "stats"),
		MasterSocket:  filepath.Join(dir, "master"),
		StartupLog:    filepath.Join(dir, "log"),
		ReloadTimeout: patience,
		StopGrace:     2 * time.Second,
	}
}

// each runs a test with every release of HAProxy at hand.
func each(t *testing.T, test func(fx *fixture)) {
	t.Helper()
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			test(newFixture(t, binary.Path))
		})
	}
}

// another is a second Process for the same HAProxy, changed by edit.
func (fx *fixture) another(edit func(*haproxy.Config)) *haproxy.Process {
	cfg := fx.cfg
	if edit != nil {
		edit(&cfg)
	}
	return haproxy.New(cfg)
}

// config answers requests with a word, which is its fingerprint, too.
func (fx *fixture) config(word string, global ...string) []byte {
	return testkit.HAProxyConfig{
		Description: "thalassa " + word, StatsSocket: fx.cfg.StatsSocket,
		Address: fx.address(), Answer: word, Global: global,
	}.Bytes()
}

func (fx *fixture) address() string { return "127.0.0.1:" + strconv.Itoa(fx.port) }

// apply makes HAProxy answer with a word.
func (fx *fixture) apply(word string) haproxy.Outcome {
	fx.t.Helper()
	out, err := fx.Apply(fx.t.Context(), fx.config(word), word)
	if err != nil {
		fx.t.Fatalf("applying %s: %v", word, err)
	}
	fx.agree(word)
	return out
}

// agree checks that file, worker and clients agree on a word.
func (fx *fixture) agree(word string) {
	fx.t.Helper()
	if got := fx.file(fx.cfg.ConfigPath); got != string(fx.config(word)) {
		fx.t.Errorf("the file on disk is not that of %s:\n%s", word, got)
	}
	// An old worker that has got no processor yet may take one more connection, on its socket, too.
	testkit.Eventually(fx.t, patience, func() error {
		state := fx.state()
		if !state.Running || state.Fingerprint != word || state.WorkerPID == 0 || state.MasterPID == 0 {
			return fmt.Errorf("want %s to run, got %+v", word, state)
		}
		got, err := fx.get()
		if err != nil {
			fx.t.Errorf("a client got %v, want %s", err, word)
		} else if got != word {
			return fmt.Errorf("a client got %q, want %s", got, word)
		}
		return nil
	})
	fx.tidy()
}

// tidy checks that no temporary file was left behind.
func (fx *fixture) tidy() {
	fx.t.Helper()
	entries, err := os.ReadDir(fx.dir)
	if err != nil {
		fx.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			fx.t.Errorf("%s was left behind", e.Name())
		}
	}
}

func (fx *fixture) state() haproxy.State {
	fx.t.Helper()
	state, err := fx.State(fx.t.Context())
	if err != nil {
		fx.t.Fatal(err)
	}
	return state
}

func (fx *fixture) file(path string) string {
	fx.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		fx.t.Fatal(err)
	}
	return string(data)
}

// get asks HAProxy over a new connection.
func (fx *fixture) get() (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + fx.address())
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// run lets the Process watch HAProxy until the end of the test.
func (fx *fixture) run(p *haproxy.Process) <-chan haproxy.Exit {
	fx.t.Helper()
	ctx, cancel := context.WithCancel(fx.t.Context())
	exits := make(chan haproxy.Exit, 100)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, func(e haproxy.Exit) { exits <- e }) }()
	fx.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			fx.t.Errorf("Run: %v", err)
		}
	})
	return exits
}

// exit waits for what Run has to tell.
func (fx *fixture) exit(exits <-chan haproxy.Exit) haproxy.Exit {
	fx.t.Helper()
	select {
	case e := <-exits:
		if e.Cause == "" {
			fx.t.Errorf("%+v says too little", e)
		}
		return e
	case <-time.After(patience):
		fx.t.Fatal("Run tells nothing")
		return haproxy.Exit{}
	}
}

// restarted waits for Run to tell that HAProxy runs again, also after a delay
// that it tells of first.
func (fx *fixture) restarted(exits <-chan haproxy.Exit) haproxy.Exit {
	fx.t.Helper()
	exit := fx.exit(exits)
	if !exit.Restarted {
		exit = fx.exit(exits)
	}
	if !exit.Restarted {
		fx.t.Errorf("not restarted: %+v", exit)
	}
	return exit
}

// kill sends SIGKILL and waits until the process is gone.
func (fx *fixture) kill(pid int) {
	fx.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		fx.t.Fatal(err)
	}
	fx.gone(pid)
}

func (fx *fixture) gone(pid int) {
	fx.t.Helper()
	testkit.Eventually(fx.t, patience, func() error {
		if alive(pid) {
			return fmt.Errorf("process %d lives", pid)
		}
		return nil
	})
}

// alive is false for zombies, which wait for whoever inherited them.
func alive(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
