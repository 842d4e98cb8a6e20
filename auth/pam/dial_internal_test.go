package pam

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/auth"
	"thalassa/internal/testkit"
)

// serve answers the questions at a listener with one line, and gives what it has got.
func serve(l net.Listener, answer string) <-chan string {
	got := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			got <- ""
			return
		}
		defer conn.Close()
		line, _ := bufio.NewReader(conn).ReadString('\n')
		_, _ = conn.Write([]byte(answer))
		got <- line
	}()
	return got
}

// dialed is a client that asks through a socket, and who listens there.
func dialed(t *testing.T) (net.Listener, *Client) {
	t.Helper()
	path := filepath.Join(testkit.SocketDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := New(Config{Socket: path})
	c.isRoot = false
	return l, c
}

// An agent that is not root asks through a socket, and tells passwords to nobody but root.
func TestDial(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	l, c := dialed(t)
	got := serve(l, `{"user":"ann","groups":["ops"]}`+"\n")
	account, err := c.Login(t.Context(), "thalassa", "ann", "secret")
	if err != nil || account.Name != "ann" || len(account.Groups) != 1 || !strings.Contains(<-got, `"password":"secret"`) {
		t.Errorf("%+v, %v", account, err)
	}
	got = serve(l, "")
	if _, err := c.Account(t.Context(), "thalassa", "ann"); err == nil || !strings.Contains(err.Error(), "has not answered") {
		t.Errorf("no answer: %v", err)
	}
	<-got
	foreign := filepath.Join(testkit.StickyDir(t), "s")
	got = serve(testkit.ListenAs(t, testkit.Nobody, foreign), `{"user":"ann","groups":["ops"]}`)
	if err := os.Chmod(foreign, 0o666); err != nil { //nolint:gosec // so that it is refused for its owner alone
		t.Fatal(err)
	}
	c = New(Config{Socket: foreign})
	c.isRoot = false
	if _, err := c.Login(t.Context(), "thalassa", "ann", "secret"); err == nil || !strings.Contains(err.Error(), "expected root") {
		t.Errorf("a socket of another user: %v", err)
	}
	if line := <-got; line != "" {
		t.Errorf("it got %q", line)
	}
	c = New(Config{Socket: "/nowhere"})
	c.isRoot = false
	if _, err := c.Account(t.Context(), "thalassa", "ann"); err == nil || !strings.Contains(err.Error(), "thalassa-pam.socket") {
		t.Errorf("no socket: %v", err)
	}
	var _ auth.Accounts = c
}

// A question about an account does not wait for logins, however many there are.
func TestAccountsDoNotWaitForLogins(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	l, c := dialed(t)
	began := make(chan struct{}, 1)
	flood, stop := context.WithCancel(t.Context())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			if strings.Contains(line, "password") {
				select {
				case began <- struct{}{}: // and it is not answered
				default:
				}
				context.AfterFunc(flood, func() { _ = conn.Close() })
				continue
			}
			_, _ = conn.Write([]byte(`{"user":"ann"}` + "\n"))
			_ = conn.Close()
		}
	}()
	var all sync.WaitGroup
	for range 2 * maxWaiting {
		all.Go(func() { _, _ = c.Login(flood, "thalassa", "ann", "wrong") })
	}
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if account, err := c.Account(ctx, "thalassa", "ann"); err != nil || account.Name != "ann" {
		t.Errorf("%+v, %v", account, err)
	}
	stop()
	all.Wait()
}

// A login that has begun is carried through, although who asked has gone: it keeps its turn, and a
// wrong password counts.
func TestLoginsAreCarriedThrough(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	l, c := dialed(t)
	began, answer := make(chan struct{}), make(chan struct{})
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = bufio.NewReader(conn).ReadString('\n')
		close(began)
		<-answer
		_, _ = conn.Write([]byte(`{"wrong":true}` + "\n"))
	}()
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := c.Login(ctx, "thalassa", "ann", "guess")
		done <- err
	}()
	<-began
	leave()
	if _, err := c.Login(ctx, "thalassa", "ann", "guess"); err == nil || errors.Is(err, auth.ErrWrong) {
		t.Errorf("a login of somebody who has gone: %v", err)
	}
	next, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Login(next, "thalassa", "ann", "guess"); !errors.Is(err, auth.ErrBusy) {
		t.Errorf("a second login at the same time: %v", err)
	}
	close(answer)
	if err := <-done; !errors.Is(err, auth.ErrWrong) {
		t.Errorf("the login of somebody who has gone: %v", err)
	}
}
