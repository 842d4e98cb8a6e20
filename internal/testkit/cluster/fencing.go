package cluster

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"time"
)

// A Fencing is a node that the cluster has switched off.
type Fencing struct {
	Node, Action string
	Time         time.Time // it was off
}

// Fenced lists what the cluster has switched off so far. A node that was fenced
// stays off until Boot, also after a "reboot".
func (l *Fixture) Fenced() []Fencing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.fenced)
}

// serveFencing does what the nodes' fence agents ask for, until the fixture ends.
func (l *Fixture) serveFencing() {
	requests, err := os.OpenFile(l.path("/run/share/fence.requests"), os.O_RDWR, 0)
	if err != nil {
		l.tb.Errorf("serving the fence agents: %v", err)
		return
	}
	go func() {
		<-l.holder.done
		_ = requests.Close()
	}()
	lines := bufio.NewScanner(requests)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			continue
		}
		code := l.fence(fields[0], fields[1])
		// For reading and writing, because whoever asked may be gone by now.
		if reply, err := os.OpenFile(l.path("/run/share/"+fields[2]), os.O_RDWR, 0); err == nil {
			_, _ = reply.WriteString(code + "\n")
			time.AfterFunc(10*time.Second, func() { _ = reply.Close() })
		}
	}
}

// fence returns the exit code of the fence agent.
func (l *Fixture) fence(action, name string) string {
	i := slices.IndexFunc(l.Nodes, func(n *Node) bool { return n.Name == name })
	if i < 0 {
		return "1"
	}
	n := l.Nodes[i]
	switch action {
	case "off", "reboot":
		n.Kill()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fenced = append(l.fenced, Fencing{name, action, time.Now()})
	case "status":
		if !n.IsUp() {
			return "2"
		}
	case "on":
	default:
		return "1"
	}
	return "0"
}
