package template_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/api/node"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/template"
)

// TestNamesAreNotWaitedFor: with a name server that never answers each name took
// HAProxy more than ten seconds, in which it served nothing, and a start or a check is
// given up before.
func TestNamesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "root")
	if os.Geteuid() != 0 {
		testkit.Missing(t, "a network without answers needs root")
	}
	unshare := testkit.Tool(t, "unshare")
	testkit.Tool(t, "ip")
	var members []string
	for i := range 5 {
		members = append(members, fmt.Sprintf(`{"host":"h%d.example.org","port":80}`, i))
	}
	b, err := node.ParseBackend("b", []byte(`{"type":"static","members":[`+strings.Join(members, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	out, err := template.Default().Render(lb.Resolve(lb.Intent{Backends: map[lb.Name]lb.Backend{"b": b}}, lb.Snapshot{}, lb.Process{}))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"resolv.conf": "nameserver 192.0.2.9\n", "haproxy.cfg": string(out.Bytes)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const world = `ip link add void type veth peer name nowhere && ip addr add 192.0.2.1/24 dev void && ip link set void up && ip link set nowhere up &&
		ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev void nud permanent &&
		mount --bind "$1/resolv.conf" /etc/resolv.conf && exec "$2" -c -f "$1/haproxy.cfg"`
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, unshare, "--mount", "--net", "--propagation", "private", "sh", "-c", world, "sh", dir, testkit.HAProxy(t))
	if said, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(said), "will not start") {
		t.Errorf("%v, %v: %s", err, ctx.Err(), said)
	}
}
