package e2e_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// mount mounts something until the end of the test, or of the function that it returns.
func mount(tb testing.TB, dir string, args ...string) (unmount func()) {
	tb.Helper()
	testkit.NeedsRoot(tb)
	if out, err := exec.Command(testkit.Tool(tb, "mount"), append(args, dir)...).CombinedOutput(); err != nil {
		tb.Fatalf("mount %q: %v: %s", args, err, out)
	}
	done := false
	unmount = func() {
		if done {
			return
		}
		done = true
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			tb.Errorf("umount %s: %v: %s", dir, err, out)
		}
	}
	tb.Cleanup(unmount)
	return unmount
}

// apart is a node whose database, haproxy.cfg and persistence file are in a folder of
// their own.
func apart(tb testing.TB, dir string) *node {
	tb.Helper()
	n, _ := serving(tb, 1, "--db-path", dir, "--haproxy-cfg-path", dir+"/haproxy.cfg", "--persistence", dir+"/copy.json")
	tb.Cleanup(func() { // before the folder is unmounted
		_ = n.agent.Process.Kill()
		<-n.exit
	})
	return n
}

// listing is the names and contents of the files that the agent replaces as a whole.
func listing(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || name == "filler" || strings.HasSuffix(name, ".db") || strings.HasSuffix(name, ".log") || strings.HasPrefix(name, "audit.") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			tb.Fatal(err)
		}
		out[name] = string(data)
	}
	return out
}

// refusesToWrite makes sure that a change is refused, says why and does nothing, while the
// traffic goes on and a killed HAProxy is started again.
func (n *node) refusesToWrite(dir, why string, status int) {
	n.tb.Helper()
	before, config := listing(n.tb, dir), n.call(200, http.MethodGet, "/status", "")["revision"]
	for range 3 {
		code, body := n.try(http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
		if code != status || !strings.Contains(body, why) || !strings.Contains(body, dir) {
			n.tb.Fatalf("a change is answered with %d %s, expected %d, %q and the path", code, body, status, why)
		}
	}
	if code, body := n.try(http.MethodGet, "/backends/other", ""); code != http.StatusNotFound {
		n.tb.Errorf("the refused backend: %d %s", code, body)
	}
	if now := n.call(200, http.MethodGet, "/status", "")["revision"]; now != config {
		n.tb.Errorf("revision %v, expected %v", now, config)
	}
	if _, body := n.try(http.MethodGet, "/readyz", ""); !strings.Contains(body, "haproxy.cfg cannot be written") {
		n.tb.Errorf("/readyz says %s", body)
	}
	n.answers("1.0.0-0")
	n.restarts()
	after := listing(n.tb, dir)
	for name, content := range after {
		if was, existed := before[name]; !existed || was != content {
			n.tb.Errorf("%s has changed or is new: %d bytes, before %d", name, len(content), len(was))
		}
	}
	if code, body := n.try(http.MethodGet, "/healthz", ""); code != http.StatusOK {
		n.tb.Errorf("/healthz: %d %s", code, body)
	}
}

// recovers makes sure that all is well again without a restart.
func (n *node) recovers(dir string) {
	n.tb.Helper()
	n.warns("")
	n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	testkit.Eventually(n.tb, patience, func() error {
		files := listing(n.tb, dir)
		if !strings.Contains(files["haproxy.cfg"], "backend other") || !strings.Contains(files["copy.json"], "other") {
			return errors.New("haproxy.cfg or the persistence file has not the new backend")
		}
		return nil
	})
	n.restarts()
}

// A full disk refuses changes with a word and leaves nothing half-done.
func TestFullDisk(t *testing.T) {
	dir := testkit.SocketDir(t)
	mount(t, dir, "-t", "tmpfs", "-o", "size=4m", "tmpfs")
	n := apart(t, dir)
	filler, err := os.Create(dir + "/filler")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{64 << 10, 4 << 10, 1} {
		for err = nil; err == nil; {
			_, err = filler.Write(slices.Repeat([]byte("x"), size))
		}
	}
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}
	n.refusesToWrite(dir, "the disk is full", http.StatusInsufficientStorage)
	if err := os.Remove(dir + "/filler"); err != nil {
		t.Fatal(err)
	}
	n.recovers(dir)
}

// A folder that becomes read-only refuses changes with a word. Members still change at run
// time.
func TestReadOnlyFolder(t *testing.T) {
	dir := testkit.SocketDir(t)
	n := apart(t, dir)
	unmount := mount(t, dir, "--bind", dir)
	if out, err := exec.Command("mount", "-o", "remount,bind,ro", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n.refusesToWrite(dir, "read-only", http.StatusServiceUnavailable)
	unmount()
	n.recovers(dir)
}
