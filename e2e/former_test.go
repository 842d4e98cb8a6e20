package e2e_test

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/internal/testkit"
)

// formerDatabase puts a database that a former program has written into the node's folder.
// tools/former has written it.
func (n *node) formerDatabase(file string) {
	n.tb.Helper()
	packed, err := os.Open(filepath.Clean(file))
	if err != nil {
		n.tb.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		n.tb.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		n.tb.Fatal(err)
	}
	if err := os.WriteFile(n.path("thalassa.db"), data, 0o600); err != nil {
		n.tb.Fatal(err)
	}
}

// The agent shows, serves and changes what former programs have stored.
func TestFormerDatabases(t *testing.T) {
	files, err := filepath.Glob("../store/testdata/former/*.db.gz")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d former databases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".db.gz"), func(t *testing.T) {
			n := newNode(t, "127.0.0.1:1", "--register=false")
			n.formerDatabase(file)
			n.start()
			if aside, _ := filepath.Glob(n.path("thalassa.db.*")); len(aside) > 0 {
				t.Fatalf("the database was set aside: %v", aside)
			}
			live := n.call(200, http.MethodGet, "/backends/live", "")
			stored := n.call(200, http.MethodGet, "/backends/files", "")
			web := n.call(200, http.MethodGet, "/frontends/web", "")
			if live["balance"] != "leastconn" || fmt.Sprint(stored["natives"]) != "[timeout server 8s]" || web["backend"] != "files" || !strings.Contains(fmt.Sprint(web["rules"]), "/live") {
				t.Errorf("it shows %v, %v and %v", live, stored, web)
			}
			if _, revisions := n.try(http.MethodGet, "/revisions", ""); strings.Count(revisions, `"number":`) != 4 || !strings.Contains(revisions, "timeout server 7s") {
				t.Errorf("revisions %s", revisions)
			}
			// The address of the former frontend may be in use here.
			n.call(200, http.MethodPut, "/backends/files", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, testkit.StartWeb(t, "former").Port))
			n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"files"}`, n.web))
			n.answers("former")
			n.call(200, http.MethodPost, "/revisions/2/restore?dryRun=1", "")
		})
	}
}

// sealedEntry is a document as a database has it: behind a checksum of its place and itself.
func sealedEntry(bucket, key, doc string) []byte {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	for _, part := range []string{bucket, key, doc} {
		_, _ = sum.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) //nolint:gosec // short
		_, _ = sum.Write([]byte(part))
	}
	return fmt.Appendf(nil, "%08x %s", sum.Sum32(), doc)
}

// A database of a later format ends the agent with 2, and stays. HAProxy goes on.
func TestLaterDatabase(t *testing.T) {
	n := newNode(t, "127.0.0.1:1", "--register=false")
	n.start()
	n.call(200, http.MethodPut, "/backends/files", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, testkit.StartWeb(t, "here").Port))
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"files"}`, n.web))
	n.answers("here")
	n.signal(syscall.SIGTERM)
	db, err := bbolt.Open(n.path("thalassa.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), sealedEntry("meta", "schema", `{"schema":3}`))
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(n.path("thalassa.db"))
	if err != nil {
		t.Fatal(err)
	}
	n.startOnly()
	<-n.exit
	if code := n.agent.ProcessState.ExitCode(); code != 2 || !strings.Contains(n.log.String(), "has schema 3, and this version knows only 2") {
		t.Errorf("exit code %d: %s", code, n.log)
	}
	if after, err := os.ReadFile(n.path("thalassa.db")); err != nil || string(after) != string(before) {
		t.Errorf("the database was changed: %v", err)
	}
	n.answers("here")
}

// formerPrograms are the programs that have written the former databases, by commit.
// tools/former builds them from the history.
func formerPrograms(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../store/testdata/former/*.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string]string{}
	for _, file := range files {
		commit := strings.TrimSuffix(filepath.Base(file), ".db.gz")
		if exec.CommandContext(t.Context(), "git", "cat-file", "-e", commit+"^{commit}").Run() != nil {
			t.Skipf("the history does not go back to %s", commit)
		}
		out, err := exec.CommandContext(t.Context(), "../tools/former", "--programs", commit).CombinedOutput()
		if err != nil {
			testkit.Missing(t, fmt.Sprintf("the program of %s cannot be built: %v\n%s", commit, err, out))
		}
		programs[commit] = strings.TrimSpace(string(out))
	}
	return programs
}

// former has the agent be another program: one that has no other settings than these.
func (n *node) former(program string) {
	n.wrap = func(*exec.Cmd) *exec.Cmd {
		return exec.Command(program, "agent", "--port", strconv.Itoa(n.api), "--service-reg", n.consul, "--register=false", "--haproxy-stats-bind", "", "--haproxy-log", "",
			"--haproxy-socket-path", n.path("h.sock"), "--haproxy-pid-path", n.path("h.pid"), "--haproxy-cfg-path", n.path("haproxy.cfg"), "--db-path", n.dir)
	}
}

// A former program refuses what this one has stored, with a word and without harm: HAProxy
// and the database stay, and this program goes on. Until this one has stored a revision, the
// former one goes on as well.
func TestFormerPrograms(t *testing.T) {
	for commit, program := range formerPrograms(t) {
		t.Run(commit, func(t *testing.T) {
			n := newNode(t, "127.0.0.1:1", "--register=false")
			n.formerDatabase("../store/testdata/former/" + commit + ".db.gz")
			n.start() // and stores nothing
			n.signal(syscall.SIGTERM)
			n.former(program)
			n.start()
			n.call(200, http.MethodPut, "/backends/files", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, testkit.StartWeb(t, "former").Port))
			n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"files"}`, n.web))
			n.answers("former")
			n.signal(syscall.SIGTERM)

			n.wrap = nil
			n.start()
			n.answers("former")
			if web := n.call(200, http.MethodGet, "/frontends/web", ""); web["backend"] != "files" {
				t.Errorf("what the former program has changed is %v", web)
			}
			n.call(200, http.MethodPut, "/backends/more", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
			n.call(200, http.MethodPut, "/haproxy/sections/cache/small", `{"natives":["total-max-size 4"]}`)
			n.signal(syscall.SIGTERM)
			before, err := os.ReadFile(n.path("thalassa.db"))
			if err != nil {
				t.Fatal(err)
			}

			n.former(program)
			n.log = &testkit.Log{}
			n.startOnly()
			select {
			case <-n.exit:
			case <-time.After(patience):
				t.Errorf("it has not ended: %s", n.log)
			}
			if code := n.agent.ProcessState.ExitCode(); code < 1 || code > 2 || !strings.Contains(n.log.String(), "schema 2") {
				t.Errorf("exit code %d: %s", code, n.log)
			} else {
				t.Logf("exit code %d", code)
			}
			if after, err := os.ReadFile(n.path("thalassa.db")); err != nil || string(after) != string(before) {
				t.Errorf("the database was changed: %v", err)
			}
			if aside, _ := filepath.Glob(n.path("thalassa.db.*")); len(aside) > 0 {
				t.Errorf("the database was set aside: %v", aside)
			}
			n.answers("former")

			n.wrap = nil
			n.start()
			n.call(200, http.MethodGet, "/haproxy/sections/cache/small", "")
			n.call(200, http.MethodGet, "/backends/more", "")
			n.answers("former")
		})
	}
}
