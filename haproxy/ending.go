package haproxy

import (
	"encoding/hex"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"thalassa/lb"
)

// If HAProxy ends during a start or reload, the configuration need not be the reason: somebody may
// have killed its master or a worker.

// sentByOthers are the signals that end a process that is well. The kernel sends the
// others to a process that crashes.
func sentByOthers(sig syscall.Signal) bool {
	return slices.Contains([]syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}, sig)
}

// killedBy is the signal of somebody else that ended a process; "": none did.
func killedBy(err error) string {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return ""
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || !sentByOthers(status.Signal()) {
		return ""
	}
	return err.Error()
}

// workerEnd matches what a master says of a worker that has ended:
// "[ALERT]    (1) : Current worker (2) exited with code 137 (Killed)". The code of a
// signal is 128 and its number.
func workerEnd() *regexp.Regexp {
	return regexp.MustCompile(`(Current |)[Ww]orker \((\d+)\) exited with code (\d+)`)
}

// blame says who ended a worker, by the output of the master.
type blame struct {
	// others: somebody has killed the worker that served before, or it has crashed. It
	// had not read the new file.
	others string
	// unclear: the new worker was killed, by somebody or for its memory.
	unclear string
}

// blameOf reads the first end of a worker that is not the usual one of a former worker.
func blameOf(output string, former []int) blame {
	for _, m := range workerEnd().FindAllStringSubmatch(output, -1) {
		pid, _ := strconv.Atoi(m[2])
		code, _ := strconv.Atoi(m[3])
		switch isFormer := slices.Contains(former, pid); {
		case isFormer && m[1] != "":
			return blame{others: m[0]}
		case isFormer:
		case code > 128 && sentByOthers(syscall.Signal(code-128)):
			return blame{unclear: m[0]}
		default:
			return blame{}
		}
	}
	return blame{}
}

// unclearEnds remembers the last configuration with which HAProxy ended without a clear
// reason. If that happens twice in a row, the configuration counts as the reason.
type unclearEnds struct {
	mu   sync.Mutex
	last string // its name; "": HAProxy has served since
}

// isFirst reports whether this is the first such end with the configuration of this name.
func (u *unclearEnds) isFirst(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == name {
		return false
	}
	u.last = name
	return true
}

// forget is called when HAProxy serves.
func (u *unclearEnds) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last = ""
}

// name distinguishes the configuration from others. The file may differ in the spelling of paths.
func (w *workerWait) name() string {
	if w.expect != "" {
		return w.expect
	}
	sum := digestOf(w.config).sum
	return hex.EncodeToString(sum[:])
}

// masterEnded is the error for a master that has ended: a refusal, unless something else
// has ended it.
func (w *workerWait) masterEnded() error {
	if how := w.child.killed(w.masterPID); how != "" {
		return killedError(how)
	}
	output := w.startupLog.sinceMark()
	const seen = "haproxy's master has ended"
	if firstAlert(output) == "" && w.ends.isFirst(w.name()) {
		return killedError(seen + " without a message")
	}
	return w.refused(output, seen)
}

// notRefused is the error if the output does not show that HAProxy refuses the configuration; nil:
// it does.
func (w *workerWait) notRefused(output string) error {
	switch b := blameOf(output, w.old); {
	case b.others != "":
		return killedError(b.others)
	case b.unclear != "" && w.ends.isFirst(w.name()):
		return killedError(b.unclear)
	}
	return nil
}

func killedError(how string) error {
	return &lb.UnavailableError{What: "HAProxy was killed during the change (" + how + "); the configuration may be good"}
}
