package membership

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"thalassa/internal/peer"
	"thalassa/lb"
)

// Socket is where systemd starts the side of root.
const Socket = "/run/thalassa-membership.sock"

// Root asks the side of root. Its methods may be called concurrently. Also an agent that is root
// itself goes through the socket: whoever enables it decides that the API may change the membership.
type Root struct{ socket string }

// NewRoot makes a Root. It starts nothing.
func NewRoot(socket string) *Root { return &Root{socket} }

// ErrOff is the cause of an error about a node where root has not enabled the socket.
var ErrOff = errors.New("membership of the cluster through the API is off on this node; systemctl enable --now thalassa-membership.socket turns it on")

// ErrBroken is the cause of an error about an answer without an end: the side of root was killed. The
// same question goes on where it was.
var ErrBroken = errors.New("thalassa-membership has ended in the middle of its work; send the same request again, and it goes on")

// A BusyError says that another command is at work on the node, such as an invitation, or what an agent
// has asked for before it started again. It is an *lb.ConflictError as well.
type BusyError struct{ lb.ConflictError }

// Unwrap is the *lb.ConflictError.
func (e *BusyError) Unwrap() error { return &e.ConflictError }

// A FailedError says that root has tried, and has taken back what it had done.
type FailedError struct{ Problem string }

// Error is the reason, with the step.
func (e *FailedError) Error() string { return e.Problem }

// ErrEnded is the cause of an error about what root has ended because it was told to, and nothing of it
// is left.
var ErrEnded = errors.New("it was ended before its time")

// ErrNoAnswer is the cause of an error about an invitation that does not answer.
var ErrNoAnswer = errors.New("no answer")

// Do asks a question, tells the events one at a time, and returns at the end. The end of ctx ends an
// invitation, sync or forget, for whose own end Do waits; of the others it ends the waiting alone.
// Errors: *lb.InvalidError, *lb.ConflictError, *BusyError, *FailedError, and those that have ErrOff,
// ErrEnded, ErrNoAnswer or ErrBroken as their cause.
func (r *Root) Do(ctx context.Context, q Question, tell func(Event)) error {
	conn, err := r.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := conn.Close
	if q.endsWithConnection() {
		stop = conn.CloseWrite
	}
	defer context.AfterFunc(ctx, func() { _ = stop() })()
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	err = read(conn, tell)
	if errors.Is(err, ErrBroken) && ctx.Err() != nil && !q.endsWithConnection() {
		return context.Cause(ctx)
	}
	return err
}

// dial connects to the socket.
func (r *Root) dial(ctx context.Context) (*net.UnixConn, error) {
	conn, err := peer.DialRoot(ctx, r.socket)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrOff
	}
	if err != nil {
		return nil, fmt.Errorf("asking thalassa-membership: %w", err)
	}
	return conn, nil
}

// read reads an answer, of lines of at most maxLine bytes.
func read(in io.Reader, tell func(Event)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
		if l.End {
			return l.err()
		}
		if l.Event != nil {
			tell(*l.Event)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return ErrBroken
}

// err is the error of the last line.
func (l line) err() error {
	switch {
	case l.Error == "":
		return nil
	case l.Kind == kindInvalid:
		return &lb.InvalidError{Fields: []lb.FieldError{{Path: l.Field, Problem: "is not right", Expected: l.Expected}}}
	case l.Kind == kindBusy:
		return &BusyError{lb.ConflictError{ID: "cluster", Reason: l.Error}}
	case l.Kind == kindConflict:
		return &lb.ConflictError{ID: "cluster", Reason: l.Error}
	case l.Kind == kindEnded:
		return ErrEnded
	case l.Kind == kindNoAnswer:
		return fmt.Errorf("%w: %s", ErrNoAnswer, strings.TrimPrefix(l.Error, ErrNoAnswer.Error()+": "))
	}
	return &FailedError{l.Error}
}
