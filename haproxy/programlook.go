package haproxy

import (
	"context"
	"errors"
	"os"
	"sync"

	"thalassa/lb"
)

// A programLook is what the last look at the program has found.
type programLook struct {
	mu      sync.Mutex
	busy    bool
	seen    executable // that was looked at; zero: none
	problem string
}

// ProgramProblem is a sentence, which anybody may read, that says why HAProxy can neither be
// started nor reloaded: its program is missing or is another one. It is empty if nothing is known.
// It waits for nothing: what its look finds is told from then on. Any number of goroutines may call
// it.
func ProgramProblem(p *Process) string {
	l := &p.program.look
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy {
		l.busy = true
		go p.program.lookAgain()
	}
	return l.problem
}

// lookAgain looks whether the program is HAProxy, unless it is the one that was looked at. It ends
// within versionTimeout.
func (pr *program) lookAgain() {
	l := &pr.look
	path, err := pr.path()
	now, problem := executable{}, "HAProxy's program is missing, so that HAProxy can neither be started nor reloaded"
	if err == nil {
		if info, err := os.Stat(path); err == nil {
			now, problem = executableOf(info), ""
		}
	}
	if l.isKnown(now) {
		return
	}
	if problem == "" {
		ctx, cancel := context.WithTimeout(context.Background(), versionTimeout)
		defer cancel()
		if _, err := pr.confirmFile(ctx, path); errors.As(err, new(*lb.UnavailableError)) {
			problem = "HAProxy's program is another program, so that HAProxy is neither started nor reloaded"
		}
	}
	l.note(now, problem)
}

// isKnown ends a look at a program that was looked at already.
func (l *programLook) isKnown(now executable) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now == (executable{}) || now != l.seen {
		return false
	}
	l.busy = false
	return true
}

func (l *programLook) note(seen executable, problem string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy, l.seen, l.problem = false, seen, problem
}
