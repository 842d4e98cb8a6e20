package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/pyhrapi"
)

// TestADryRunStoresNoKeys: what a change with certificates would do is told with HAProxy's
// check, and afterwards no file has the keys: for changesets, backups, and databases of pyHrapi.
func TestADryRunStoresNoKeys(t *testing.T) { onEveryHAProxy(t, dryRunStoresNoKeys) }

func dryRunStoresNoKeys(t *testing.T) {
	t.Helper()
	n := newNode(t, "127.0.0.1:1")
	n.start()
	authority := testkit.NewAuthority(t)
	stored, tried, wrong := authority.Issue(t, "one.example"), authority.Issue(t, "two.example"), authority.Issue(t, "three.example")
	ports := testkit.Ports(t, 2)
	frontend := func(port int, names string) string {
		return fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"b","tls":{"bind":"127.0.0.1:%d","certificates":[%s]}}`, port+1, port, names)
	}
	n.call(200, http.MethodPut, "/backends/b", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	n.call(200, http.MethodPut, "/certificates/one", stored.Body())
	n.call(200, http.MethodPut, "/frontends/first", frontend(ports[0], `"one"`))
	before, config := n.keyFiles(), n.config()

	changeset := func(body, names string) string {
		return fmt.Sprintf(`{"edits":[{"method":"PUT","path":"/certificates/two","body":%s},{"method":"PUT","path":"/frontends/second","body":%s}]}`, body, frontend(ports[1], names))
	}
	preview := n.call(200, http.MethodPost, "/changes?dryRun=1", changeset(tried.Body(), `"two","one"`))
	text := fmt.Sprint(preview["config"])
	if preview["path"] != "reload" || !strings.Contains(text, "frontend second") || !strings.Contains(text, n.path("haproxy.cfg.certs")+"/") || strings.Contains(text, "trial") {
		t.Errorf("the preview is %v", preview)
	}
	n.sameFiles("a changeset", before)
	// A certificate that is stored gets another key.
	n.call(200, http.MethodPost, "/changes?dryRun=1", strings.Replace(changeset(tried.Body(), `"one"`), "/certificates/two", "/certificates/one", 1))
	n.sameFiles("a certificate that changes", before)
	// What HAProxy refuses is told as without a dry run, with no word of where it looked.
	refused := strings.Replace(changeset(tried.Body(), `"two"`), `"backend":"b"`, `"backend":"b","natives":["no-such-keyword x"]`, 1)
	if answer := fmt.Sprint(n.call(422, http.MethodPost, "/changes?dryRun=1", refused)); !strings.Contains(answer, "no-such-keyword") || strings.Contains(answer, "trial") {
		t.Errorf("refused with %s", answer)
	}
	mixed := testkit.KeyPair{Chain: tried.Chain, Key: wrong.Key}
	n.call(400, http.MethodPost, "/changes?dryRun=1", changeset(mixed.Body(), `"two"`))
	n.sameFiles("what was refused", before)

	database := pyhrapi.Database{
		Gateways:     []pyhrapi.Gateway{{Name: "g", Protocol: "http", Default: "p"}},
		Pools:        []pyhrapi.Pool{{Name: "p", Policy: "roundrobin", Weights: 1, Enabled: true}},
		Endpoints:    []pyhrapi.Endpoint{{Name: "e", Address: fmt.Sprintf("127.0.0.1:%d @key.pem", ports[1]), Gateway: "g"}},
		Targets:      []pyhrapi.Target{{Name: "t", Address: "127.0.0.1:9", Weight: "1", Enabled: true, Pool: "p"}},
		Certificates: []pyhrapi.Certificate{{Name: "key", PEM: tried.Chain + tried.Key}},
	}
	file, err := pyhrapi.Write(database)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.path("default.db"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := n.shell("").run(0, "", "import", "pyhrapi", n.path("default.db"), "--dry-run"); !strings.Contains(out, "certificate/key") || !strings.Contains(out, "frontend/g") {
		t.Errorf("the preview of the database: %s", out)
	}
	n.sameFiles("a database of pyHrapi", before)
	if n.config() != config {
		t.Error("haproxy.cfg has changed")
	}

	// A backup with keys on a node that has none of them.
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.shell("").run(0, "", "backup", n.path("lb.backup"), "--with-keys", "--passphrase-file", passphrase)
	other := newNode(t, "127.0.0.1:1")
	other.start()
	none := other.keyFiles()
	out, _ := other.shell("").run(0, "", "restore", n.path("lb.backup"), "--passphrase-file", passphrase, "--dry-run")
	holds(t, "the preview of the backup", out, "+ frontend/first", "+ certificate/one")
	other.sameFiles("a backup", none)

	// The change itself stores them.
	n.call(200, http.MethodPost, "/changes", changeset(tried.Body(), `"two","one"`))
	servesCertificate(t, fmt.Sprintf("127.0.0.1:%d", ports[1]), tried)
	if after := n.keyFiles(); len(after) <= len(before) {
		t.Errorf("nothing is stored after the change: %v", after)
	}
}

// keyFiles are the names of all files with certificates.
func (n *node) keyFiles() []string {
	n.tb.Helper()
	out := []string{}
	for _, dir := range []string{n.path("certificates"), n.path("haproxy.cfg.certs")} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil && path != dir {
				out = append(out, path)
			}
			return nil // there may be no folder yet
		})
		if err != nil {
			n.tb.Fatal(err)
		}
	}
	return out
}

// sameFiles checks that nothing was stored, and that no folder of a check is left.
func (n *node) sameFiles(what string, before []string) {
	n.tb.Helper()
	want, _ := json.Marshal(before) // texts always marshal
	got, _ := json.Marshal(n.keyFiles())
	if string(got) != string(want) {
		n.tb.Errorf("after a dry run of %s there are\n%s\nwant\n%s", what, got, want)
	}
}
