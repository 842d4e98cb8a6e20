package pacemaker_test

import (
	"os"
	"path/filepath"
	"testing"

	"thalassa/pacemaker"
)

// corosync says how it counts; where it does not, as to a user that may not ask it, its file does.
func TestVotes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "corosync.conf")
	conf := "quorum {\nprovider: corosync_votequorum\n}\nnodelist {\nnode {\nring0_addr: 192.0.2.1\nname: n1\nquorum_votes: 3\n}\nnode {\nring0_addr: 192.0.2.2\nname: n2\n}\n}\n"
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	const answers = `echo "nodelist.node.0.ring0_addr (str) = 192.0.2.1
nodelist.node.0.name (str) = n1
nodelist.node.1.ring0_addr (str) = 192.0.2.2
nodelist.node.1.name (str) = n2
nodelist.node.1.quorum_votes (u32) = 4"`
	both := []string{"n1", "n2"}
	for name, tc := range map[string]struct {
		cfg    pacemaker.Config
		tool   string
		first  bool // n1 alone has quorum
		second bool
		known  bool
	}{
		"corosync":        {pacemaker.Config{Corosync: file}, answers, false, true, true},
		"its file":        {pacemaker.Config{Corosync: file}, "exit 1", true, false, true},
		"a strange map":   {pacemaker.Config{Corosync: file}, "echo nothing", true, false, true},
		"nobody":          {pacemaker.Config{Corosync: file + ".gone"}, "exit 1", true, true, false},
		"another cluster": {pacemaker.Config{Corosync: file, File: "cib.xml"}, answers, true, true, false},
	} {
		tc.cfg.Tools = tools(t, map[string]string{"corosync-cmapctl": tc.tool})
		v, known := pacemaker.VotesIn(t.Context(), pacemaker.New(tc.cfg))
		if first, second := v.Quorate(both[:1], both), v.Quorate(both[1:], both); first != tc.first || second != tc.second || known != tc.known {
			t.Errorf("%s: n1 alone %t, n2 alone %t, known %t", name, first, second, known)
		}
	}
}
