package cli_test

import (
	"strings"
	"testing"

	"thalassa/cli"
)

// What is wrong with the values is said before anything of the node is looked at.
func TestMembershipRefusesWrongValues(t *testing.T) {
	tools := t.TempDir()
	for line, words := range map[string]string{
		"init --name edge": "--address: expected an address of this node",
		"init --name edge --address 192.0.2.1 --for x": "--for",
		"join":                 "expected CODE",
		"join nonsense":        "code: ",
		"join 0000000-0000000": "code: ",
		"sync --wait 0s":       "--wait",
		"forget":               "expected NODE...",
		"invite --port 70000":  "--port",
		"init --output xml":    "--output",
		"leave n2 extra":       "expected [NODE]",
	} {
		got := open(t).run(append(append([]string{"cluster"}, strings.Fields(line)...), "--tools", tools)...)
		if got.code != cli.ExitUsage || !strings.Contains(got.errors, words) {
			t.Errorf("%s: exit code %d: %s", line, got.code, got.errors)
		}
	}
}

// A node without corosync, or another user than root, is told so.
func TestMembershipNeedsPrograms(t *testing.T) {
	tools := t.TempDir()
	for _, line := range []string{"init --name edge --address 192.0.2.1 --dry-run", "invite", "sync", "leave --yes", "forget lb2 lb3 --down --yes"} {
		got := open(t).run(append(append([]string{"cluster"}, strings.Fields(line)...), "--tools", tools)...)
		isMissing := got.code == cli.ExitConflict && strings.Contains(got.errors, "is not installed in "+tools)
		isForbidden := got.code == cli.ExitForbidden && strings.Contains(got.errors, "expected to run as root")
		if !isMissing && !isForbidden {
			t.Errorf("%s: exit code %d: %s", line, got.code, got.errors)
		}
	}
}
