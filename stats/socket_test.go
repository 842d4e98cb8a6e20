package stats_test

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"thalassa/internal/testkit"
)

// A haproxy is its two sockets, and says what a test lets it say.
type haproxy struct {
	t             *testing.T
	stats, master string // paths
	over          chan struct{}

	mu       sync.Mutex
	down     bool
	idle     int
	pid      int // of the present worker
	old      []int
	lines    map[int][]*row // by worker
	hung     map[int]bool   // workers that do not answer
	commands []string
}

// A row is a line of show stat.
type row struct {
	proxy, server, address, status  string
	kind                            int
	requests, bytes, e5xx, sessions int
	current, max                    int
	change                          int
	check, last                     string
}

func frontend(proxy string) *row { return &row{proxy: proxy, server: "FRONTEND", status: "OPEN"} }
func backend(proxy string) *row  { return &row{proxy: proxy, server: "BACKEND", status: "UP", kind: 1} }

func server(proxy, name, address string) *row {
	return &row{proxy: proxy, server: name, address: address, status: "UP", kind: 2}
}

func newHAProxy(t *testing.T, pid int, lines ...*row) *haproxy {
	t.Helper()
	dir := testkit.SocketDir(t)
	h := &haproxy{t: t, stats: filepath.Join(dir, "s"), master: filepath.Join(dir, "m"), pid: pid, over: make(chan struct{}), idle: 100, lines: map[int][]*row{pid: lines}}
	h.listen(h.stats)
	h.listen(h.master)
	t.Cleanup(func() { close(h.over) })
	return h
}

func (h *haproxy) listen(path string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		h.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				line, err := bufio.NewReader(conn).ReadString('\n')
				if err != nil {
					return
				}
				answer, hung := h.answer(strings.TrimSpace(line))
				if hung {
					<-h.over
					return
				}
				_, _ = conn.Write([]byte(answer))
			})
		}
	})
	h.t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
}

// answer is what a command gets; hung: nothing, for as long as one waits.
func (h *haproxy) answer(command string) (text string, hung bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commands = append(h.commands, command)
	pid := h.pid
	if rest, ok := strings.CutPrefix(command, "@!"); ok {
		number, rest, _ := strings.Cut(rest, " ")
		pid, _ = strconv.Atoi(number)
		command = rest
		if h.lines[pid] == nil {
			return "Can't find the target PID matching the prefix '@!" + number + "'.\n", false
		}
		if h.hung[pid] {
			return "", true
		}
	}
	switch {
	case h.down:
		return "", false
	case command == "show proc":
		return h.processes(), false
	case strings.HasPrefix(command, "show info;"):
		return fmt.Sprintf("Name: HAProxy\nVersion: 2.6.12\nPid: %d\nIdle_pct: %d\n\n", pid, h.idle) + h.table(pid, command), false
	case strings.HasPrefix(command, "show stat"):
		return h.table(pid, command), false
	}
	return "Unknown command\n\n", false
}

func (h *haproxy) processes() string {
	var text strings.Builder
	text.WriteString("#<PID>          <type>          <reloads>       <uptime>        <version>\n1 master 1 0d00h00m01s 2.6.12\n# workers\n")
	fmt.Fprintf(&text, "%d worker 0 0d00h00m01s 2.6.12\n# old workers\n", h.pid)
	for _, pid := range h.old {
		fmt.Fprintf(&text, "%d worker 1 0d00h00m09s 2.6.12\n", pid)
	}
	return text.String() + "# programs\n\n"
}

func (h *haproxy) table(pid int, command string) string {
	var text strings.Builder
	mask := -1
	_, question, _ := strings.Cut(command, "show stat")
	_, _ = fmt.Sscanf(question, " -1 %d", &mask) // else all
	text.WriteString("# pxname,svname,type,mode,addr,status,stot,req_tot,bout,hrsp_5xx,scur,smax,weight,lastchg,rtime,check_status,last_chk,\n")
	for _, r := range h.lines[pid] {
		if mask&(1<<r.kind) == 0 || r.kind == 2 && strings.HasPrefix(r.status, "MAINT") {
			continue
		}
		sessions := r.requests + r.sessions
		fmt.Fprintf(&text, "%s,%s,%d,http,%s,%s,%d,%d,%d,%d,%d,%d,1,%d,2,%s,%s,\n", r.proxy, r.server, r.kind, r.address, r.status,
			sessions, r.requests, r.bytes, r.e5xx, r.current, r.max, r.change, r.check, r.last)
	}
	return text.String() + "\n"
}

// reload makes a new worker that serves, and the present one an old one.
func (h *haproxy) reload(pid int, lines ...*row) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.old = append(h.old, h.pid)
	h.pid = pid
	h.lines[pid] = lines
}

// end ends the old workers.
func (h *haproxy) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, pid := range h.old {
		delete(h.lines, pid)
	}
	h.old = nil
}

func (h *haproxy) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// asked lists the commands since the last call.
func (h *haproxy) asked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	commands := h.commands
	h.commands = nil
	return commands
}
