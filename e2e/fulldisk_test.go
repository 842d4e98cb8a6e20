package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// mayAnswer is what a command or an answer says of a disk on which nothing can be written.
type mayAnswer struct {
	word   string // of the error
	status int    // of a change
}

// writesNothing makes sure that whatever writes a file says that it cannot, and that the
// files stay as they are: commands for users and tokens, backups and exports, certificates,
// drafts, the copy of what is configured, and the audit log.
func (n *node) writesNothing(dir string, want mayAnswer) {
	n.tb.Helper()
	before := listing(n.tb, dir)
	s := n.shell("")
	access := dir + "/access.yaml"
	for _, args := range [][]string{
		{"user", "add", "bob", "--role", "read", "--access-file", access},
		{"user", "passwd", "ann", "--access-file", access},
		{"user", "remove", "ann", "--access-file", access},
		{"token", "new", "more", "--role", "read", "--access-file", access},
		{"token", "remove", "ci", "--access-file", access},
		{"backup", dir + "/lb.backup"},
	} {
		if _, said := s.run(1, "battery staple\n", args...); !strings.Contains(said, want.word) {
			n.tb.Errorf("%v says %s, expected %q", args, said, want.word)
		}
	}
	other := testkit.NewAuthority(n.tb).Issue(n.tb, "other.example")
	changes := [][3]string{{http.MethodPut, "/certificates/other", other.Body()}}
	if want.status == http.StatusInsufficientStorage { // the database has no room for it; a small one may get some
		changes = append(changes, [3]string{http.MethodPut, "/backends/staged?draft=kept", large("staged", 900)})
	}
	for _, change := range changes {
		if code, body := n.try(change[0], change[1], change[2]); code != want.status || !strings.Contains(body, want.word) && !strings.Contains(body, "the disk is full") {
			n.tb.Errorf("%s %s: %d %s, expected %d and %q", change[0], change[1], code, body, want.status, want.word)
		}
	}
	for _, missing := range []string{"/certificates/other", "/backends/staged?draft=kept"} {
		if code, body := n.try(http.MethodGet, missing, ""); code != http.StatusNotFound {
			n.tb.Errorf("GET %s: %d %s, expected 404", missing, code, body)
		}
	}
	if code, body := n.try(http.MethodGet, "/drafts/kept", ""); code != http.StatusOK {
		n.tb.Errorf("the draft of before: %d %s", code, body)
	}
	after := listing(n.tb, dir)
	if len(after) != len(before) {
		n.tb.Errorf("there are other files: %v, before %v", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
	}
	for name, content := range before {
		if after[name] != content {
			n.tb.Errorf("%s has changed: %d bytes, before %d", name, len(after[name]), len(content))
		}
	}
}

// outputs sends what commands print to a file on a full disk: none of them ends as if it
// had been written.
func (n *node) outputs(dir string) {
	n.tb.Helper()
	elsewhere := filepath.Join(n.tb.(*testing.T).TempDir(), "access.yaml") //nolint:forcetypeassert // it is no benchmark
	n.shell("").run(0, "", "token", "new", "first", "--role", "read", "--access-file", elsewhere)
	for _, args := range [][]string{
		{"export"},
		{"export", "-o", "json"},
		{"config"},
		{"backup", "-"},
		{"status"},
		{"template"},
		{"token", "new", "unseen", "--role", "admin", "--access-file", elsewhere},
	} {
		file, err := os.OpenFile(dir+"/filler", os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			n.tb.Fatal(err)
		}
		var said strings.Builder
		cmd := n.shell("").command(n.tb.Context(), args...)
		cmd.Stdout, cmd.Stderr = file, &said
		err = cmd.Run()
		if code := exitCode(err); code != 1 || !strings.Contains(said.String(), "no space left") {
			n.tb.Errorf("%v into a file on a full disk: exit code %d, %s", args, code, &said)
		}
		_ = file.Close()
	}
	if list, _ := n.shell("").run(0, "", "token", "--access-file", elsewhere); strings.Contains(list, "unseen") {
		n.tb.Errorf("a token that nobody has seen is valid:\n%s", list)
	}
}

// furnished is a node whose files are all in one folder: those of the agent, and those that
// commands write.
func furnished(t *testing.T, dir string) *node {
	t.Helper()
	n := newNode(t, "127.0.0.1:1", "--register=false", "--db-path", dir, "--haproxy-cfg-path", dir+"/haproxy.cfg", "--persistence", dir+"/copy.json", "--audit-file", dir+"/audit.jsonl")
	n.start()
	t.Cleanup(func() { // before the folder is unmounted
		_ = n.agent.Process.Kill()
		<-n.exit
	})
	accessUser(t, dir+"/access.yaml", "ann", "--role", "read")
	s := n.shell("")
	s.run(0, "", "token", "new", "ci", "--role", "read", "--access-file", dir+"/access.yaml")
	n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, testkit.StartWeb(t, "1.0.0-0").Port))
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	n.call(200, http.MethodPut, "/certificates/own", testkit.NewAuthority(t).Issue(t, "own.example").Body())
	n.call(201, http.MethodPost, "/drafts", `{"id":"kept"}`)
	s.run(0, "", "backup", dir+"/lb.backup")
	n.answers("1.0.0-0")
	testkit.Eventually(t, patience, func() error {
		if _, err := os.Stat(dir + "/copy.json"); err != nil {
			return err
		}
		return nil
	})
	return n
}

