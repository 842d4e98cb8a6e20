package e2e_test

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), sealedEntry("meta", "schema", `{"schema":2}`))
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
	if code := n.agent.ProcessState.ExitCode(); code != 2 || !strings.Contains(n.log.String(), "has schema 2, and this version knows only 1") {
		t.Errorf("exit code %d: %s", code, n.log)
	}
	if after, err := os.ReadFile(n.path("thalassa.db")); err != nil || string(after) != string(before) {
		t.Errorf("the database was changed: %v", err)
	}
	n.answers("here")
}
