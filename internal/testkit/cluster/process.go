package cluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is a child that opens namespaces, and whose own child is the first
// process in them. It ends with this program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex
	out  bytes.Buffer
	init int // 0: not known yet
}

// startProcess starts cmd on a thread that lives as long as the child does: the
// kernel sends Pdeathsig when the thread that started it ends (prctl(2)).
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its output
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return p, nil
}

// Write keeps what the processes print, as far as it is short.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out.Len() < 1<<16 {
		p.out.Write(b)
	}
	return len(b), nil
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// first is the process that is number 1 in the deepest new namespace; 0 while
// there is none.
func (p *process) first() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.init == 0 {
		p.init = firstBelow(p.cmd.Process.Pid, numbers(os.Getpid()))
	}
	return p.init
}

// firstBelow finds a descendant that is number 1 in a namespace deeper than that
// of level ids.
func firstBelow(pid, level int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	for field := range strings.FieldsSeq(string(data)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		if below := firstBelow(child, level); below != 0 && isFirst(below) {
			return below
		}
		if isFirst(child) && numbers(child) > level {
			return child
		}
	}
	return 0
}

// nsPIDs are the ids of a process in all its namespaces, the outermost first
// (proc_pid_status(5), NSpid).
func nsPIDs(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(data), "\nNSpid:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Fields(line)
}

func numbers(pid int) int { return len(nsPIDs(pid)) }

func isFirst(pid int) bool {
	ids := nsPIDs(pid)
	return len(ids) > 1 && ids[len(ids)-1] == "1"
}

// killTree ends the first process, and with it all below, and waits for it.
func (p *process) killTree() {
	if pid := p.first(); pid != 0 && !p.ended() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	} else {
		_ = p.cmd.Process.Kill()
	}
	<-p.done
}
