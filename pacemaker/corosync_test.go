package pacemaker_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"thalassa/corosync"
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
		"to a user":       {pacemaker.Config{Corosync: file, AsUser: true}, answers, true, false, true},
		"to a known user": {pacemaker.Config{Corosync: file + ".gone", AsUser: true}, answers, false, true, true},
		"its file":        {pacemaker.Config{Corosync: file}, "exit 1", true, false, true},
		"a strange map":   {pacemaker.Config{Corosync: file}, "echo nothing", true, false, true},
		"nobody":          {pacemaker.Config{Corosync: file + ".gone"}, "exit 1", true, true, false},
		"another cluster": {pacemaker.Config{Corosync: file, File: "cib.xml"}, answers, true, true, false},
	} {
		tc.cfg.Tools = tools(t, map[string]string{"corosync-cmapctl": tc.tool})
		v, known := pacemaker.VotesIn(t.Context(), pacemaker.New(tc.cfg))
		if first, second := v.Quorate(both[:1], both, both), v.Quorate(both[1:], both, both); first != tc.first || second != tc.second || known != tc.known {
			t.Errorf("%s: n1 alone %t, n2 alone %t, known %t", name, first, second, known)
		}
	}
}

// What is not root does not ask corosync, which would log an error: its file has the timeouts.
func TestTimeoutsOfCorosync(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "corosync.conf")
	conf := "totem {\ntoken: 1000\ntoken_coefficient: 100\n}\nnodelist {\nnode {\nring0_addr: 192.0.2.1\n}\nnode {\nring0_addr: 192.0.2.2\n}\nnode {\nring0_addr: 192.0.2.3\n}\n}\n"
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := filepath.Join(t.TempDir(), "asked")
	const answer = `echo "runtime.config.totem.consensus (u32) = 4380
runtime.config.totem.token (u32) = 3650
totem.version (u32) = 2"`
	const ms = time.Millisecond
	inFile := corosync.Totem{Token: 1100 * ms, Consensus: 1320 * ms, Base: 1000 * ms, Coefficient: 100 * ms}
	for name, tc := range map[string]struct {
		cfg   pacemaker.Config
		tool  string
		want  corosync.Totem
		asked bool
		fails bool
	}{
		"root":             {pacemaker.Config{Corosync: file}, answer, corosync.Totem{Token: 3650 * ms, Consensus: 4380 * ms, Base: corosync.Unset, Coefficient: corosync.Unset}, true, false},
		"root, and down":   {pacemaker.Config{Corosync: file}, "exit 1", inFile, true, false},
		"a user":           {pacemaker.Config{Corosync: file, AsUser: true}, answer, inFile, false, false},
		"a user, no file":  {pacemaker.Config{Corosync: file + ".gone", AsUser: true}, "exit 1", corosync.Totem{}, true, true},
		"root, no timeout": {pacemaker.Config{Corosync: file + ".gone"}, "echo nothing", corosync.Totem{}, true, true},
	} {
		_ = os.Remove(asked)
		tc.cfg.Tools = tools(t, map[string]string{"corosync-cmapctl": "touch " + asked + "\n" + tc.tool})
		got, err := pacemaker.TotemIn(t.Context(), pacemaker.New(tc.cfg))
		_, notAsked := os.Stat(asked)
		if got != tc.want || (err != nil) != tc.fails || (notAsked == nil) != tc.asked {
			t.Errorf("%s: %+v, %v; asked: %t", name, got, err, notAsked == nil)
		}
	}
}