// writesAgain makes sure that all can be written again, and that no record of the audit log
// is missing.
func (n *node) writesAgain(dir string) {
	n.tb.Helper()
	s, access := n.shell(""), dir+"/access.yaml"
	testkit.Eventually(n.tb, patience, func() error {
		if code, body := n.try(http.MethodGet, "/readyz", ""); code != http.StatusOK || strings.Contains(body, "audit") || strings.Contains(body, "written") {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	s.run(0, "battery staple\n", "user", "passwd", "ann", "--access-file", access)
	s.run(0, "", "token", "new", "more", "--role", "read", "--access-file", access)
	s.run(0, "", "backup", dir+"/lb.backup")
	n.call(200, http.MethodPut, "/certificates/other", testkit.NewAuthority(n.tb).Issue(n.tb, "other.example").Body())
	n.call(200, http.MethodPut, "/backends/staged?draft=kept", `{"type":"static","members":[]}`)
	n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[]}`)
	testkit.Eventually(n.tb, patience, func() error {
		if files := listing(n.tb, dir); !strings.Contains(files["copy.json"], "other") {
			return errors.New("the persistence file has not the new backend")
		}
		return nil
	})
	data, err := os.ReadFile(dir + "/audit.jsonl")
	if err != nil {
		n.tb.Fatal(err)
	}
	next := 1
	for line := range strings.Lines(string(data)) {
		var r struct{ Seq int }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			continue // it was cut when the disk was full, and stands there again
		}
		if r.Seq != next {
			n.tb.Errorf("record %d of the audit log where %d was expected", r.Seq, next)
		}
		next = r.Seq + 1
	}
	if next < 10 {
		n.tb.Errorf("the audit log has %d records", next-1)
	}
	n.answers("1.0.0-0")
}

// On a full disk nothing is half-written, and nothing that was not written counts as done.
func TestFullDiskOfEveryFile(t *testing.T) {
	dir := testkit.SocketDir(t)
	mount(t, dir, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
	n := furnished(t, dir)
	if err := os.Symlink(dir, n.path("data")); err != nil {
		t.Fatal(err)
	}
	if err := fill("data")(n); err != nil {
		t.Fatal(err)
	}
	n.writesNothing(dir, mayAnswer{"no space left", http.StatusInsufficientStorage})
	n.outputs(dir)
	testkit.Eventually(t, patience, func() error {
		for range 10 { // the last block of the audit log has room for some records
			n.try(http.MethodPut, "/certificates/other", "{}")
		}
		if _, body := n.try(http.MethodGet, "/readyz", ""); !strings.Contains(body, "cannot be written") || !strings.Contains(body, "the audit log is not written") {
			return errors.New(body)
		}
		return nil
	})
	if err := os.Remove(dir + "/filler"); err != nil {
		t.Fatal(err)
	}
	n.writesAgain(dir)
}

// The same for a disk that was mounted again, read-only. What the agent has open stays
// writable, so the audit log goes on.
func TestReadOnlyDiskOfEveryFile(t *testing.T) {
	dir := testkit.SocketDir(t)
	n := furnished(t, dir)
	unmount := mount(t, dir, "--bind", dir)
	if out, err := exec.Command("mount", "-o", "remount,bind,ro", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n.writesNothing(dir, mayAnswer{"read-only", http.StatusServiceUnavailable})
	unmount()
	n.writesAgain(dir)
}

// large is a backend with natives of so many KiB, which HAProxy takes for comments.
func large(mark string, kibibytes int) string {
	var b strings.Builder
	b.WriteString(`{"type":"static","members":[{"host":"127.0.0.1","port":9}],"natives":[`)
	for i := range kibibytes / 8 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"# %s %d %s"`, mark, i, strings.Repeat("x", 8100))
	}
	b.WriteString(`]}`)
	return b.String()
}
