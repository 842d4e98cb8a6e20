// Package pam asks PAM about accounts of the system, through the program thalassa-pam: one login
// at a time, and beside it one question about an account, each with a process of its own. Where
// this process is root it starts that program; elsewhere systemd does, for a connection to a
// socket that belongs to root.
//
// It never links PAM, and never sends a password to anybody but root.
package pam

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"thalassa/auth"
	"thalassa/internal/head"
	"thalassa/internal/peer"
)

// A Config says how to reach thalassa-pam. With the zero value, every question fails.
type Config struct {
	// Socket is the path of systemd's socket, for an agent that is not root.
	Socket string
	// Program is the path of thalassa-pam, for an agent that is root.
	Program string
	// Arguments go to the program, for tests.
	Arguments []string
}

// Bounds of a question.
const (
	timeout    = 20 * time.Second // of a question that is asked; longer than that of thalassa-pam
	patience   = 15 * time.Second // how long a question waits for its turn
	maxAnswer  = 256 << 10        // bytes
	maxWaiting = 16
)

// A Client asks thalassa-pam. All methods may be called concurrently.
type Client struct {
	cfg    Config
	isRoot bool
	// Anybody can ask for logins. So questions about accounts, which end the sessions of those who
	// are gone, do not wait for them.
	logins, accounts queue
}

// New makes a Client. It starts nothing.
func New(cfg Config) *Client {
	return &Client{cfg: cfg, isRoot: os.Geteuid() == 0, logins: newQueue(), accounts: newQueue()}
}

// A queue has the questions of one kind, which are asked one at a time.
type queue struct {
	turn    chan struct{} // held by the question that is asked
	waiting chan struct{} // filled by each question
}

func newQueue() queue {
	return queue{turn: make(chan struct{}, 1), waiting: make(chan struct{}, 1+maxWaiting)}
}

// enter waits for the turn of a question, which ends with leave. The error is auth.ErrBusy.
func (q queue) enter(ctx context.Context) (leave func(), err error) {
	select {
	case q.waiting <- struct{}{}:
	default:
		return nil, auth.ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case q.turn <- struct{}{}:
		return func() { <-q.turn; <-q.waiting }, nil
	case <-ctx.Done():
		<-q.waiting
		return nil, auth.ErrBusy
	}
}

// question and answer are the lines of thalassa-pam.
type question struct {
	Service  string  `json:"service"`
	User     string  `json:"user"`
	Password *string `json:"password,omitempty"`
}

type answer struct {
	User    string   `json:"user"`
	Groups  []string `json:"groups"`
	Wrong   bool     `json:"wrong"`
	Refused string   `json:"refused"`
	Error   string   `json:"error"`
}

// Login asks whether a user may log in with a password. A question that has begun is carried
// through, also after the end of ctx. The error is auth.ErrWrong, an *auth.AccountError,
// auth.ErrBusy, or says why there is no answer.
func (c *Client) Login(ctx context.Context, service, user, password string) (auth.Account, error) {
	return c.ask(ctx, c.logins, question{Service: service, User: user, Password: &password})
}

// Account asks whether a user may still log in, and does not wait for logins. The error is as that
// of Login.
func (c *Client) Account(ctx context.Context, service, user string) (auth.Account, error) {
	return c.ask(ctx, c.accounts, question{Service: service, User: user})
}

func (c *Client) ask(ctx context.Context, in queue, q question) (auth.Account, error) {
	leave, err := in.enter(ctx)
	if err != nil {
		return auth.Account{}, err
	}
	defer leave()
	if ctx.Err() != nil { // who asked has gone before the turn came
		return auth.Account{}, fmt.Errorf("asking PAM: %w", ctx.Err())
	}
	if q.Password != nil {
		// Its process would go on without the asker. So there would be more than one at a time, and
		// wrong passwords that nobody counts.
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout) // a question whose turn has come has all of it
	defer cancel()
	line, err := json.Marshal(q)
	if err != nil {
		return auth.Account{}, err
	}
	exchange := c.dial
	if c.isRoot {
		exchange = c.start
	}
	data, err := exchange(ctx, append(line, '\n'))
	if err != nil {
		return auth.Account{}, fmt.Errorf("asking PAM: %w", cmp.Or(ctx.Err(), err)) // who asked may have gone
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return auth.Account{}, errors.New("asking PAM: thalassa-pam has not answered; its log says why")
	}
	switch {
	case a.Wrong:
		return auth.Account{}, auth.ErrWrong
	case a.Refused != "":
		return auth.Account{}, &auth.AccountError{User: q.User, Words: a.Refused}
	case a.Error != "" || a.User == "":
		return auth.Account{}, fmt.Errorf("asking PAM: %s", a.Error)
	}
	return auth.Account{Name: a.User, Groups: a.Groups}, nil
}

// start asks a program of its own.
func (c *Client) start(ctx context.Context, line []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.cfg.Program, c.cfg.Arguments...)
	cmd.Dir, cmd.Env, cmd.Stdin = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}, bytes.NewReader(line)
	cmd.WaitDelay = time.Second
	out, said := head.New(maxAnswer), head.New(maxAnswer)
	cmd.Stdout, cmd.Stderr = out, said
	if err := cmd.Run(); err != nil {
		if said.Len() > 0 {
			return nil, errors.New(string(bytes.TrimSpace(said.Bytes())))
		}
		return nil, err
	}
	return out.Bytes(), nil
}

// dial asks through systemd's socket, if it belongs to root.
func (c *Client) dial(ctx context.Context, line []byte) ([]byte, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("%w (systemctl enable --now thalassa-pam.socket makes it)", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := c.checkPeer(conn); err != nil {
		return nil, err
	}
	if _, err := conn.Write(line); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(conn, maxAnswer))
}

// checkPeer refuses sockets of other users, who would get to know passwords.
func (c *Client) checkPeer(conn net.Conn) error {
	peer, err := peer.Of(conn)
	if err != nil {
		return err
	}
	if peer.Uid != 0 {
		return fmt.Errorf("%s belongs to user %d, expected root", c.cfg.Socket, peer.Uid)
	}
	return nil
}
