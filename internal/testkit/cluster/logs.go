package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/internal/testkit"
)

// tell logs what became of a fixture whose test has failed, the most telling last: of a
// long output the end is what is kept and read. The node that something was done
// to last has the most lines, and all logs are among the test's artifacts.
func (l *Fixture) tell() {
	l.tb.Helper()
	l.keepLogs()
	nodes := slices.Clone(l.Nodes)
	slices.SortStableFunc(nodes, func(a, b *Node) int { return a.disturbedAt().Compare(b.disturbedAt()) })
	for i, n := range nodes {
		lines, words := 8, 4
		if i == len(nodes)-1 {
			lines, words = 30, 10
		}
		if l.cfg.Systemd && n.IsUp() {
			out, err := n.Try("journalctl", "--no-pager", "--quiet", "--priority", "notice", "--lines", strconv.Itoa(lines))
			l.tb.Logf("%s, the end of the journal (%v):\n%s", n.Name, err, out)
		}
		for unit := range l.cfg.Units {
			if said := n.Log(unit+".log", words); said != "" {
				l.tb.Logf("%s, the end of %s.log:\n%s", n.Name, unit, said)
			}
		}
		l.tb.Logf("%s, the end of pacemaker.log:\n%s", n.Name, n.Log("pacemaker/pacemaker.log", lines))
	}
	for _, n := range nodes {
		l.tb.Log(n.condition())
	}
}

// condition is a node's state in a line.
func (n *Node) condition() string {
	if !n.IsUp() {
		return n.Name + " is switched off"
	}
	var missing []string
	for _, daemon := range append([]string{"corosync"}, Daemons()...) {
		if len(n.PIDs(daemon)) == 0 {
			missing = append(missing, daemon)
		}
	}
	text := n.Name + ": all daemons run"
	if len(missing) > 0 {
		text = n.Name + ": there is no " + strings.Join(missing, ", no ")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	v, err := n.view(ctx)
	if err != nil {
		return text + "; crm_mon: " + err.Error()
	}
	return text + fmt.Sprintf("; it sees the DC %q, quorum %t, online %s, resources %+v", v.DC, v.Quorum, v.Online, v.Resources)
}

// keepLogs puts the nodes' /var/log among the test's artifacts.
func (l *Fixture) keepLogs() {
	dir := testkit.Artifacts(l.tb)
	for _, n := range l.Nodes {
		if err := os.CopyFS(filepath.Join(dir, n.Name), os.DirFS(n.disk("var/log"))); err != nil {
			l.tb.Logf("keeping the logs of %s: %v", n.Name, err)
		}
	}
}

// Log is what a file of the node's /var/log says last, of pacemaker.log without
// what is only for information. It is there also when the node is switched off.
func (n *Node) Log(name string, lines int) string {
	data, err := os.ReadFile(n.disk("var/log/" + name))
	if err != nil {
		return err.Error()
	}
	var all []string
	for line := range strings.Lines(string(data)) {
		if !strings.Contains(line, "\tinfo: ") {
			all = append(all, line)
		}
	}
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// disk is where a file that the node has written is while the fixture lives.
func (n *Node) disk(name string) string {
	return filepath.Join(n.fixture.path("/run/fixture"), n.Name, "upper", name)
}
