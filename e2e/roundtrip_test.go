package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

// handWritten is a haproxy.cfg with what no field expresses: defaults with names, a listen
// section, users, a cache, peers and global lines.
const handWritten = `global
    maxconn 500
    localpeer left
    nbthread 2
    tune.bufsize 16384

defaults web
    mode http
    timeout connect 3s
    timeout client 20s
    timeout server 20s

defaults plain from web
    mode tcp

userlist staff
    group admins users ann
    user ann insecure-password secret

peers two
    peer left 127.0.0.1:%d

cache small
    total-max-size 4
    max-age 60

frontend shop from web
    bind 127.0.0.1:%d
    acl inner path_beg /inner
    http-request auth realm shop if inner !{ http_auth_group(staff) admins }
    http-request cache-use small
    http-response cache-store small
    use_backend api if { path_beg /api }
    default_backend live

listen both from web
    bind 127.0.0.1:%d
    balance leastconn
    server one 127.0.0.1:%d check weight 3
    server two 127.0.0.1:%d check backup

backend api from web
    stick-table type ip size 1k expire 10m peers two
    http-request track-sc0 src
    server a 127.0.0.1:%d check inter 5s
    server b 127.0.0.1:%d check inter 5s

backend live from web
    option httpchk GET /up
    cookie SRV insert indirect
    server one 127.0.0.1:%d cookie one check
`

// TestAnImportedConfigurationIsExportedAndApplied: what an import makes is exported, and an
// empty agent that applies the files has the same haproxy.cfg, byte for byte. The second
// time is no change, and --prune deletes what the files do not have.
func TestAnImportedConfigurationIsExportedAndApplied(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))) // no service is asked for
	n.start()
	port := testkit.StartWeb(t, "one").Port
	ports := testkit.Ports(t, 3)
	file, exported := n.path("old.cfg"), n.path("lb.yaml")
	text := fmt.Sprintf(handWritten, ports[0], ports[1], ports[2], port, port, port, port, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := n.shell("")
	s.run(0, "", "draft", "new", "moving")
	drafted, _ := s.run(0, "", "import", file, "--replace", "--draft", "moving")
	holds(t, "the import into a draft", drafted, "HAProxy will behave differently", "frontend/shop: option idle-close-on-response: - → yes")
	edits, _ := s.run(0, "", "draft", "edits", "moving")
	holds(t, "the edits of the draft", edits, "POST /import/haproxy", "section/userlist/staff")
	s.run(0, "", "draft", "message", "moving", "from the old one")
	s.run(0, "", "draft", "undo", "moving")
	s.run(0, "", "draft", "delete", "moving")
	imported, _ := s.run(0, "", "import", file, "--replace")
	holds(t, "the import", imported, "HAProxy will behave differently", "option idle-close-on-response")
	before := n.config()
	yaml, _ := s.run(0, "", "export")
	holds(t, "the export", yaml, "userlist/staff:", "defaults/web:", "defaults/plain:", "defaults: web", "listen/both:", "peers/two:", "  global:")
	if err := os.WriteFile(exported, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}

	n.signal(syscall.SIGKILL)
	if err := os.Remove(n.path("thalassa.db")); err != nil {
		t.Fatal(err)
	}
	n.start()
	preview, _ := s.run(0, "", "apply", "-f", exported, "--prune", "--dry-run")
	holds(t, "the preview", preview, "+ section/userlist/staff", "+ section/global")
	s.run(0, "", "apply", "-f", exported, "--prune")
	if after := n.config(); after != before {
		t.Errorf("haproxy.cfg is\n%s\nwant\n%s", after, before)
	}
	if again, _ := s.run(0, "", "apply", "-f", exported, "--prune"); !strings.Contains(again, "no change") {
		t.Errorf("the second time: %s", again)
	}
	if json, _ := s.run(0, "", "export", "-o", "json"); !strings.Contains(json, `"userlist/staff"`) {
		t.Errorf("as JSON: %s", json)
	}

	s.run(0, "total-max-size 8\n# a remark\n\n", "sections", "put", "cache/other", "-")
	list, _ := s.run(0, "", "sections")
	holds(t, "the list", list, "cache/other", "userlist/staff")
	_, refused := s.run(4, "", "sections", "delete", "userlist/staff")
	holds(t, "the refusal", refused, "frontend/shop")
	pruned, _ := s.run(0, "", "apply", "-f", exported, "--prune")
	holds(t, "what is pruned", pruned, "- section/cache/other")
	if after := n.config(); after != before {
		t.Errorf("then haproxy.cfg is\n%s", after)
	}
	diff, _ := s.run(0, "", "diff", "2", "3")
	holds(t, "the difference", diff, "section/cache/other")
}
