package cluster

import (
	"os"
	"strings"
	"syscall"
)

// Daemons are those of Pacemaker, the one that starts the others first.
func Daemons() []string {
	return []string{
		"pacemakerd", "pacemaker-based", "pacemaker-controld", "pacemaker-schedulerd", "pacemaker-attrd", "pacemaker-execd", "pacemaker-fenced",
	}
}

// surrender is what pacemakerd says when it leaves a daemon down for good. It asks
// corosync first, takes an interrupted answer for a no, and looks again only after
// it has lost corosync itself; the end of a second daemon interrupts it, and most
// end when the CIB manager does (Pacemaker 2.1.5, pcmk_process_exit). A cluster
// fences such a node.
const surrender = "until cluster returns"

// hasGivenUp reports whether Pacemaker has left a daemon down since its last
// restart.
func (n *Node) hasGivenUp() bool {
	times := n.surrenders()
	n.mu.Lock()
	defer n.mu.Unlock()
	return times > n.gaveUp
}

func (n *Node) surrenders() int {
	data, _ := os.ReadFile(n.disk("var/log/pacemaker/pacemaker.log")) // none: it has said nothing
	return strings.Count(string(data), surrender)
}

// restartPacemaker ends all of Pacemaker, which the node then starts again.
func (n *Node) restartPacemaker() {
	for _, daemon := range Daemons() {
		for _, pid := range n.PIDs(daemon) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	times := n.surrenders()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gaveUp = times
}
