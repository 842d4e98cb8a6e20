package statsock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
)

// A Master asks HAProxy's master process.
type Master struct {
	endpoint
	questions *backlog // to its workers
}

// NewMaster returns a client of the master socket at path. It opens nothing. Who may
// listen there is as in New.
func NewMaster(path string, users ...uint32) *Master {
	return &Master{endpoint{path: path, kind: "master socket", trust: trusting(users), quit: true}, newBacklog()}
}

// Worker returns a client that reaches one worker through the master, also a worker that listens
// nowhere any more because it is ending, or whose stats socket somebody has removed. The error is
// ErrWorkerGone for a worker that has ended, and ErrUnanswered for one that still has to answer an
// earlier question.
func (m *Master) Worker(pid int) *Client {
	e := m.endpoint
	e.prefix, e.worker, e.backlog = "@!"+strconv.Itoa(pid)+" ", pid, m.questions
	return &Client{e}
}

// ShowProc asks which processes there are.
func (m *Master) ShowProc(ctx context.Context) (Processes, error) {
	text, err := m.answer(ctx, "show proc")
	if err != nil {
		return Processes{}, err
	}
	procs, err := parseProcesses(text)
	if err != nil {
		return Processes{}, fmt.Errorf("reading show proc: %w", err)
	}
	return procs, nil
}

// A ReloadReply is the master's answer to a reload.
type ReloadReply struct {
	// Conclusive: the master reported the outcome (HAProxy 2.7 and later). When it is false, the
	// reload may still succeed or fail, or may not take place at all: the master was just executing
	// itself again, or (3.1 and later) refused it because another start is in progress.
	Conclusive bool
	// Success is the outcome; valid only when Conclusive.
	Success bool
	// Log has the messages of the start, or of the refusal.
	Log string
}

// Reload tells the master to read its configuration again. HAProxy up to 2.6 closes the connection
// without an answer, which is no error here; later versions answer when the new worker is ready or
// has failed, so the context must leave time for that.
func (m *Master) Reload(ctx context.Context) (ReloadReply, error) {
	var reply ReloadReply
	err := m.ask(ctx, "reload", func(r io.Reader) error {
		raw, err := io.ReadAll(io.LimitReader(r, maxAnswer))
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			return err
		}
		reply, err = parseReload(string(raw))
		return err
	})
	switch {
	case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return ReloadReply{}, nil // gone while it was being written to
	case err != nil:
		return ReloadReply{}, err
	}
	return reply, nil
}

// parseReload reads "Success=0|1", "--" and the log (management guide, 9.4,
// "reload"). An answer that breaks off is not conclusive.
func parseReload(text string) (ReloadReply, error) {
	if strings.TrimSpace(text) == "" {
		return ReloadReply{}, nil
	}
	status, rest, _ := strings.Cut(text, "\n")
	value, ok := strings.CutPrefix(status, "Success=")
	if !ok {
		return ReloadReply{}, refusal(text)
	}
	log, ok := strings.CutSuffix(rest, "\n\n")
	if !ok || value != "0" && value != "1" {
		return ReloadReply{}, nil
	}
	log = strings.TrimSpace(strings.TrimPrefix(log, "--\n"))
	if value == "0" && strings.HasPrefix(log, "Another reload is still in progress") {
		return ReloadReply{Log: log}, nil
	}
	return ReloadReply{Conclusive: true, Success: value == "1", Log: log}, nil
}
