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

// A lab is a folder with all paths of one HAProxy, and a Process for them.
type lab struct {
	t    testing.TB
	dir  string
	cfg  haproxy.Config
	port int
	*haproxy.Process
}

// newLab prepares a managed HAProxy that does not run yet. Whatever runs there
// at the end of the test is ended.
func newLab(tb testing.TB, binary string) *lab {
	tb.Helper()
	dir := testkit.SocketDir(tb)
	l := &lab{t: tb, dir: dir, port: testkit.Port(tb), cfg: paths(dir)}
	l.cfg.Binary, l.cfg.Logger = binary, testkit.Logger(tb)
	l.Process = haproxy.New(l.cfg)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := haproxy.New(l.cfg).Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return l
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
func each(t *testing.T, test func(l *lab)) {
	t.Helper()
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			test(newLab(t, binary.Path))
		})
	}
}

// another is a second Process for the same HAProxy, changed by edit.
func (l *lab) another(edit func(*haproxy.Config)) *haproxy.Process {
	cfg := l.cfg
	if edit != nil {
		edit(&cfg)
	}
	return haproxy.New(cfg)
}

// config answers requests with a word, which is its fingerprint, too.
func (l *lab) config(word string, global ...string) []byte {
	return testkit.HAProxyConfig{
		Description: "thalassa " + word, StatsSocket: l.cfg.StatsSocket,
		Address: l.address(), Answer: word, Global: global,
	}.Bytes()
}

func (l *lab) address() string { return "127.0.0.1:" + strconv.Itoa(l.port) }

// apply makes HAProxy answer with a word.
func (l *lab) apply(word string) haproxy.Outcome {
	l.t.Helper()
	out, err := l.Apply(l.t.Context(), l.config(word), word)
	if err != nil {
		l.t.Fatalf("applying %s: %v", word, err)
	}
	l.agree(word)
	return out
}

// agree checks that file, worker and clients agree on a word.
func (l *lab) agree(word string) {
	l.t.Helper()
	if got := l.file(l.cfg.ConfigPath); got != string(l.config(word)) {
		l.t.Errorf("the file on disk is not that of %s:\n%s", word, got)
	}
	state := l.state()
	if !state.Running || state.Fingerprint != word || state.WorkerPID == 0 || state.MasterPID == 0 {
		l.t.Errorf("want %s to run, got %+v", word, state)
	}
	// An old worker that has got no processor yet may take one more connection.
	testkit.Eventually(l.t, patience, func() error {
		got, err := l.get()
		if err != nil {
			l.t.Errorf("a client got %v, want %s", err, word)
		} else if got != word {
			return fmt.Errorf("a client got %q, want %s", got, word)
		}
		return nil
	})
	l.tidy()
}

// tidy checks that nothing staged was left behind.
func (l *lab) tidy() {
	l.t.Helper()
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			l.t.Errorf("%s was left behind", e.Name())
		}
	}
}

func (l *lab) state() haproxy.State {
	l.t.Helper()
	state, err := l.State(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return state
}

func (l *lab) file(path string) string {
	l.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

// get asks HAProxy over a new connection.
func (l *lab) get() (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + l.address())
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// run lets the Process watch HAProxy until the end of the test.
func (l *lab) run(p *haproxy.Process) <-chan haproxy.Exit {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	exits := make(chan haproxy.Exit, 100)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, func(e haproxy.Exit) { exits <- e }) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("Run: %v", err)
		}
	})
	return exits
}

// exit waits for what Run has to tell.
func (l *lab) exit(exits <-chan haproxy.Exit) haproxy.Exit {
	l.t.Helper()
	select {
	case e := <-exits:
		if e.Time.IsZero() || e.Cause == "" {
			l.t.Errorf("%+v says too little", e)
		}
		return e
	case <-time.After(patience):
		l.t.Fatal("Run tells nothing")
		return haproxy.Exit{}
	}
}

// restarted waits for Run to tell that HAProxy runs again, also after a delay
// that it tells of first.
func (l *lab) restarted(exits <-chan haproxy.Exit) haproxy.Exit {
	l.t.Helper()
	exit := l.exit(exits)
	if !exit.Restarted {
		exit = l.exit(exits)
	}
	if !exit.Restarted {
		l.t.Errorf("not restarted: %+v", exit)
	}
	return exit
}

// kill sends SIGKILL and waits until the process is gone.
func (l *lab) kill(pid int) {
	l.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		l.t.Fatal(err)
	}
	l.gone(pid)
}

func (l *lab) gone(pid int) {
	l.t.Helper()
	testkit.Eventually(l.t, patience, func() error {
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
