package e2e_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// The package is removed only where Pacemaker runs nothing of it, and says so.
func TestRemovalBesidePacemaker(t *testing.T) {
	t.Parallel()
	const list = `Active Resources:
  * fence	(stonith:fence_fixture):	 Started lb
  * vip	(ocf:heartbeat:IPaddr2):	 Started lb
  * Clone Set: haproxy-clone [haproxy]:
    * haproxy	(ocf:thalassa:haproxy):	 STATE
    * Stopped: [ third ]
`
	for name, tc := range map[string]struct {
		node, state string
		tools       map[string]string // in place of those that answer
		says        string            // empty: the package is removed
	}{
		"it runs here":               {"lb", "Started lb", nil, "thalassa cluster standby lb"},
		"it has failed here":         {"lb", "FAILED lb (blocked)", nil, "thalassa cluster standby lb"},
		"with another separator":     {"lb", "FAILED[ lb lb-2 ]", nil, "thalassa cluster standby lb"},
		"it runs on a longer name":   {"lb", "Started lb-2", nil, ""},
		"it runs on a longer domain": {"lb", "Started lb.example.com", nil, ""},
		"a dot is a dot":             {"lb.2", "Started lbx2", nil, ""},
		"the node is named like it":  {"haproxy", "Started lb", nil, ""},
		"the node is a state":        {"Started", "Started lb", nil, ""},
		"it is stopped":              {"lb", "Stopped", nil, ""},
		"nobody answers":             {"lb", "", map[string]string{"crm_mon": "exit 124"}, "does not say"},
		"the node has no name":       {"lb", "", map[string]string{"crm_node": "exit 102"}, "does not say"},
		"Pacemaker does not run":     {"lb", "Started lb", map[string]string{"pidof": "exit 1", "crm_mon": "exit 102", "crm_node": "exit 102"}, ""},
	} {
		dir := t.TempDir()
		tools := map[string]string{
			"pidof": "echo 7", "crm_node": "echo " + tc.node, "deb-systemd-invoke": "exit 0",
			"crm_mon": "cat <<'END'\n" + strings.Replace(list, "STATE", tc.state, 1) + "END",
		}
		maps.Copy(tools, tc.tools)
		for tool, script := range tools {
			if err := testkit.WriteProgram(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+script+"\n")); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "sh", "../packaging/prerm", "remove")
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if (err == nil) != (tc.says == "") || !strings.Contains(string(out), tc.says) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}
