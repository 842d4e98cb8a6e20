package statsock

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// defaultTimeout bounds a call whose context has no deadline.
	defaultTimeout = 5 * time.Second
	// maxAnswer limits the size of one answer in memory.
	maxAnswer = 64 << 20
)

// An endpoint is a socket of HAProxy and how its commands are framed.
type endpoint struct {
	path string
	kind string // "stats socket" or "master socket", for errors
	// trust has the users that may listen there.
	trust trust
	// prefix sends each command on to a worker: "@!<pid> ". backlog has the
	// questions to it and to the others then.
	prefix  string
	worker  int
	backlog *backlog
	// quit ends the connection after the answer; the stats socket does so by
	// itself, the master socket stays open.
	quit bool
}

// NotListening reports whether err says that no process listens on the socket: it does not exist,
// or it was left by a process that has ended. HAProxy's master is in this state for some
// milliseconds of every reload.
func NotListening(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// ask sends one command line and lets read consume the answer up to the end of
// the connection. The context bounds all of it.
func (e endpoint) ask(ctx context.Context, command string, read func(io.Reader) error) error {
	if err := checkLine(command); err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := e.converse(ctx, command, read); err != nil {
		return e.failed(ctx, err)
	}
	return nil
}

// bounded gives a call a deadline when the caller gave it none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

// failed says what failed; where the context has ended, it says so.
func (e endpoint) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("asking %s %s: %w", e.kind, e.path, ctx.Err())
	}
	return fmt.Errorf("asking %s: %w", e.kind, err)
}

func (e endpoint) converse(ctx context.Context, command string, read func(io.Reader) error) error {
	if e.backlog == nil {
		conn, err := e.question(ctx, command, read)
		if conn != nil {
			_ = conn.Close()
		}
		return err
	}
	if err := e.backlog.begin(ctx, e.worker); err != nil {
		return err
	}
	conn, err := e.question(ctx, command, read)
	if conn != nil && ctx.Err() != nil {
		e.backlog.abandon(e.worker, conn)
		return err
	}
	if conn != nil {
		_ = conn.Close()
	}
	e.backlog.end()
	return err
}

// question sends a command on a new connection and returns it. The caller has to close it; nil:
// there is none.
func (e endpoint) question(ctx context.Context, command string, read func(io.Reader) error) (net.Conn, error) {
	conn, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer interrupt(ctx, conn)()
	line := e.addressed(command) + "\n"
	if e.quit {
		line += "quit\n"
	}
	if _, err := io.WriteString(conn, line); err != nil {
		return conn, err
	}
	return conn, read(conn)
}

// dial connects to the socket, unless it belongs to a user who is not trusted: then the error is a
// *ForeignError, and nothing was sent.
func (e endpoint) dial(ctx context.Context) (net.Conn, error) {
	foreign := e.trust.checkPath(e.path)
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", e.path)
	if f, ok := errors.AsType[*ForeignError](foreign); ok && f.leftover && NotListening(err) {
		return nil, err // a stranger has left a socket where no stranger may write
	}
	if err != nil {
		return nil, cmp.Or(foreign, err)
	}
	// Who listens is told with the process, and so comes first.
	if err := cmp.Or(e.trust.checkPeer(conn, e.path), foreign); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// interrupt makes reads and writes of conn fail when the context ends, until stop is called.
func interrupt(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// answer asks and returns the answer without the blank line that ends it.
func (e endpoint) answer(ctx context.Context, command string) (string, error) {
	var answer string
	err := e.ask(ctx, command, func(r io.Reader) error {
		raw, err := readAnswer(r)
		if err != nil {
			return err
		}
		answer, err = complete(raw)
		return err
	})
	return answer, err
}

// readAnswer reads to the end of the connection, or to the one message after
// which HAProxy 3.0 and later forget to close it.
func readAnswer(r io.Reader) ([]byte, error) {
	var raw []byte
	for len(raw) <= maxAnswer && !noTarget(raw) {
		raw = slices.Grow(raw, 4<<10)
		n, err := r.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// addressed puts the prefix before each of the commands that are joined by ";". The master carries
// out commands without one itself.
func (e endpoint) addressed(command string) string {
	if e.prefix == "" {
		return command
	}
	var b strings.Builder
	b.WriteString(e.prefix)
	for i := range len(command) {
		b.WriteByte(command[i])
		if command[i] == ';' && (i == 0 || command[i-1] != '\\') {
			b.WriteString(e.prefix)
		}
	}
	return b.String()
}

// ErrWorkerGone is the error of a question through the master to a worker that has
// ended.
var ErrWorkerGone = errors.New("the worker has ended")

// gone is ErrWorkerGone with the master's answer.
func gone(answer []byte) error {
	return fmt.Errorf("%w: %s", ErrWorkerGone, strings.TrimSpace(string(answer)))
}

// noTarget recognizes the master's answer to a command for a worker that has ended; unlike all
// others it does not end with a blank line.
func noTarget(answer []byte) bool {
	return bytes.HasPrefix(answer, []byte("Can't find the target ")) && bytes.HasSuffix(answer, []byte("\n"))
}

// complete checks that an answer has arrived as a whole: HAProxy ends each with
// a blank line (management guide, 9.3).
func complete(raw []byte) (string, error) {
	text := string(raw)
	switch {
	case len(raw) > maxAnswer:
		return "", fmt.Errorf("answer is longer than %d bytes", maxAnswer)
	case text == "\n":
		return "", nil
	case noTarget(raw):
		return "", gone(raw)
	}
	body, ok := strings.CutSuffix(text, "\n\n")
	if !ok {
		return "", fmt.Errorf("answer cut off after %d bytes: %w", len(raw), io.ErrUnexpectedEOF)
	}
	return body + "\n", nil
}

// checkLine refuses a command that is not exactly one line.
func checkLine(command string) error {
	if strings.TrimSpace(command) == "" {
		return errors.New("command for haproxy is empty")
	}
	if strings.ContainsAny(command, "\r\n\x00") {
		return fmt.Errorf("command for haproxy %q is more than one line", command)
	}
	return nil
}
