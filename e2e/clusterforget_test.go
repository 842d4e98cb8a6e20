package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// losesPurge stands in for crm_node on a node with much to do: the first question to forget a node gets
// into the configuration, and does not reach the controllers, which that of Pacemaker up to 2.1.6
// does not wait for.
const losesPurge = `#!/bin/sh
case "$*" in
*--remove*) ;;
*) exec /usr/sbin/crm_node.real "$@" ;;
esac
[ ! -e /run/asked ] || exec /usr/sbin/crm_node.real "$@"
: >/run/asked
for name; do :; done
cibadmin --delete --scope nodes --xml-text "<node uname=\"$name\"/>"
cibadmin --delete --scope status --xml-text "<node_state uname=\"$name\"/>"
`

// A node that has left and was forgotten does not come back when another one is lost, and the
// controllers write all nodes into the configuration that they remember.
func TestClusterForgottenNodeStaysAway(t *testing.T) {
	t.Parallel()
	s := bareNodes(t, 3)
	n1, n2, n3 := s.cluster.Nodes[0], s.cluster.Nodes[1], s.cluster.Nodes[2]
	s.found(t)
	s.online(t, n1, n2, n3)
	s.begin(t, n3, "leave", "--yes").ends(t, 0)

	n1.Run("mv", "/usr/sbin/crm_node", "/usr/sbin/crm_node.real")
	if err := testkit.WriteProgram(n1.Path("/usr/sbin/crm_node"), []byte(losesPurge)); err != nil {
		t.Fatal(err)
	}
	member := s.begin(t, n2, "sync")
	s.begin(t, n1, "forget", "n3", "--yes").ends(t, 0)
	member.ends(t, 0)
	if _, err := os.Stat(n1.Path("/run/asked")); err != nil {
		t.Fatalf("the stand-in was not asked: %v", err)
	}
	s.online(t, n1, n2)
	for _, n := range []string{n1.Run("crm_node", "--list"), n2.Run("crm_node", "--list")} {
		if names := peerNames(n); !slices.Equal(names, []string{"n1", "n2"}) {
			t.Errorf("a controller remembers %s", names)
		}
	}

	// The controllers write what they remember.
	n2.Kill()
	testkit.Eventually(t, time.Minute, func() error {
		out, err := n1.Try("cibadmin", "--query", "--xpath", "//node_state[@uname='n2']")
		if err == nil && !(strings.Contains(out, `in_ccm="false"`) && strings.Contains(out, `crmd="offline"`)) {
			err = fmt.Errorf("n2 is not lost: %s", out)
		}
		return err
	})
	if v, err := n1.View(); err != nil || v.DC != "n1" {
		t.Fatalf("the DC is %q, %v", v.DC, err)
	}
	for _, scope := range []string{"nodes", "status"} {
		if out := n1.Run("cibadmin", "--query", "--scope", scope); strings.Contains(out, `"n3"`) {
			t.Errorf("n3 is back in %s: %s", scope, out)
		}
	}
}

// peerNames are the names in what crm_node --list prints.
func peerNames(list string) []string {
	var names []string
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) > 1 {
			names = append(names, f[1])
		}
	}
	slices.Sort(names)
	return names
}
