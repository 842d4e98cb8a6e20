package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// The steps of a canary need the right of who started it, however it was told about it.
func TestCanaryOfARevokedToken(t *testing.T) {
	const deployer, boss = "deployer-0123456789", "boss-0123456789ab"
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("deploy devon "+deployer, "admin ann "+boss)
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address(), "--token-file", file)
	n.start()
	service(t, consul, "1.0.0", 1)
	service(t, consul, "1.1.0", 1)
	devon, ann := n.shell(deployer), n.shell(boss)
	ann.run(0, `{"type": "dynamic", "name": "shop", "version": "1.0.0"}`, "backends", "put", "live", "-")
	devon.run(0, "", "deploy", "live", "1.1.0", "--wait", "30s")
	devon.run(0, "", "deploy", "live", "1.0.0", "--canary", "5,100", "--every", "2s", "--detach")
	write("admin ann " + boss) // devon has left
	testkit.Eventually(t, patience, func() error {
		out, _ := ann.run(0, "", "canary", "show", "live")
		if !strings.Contains(out, "devon, who started it, has no token or user any more") || !strings.Contains(out, "back") {
			return errors.New(out)
		}
		return nil
	})
	out, _ := ann.run(0, "", "backends", "get", "live", "-o", "json")
	holds(t, "the backend", out, `"version": "1.1.0"`)
}
