package bootstrap_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/bootstrap"
	"thalassa/internal/testkit"
)

// typo changes one letter of a code.
func typo(code string) string {
	other := byte('A')
	if code[20] == other {
		other = 'B'
	}
	return code[:20] + string(other) + code[21:]
}

// A wrong, a used and an expired code let nobody in.
func TestCodes(t *testing.T) {
	t.Parallel()
	w := founded(t, 4, 1)
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	code := host.code(t)
	for text, want := range map[string]string{
		typo(code): "one of them is wrong",
		"":         "the groups of letters",
		"AAAA":     "the groups of letters",
		code + "0": "the groups of letters",
		"ÄÖÜ":      "the groups of letters",
	} {
		if err := start(t.Context(), w.config(2), w.joinOf(2, text)).ends(t); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("code %q: %v", text, err)
		}
	}
	mustNot(t, start(t.Context(), w.config(2), w.joinOf(2, code)).ends(t))
	mustNot(t, host.ends(t))
	err := start(t.Context(), w.config(3), w.joinOf(3, code)).ends(t)
	if !errors.Is(err, bootstrap.ErrNoAnswer) || !strings.Contains(err.Error(), "may have been used, or have ended") {
		t.Errorf("a used code: %v", err)
	}
	// The code of another invitation: the certificate differs.
	second := start(t.Context(), w.config(1), inviteOf(invitation()))
	second.code(t)
	err = start(t.Context(), w.config(3), w.joinOf(3, code)).ends(t)
	if !errors.As(err, new(*bootstrap.ConflictError)) || !strings.Contains(err.Error(), "the certificate is not that of the code") {
		t.Errorf("a former code: %v", err)
	}
	if w.exists(3, "journal") {
		t.Error("something is left on the machine that was not let in")
	}
	none := invitation()
	none.Nodes = 0
	if err := bootstrap.Invite(t.Context(), w.config(2), none); err == nil || !strings.Contains(err.Error(), `nodes: "0": expected 1 to 31`) {
		t.Errorf("no nodes: %v", err)
	}
	short := invitation()
	short.For = 9 * time.Second
	if err := bootstrap.Invite(t.Context(), w.config(2), short); err == nil || !strings.Contains(err.Error(), "for: ") {
		t.Errorf("a short time: %v", err)
	}
}

// A code ends by itself.
func TestCodeExpires(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 1)
	i := invitation()
	i.For = 10 * time.Second
	host := start(t.Context(), w.config(1), inviteOf(i))
	code := host.code(t)
	if err := host.ends(t); !errors.As(err, new(*bootstrap.ConflictError)) || !strings.Contains(err.Error(), "expired, and 1 node did not join") {
		t.Errorf("the invitation: %v", err)
	}
	err := start(t.Context(), w.config(2), w.joinOf(2, code)).ends(t)
	if !errors.As(err, new(*bootstrap.ConflictError)) || !strings.Contains(err.Error(), "the code has expired") {
		t.Errorf("an expired code: %v", err)
	}
}

// The code belongs to the node that has got the key with it, also when that has failed and says so.
func TestCodeIsOfOneNode(t *testing.T) {
	t.Parallel()
	for what, fails := range map[string]func(w *world, code string) error{
		"killed": func(w *world, code string) error {
			w.killed(t, killedHere{Do: "join", Machine: 2, Step: "corosync", Code: code})
			return nil
		},
		"a step": func(w *world, code string) error {
			mustNot(t, os.WriteFile(w.path(2, "run/broken"), []byte("pacemaker"), 0o600))
			return errors.Join(isError(start(t.Context(), w.config(2), w.joinOf(2, code)).ends(t), "pacemaker does not start"), os.Remove(w.path(2, "run/broken")))
		},
		"Ctrl-C": func(w *world, code string) error {
			ctx, cancel := context.WithCancel(t.Context())
			cfg := w.config(2)
			cfg.BeforeStep = func(string) { cancel() }
			return isError(start(ctx, cfg, w.joinOf(2, code)).ends(t), "step stop: context canceled")
		},
		"the disk": func(w *world, code string) error {
			mustNot(t, os.MkdirAll(w.path(2, "journal/authkey"), 0o700)) // in place of the file that holds the key
			mustNot(t, os.Chmod(w.path(2, "journal"), 0o700))
			return isError(start(t.Context(), w.config(2), w.joinOf(2, code)).ends(t), "keeping authkey")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := founded(t, 3, 1)
			host := start(t.Context(), w.config(1), inviteOf(invitation()))
			code := host.code(t)
			mustNot(t, fails(w, code))
			testkit.Eventually(t, time.Minute, func() error {
				if !host.has("node", "warning") {
					return errors.New("nobody warns that the key is out")
				}
				return nil
			})
			mustNot(t, isError(start(t.Context(), w.config(3), w.joinOf(3, code)).ends(t), "used by lb2"))
			if w.exists(3, "journal") {
				t.Error("something is left on the machine that was not let in")
			}
			mustNot(t, start(t.Context(), w.config(2), w.joinOf(2, code)).ends(t))
			mustNot(t, host.ends(t))
			w.isComplete(t, 2)
			if w.exists(2, "journal/identity") {
				t.Error("the identity is left")
			}
		})
	}
}

// A node that goes on with another code keeps that one as well when it fails.
func TestCodeAfterCode(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 1)
	ctx, cancel := context.WithCancel(t.Context())
	first := start(ctx, w.config(1), inviteOf(invitation()))
	w.killed(t, killedHere{Do: "join", Machine: 2, Step: "cib", Code: first.code(t)})
	cancel()
	_ = first.ends(t) // the node that has died may be taken out before
	second := start(t.Context(), w.config(1), inviteOf(invitation()))
	code := second.code(t)
	mustNot(t, os.WriteFile(w.path(2, "run/broken"), []byte("pacemaker"), 0o600))
	mustNot(t, isError(start(t.Context(), w.config(2), w.joinOf(2, code)).ends(t), "pacemaker does not start"))
	mustNot(t, os.Remove(w.path(2, "run/broken")))
	mustNot(t, start(t.Context(), w.config(2), w.joinOf(2, code)).ends(t))
	mustNot(t, second.ends(t))
	w.isComplete(t, 2)
}

// isError reports that an error does not have a text.
func isError(err error, text string) error {
	if err == nil || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("got %w, expected an error with %q", err, text)
	}
	return nil
}

// held is the configuration of a machine that waits before it starts Pacemaker, until the channel is
// closed.
func (w *world) held(machine int) (cfg bootstrap.Config, hold chan struct{}) {
	cfg, hold = w.config(machine), make(chan struct{})
	cfg.Settle = time.Second
	cfg.BeforeStep = func(step string) {
		if step == "pacemaker" {
			<-hold
		}
	}
	return cfg, hold
}

// A node that only says that it is there does not hold up the others for ever.
func TestJoinHasAnEnd(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 1)
	cfg := w.config(1)
	cfg.Settle = time.Second
	host := start(t.Context(), cfg, inviteOf(invitation()))
	slow, hold := w.held(2)
	second := start(t.Context(), slow, w.joinOf(2, host.code(t)))
	testkit.Eventually(t, 30*time.Second, func() error {
		if !host.has("node", "undone") {
			return errors.New("the node has not been taken out")
		}
		return nil
	})
	close(hold)
	if err := second.ends(t); err == nil || w.exists(2, "etc/authkey") {
		t.Errorf("got %v", err)
	}
	mustNot(t, start(t.Context(), w.config(2), w.joinOf(2, host.code(t))).ends(t))
	mustNot(t, host.ends(t))
}

// A node that could be neither added nor taken out again is told of, and is why the invitation fails.
func TestNodeIsNotTakenOut(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 1)
	cfg := w.config(1)
	cfg.Settle = time.Second
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	host := start(ctx, cfg, inviteOf(invitation()))
	mustNot(t, testkit.WriteProgram(w.path(1, "sbin/crm_node"), []byte("#!/bin/sh\necho it is stuck >&2\nexit 1\n")))
	mustNot(t, os.WriteFile(w.path(1, "known/lb2"), nil, 0o600)) // Pacemaker of the first has heard of it
	slow, hold := w.held(2)
	second := start(t.Context(), slow, w.joinOf(2, host.code(t)))
	testkit.Eventually(t, 30*time.Second, func() error {
		if !strings.Contains(host.String(), "it is stuck") {
			return errors.New("the node is not stuck")
		}
		return nil
	})
	close(hold)
	cancel()
	if err := host.ends(t); err == nil || !strings.Contains(err.Error(), "it is stuck") || !host.has("node", "failed") {
		t.Errorf("got %v", err)
	}
	if err := second.ends(t); err == nil {
		t.Error("it has joined")
	}
}

// A node that gives up before it has got anything changes nothing.
func TestJoinIsInterrupted(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	ctx, cancel := context.WithCancel(t.Context())
	third := start(ctx, w.config(3), w.joinOf(3, host.code(t))) // waits for sync on the second
	testkit.Eventually(t, time.Minute, func() error {
		if !host.has("sync", "waiting") {
			return errors.New("the host does not wait")
		}
		return nil
	})
	cancel()
	if err := third.ends(t); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if w.exists(3, "journal/journal.json") || w.exists(3, "etc/authkey") {
		t.Error("something is left")
	}
	member := start(t.Context(), w.config(2), syncing)
	mustNot(t, start(t.Context(), w.config(3), w.joinOf(3, host.code(t))).ends(t))
	mustNot(t, host.ends(t))
	mustNot(t, member.ends(t))
	w.isComplete(t, 3)
}

// What strangers send lets nobody in and does not end the invitation, and silent connections of one
// machine, which come again as soon as they are dropped, do not keep another one out.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 1)
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	code := host.code(t)
	var strangers sync.WaitGroup
	wrong := `{"type":"join","secret":"AAAA","id":"x","node":"lb2","addresses":["192.0.2.2"]}` + "\n"
	for _, text := range append([]string{"\n", "{}\n", `{"type":"sync","node":"lb1"}` + "\n", strings.Repeat("x", 10_000)}, slices.Repeat([]string{wrong}, 12)...) {
		strangers.Go(func() {
			raw, err := w.dial(t.Context(), "tcp", "192.0.2.1:10009")
			if err != nil {
				t.Error(err)
				return
			}
			conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
			defer conn.Close()
			_, _ = io.WriteString(conn, text)
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			answer, err := io.ReadAll(conn)
			if len(answer) > 200 || strings.Contains(string(answer), "conf") || text == wrong && !strings.Contains(string(answer), "the code is wrong") {
				t.Errorf("%.20q: answer %q, %v", text, answer, err)
			}
		})
	}
	strangers.Wait()
	silent, cancel := context.WithCancel(t.Context())
	var opened atomic.Int64
	for range 40 {
		strangers.Go(func() {
			for silent.Err() == nil {
				raw, err := w.dial(silent, "tcp", "192.0.2.1:10009")
				if err != nil {
					return
				}
				opened.Add(1)
				end := context.AfterFunc(silent, func() { _ = raw.Close() })
				_, _ = io.Copy(io.Discard, raw)
				end()
				_ = raw.Close()
			}
		})
	}
	testkit.Eventually(t, time.Minute, func() error {
		if n := opened.Load(); n < 100 {
			return fmt.Errorf("%d connections", n)
		}
		return nil
	})
	cfg := w.config(2)
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		behind, err := os.ReadFile(filepath.Join(w.dir, "listens "+address))
		mustNot(t, err)
		other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		return other.DialContext(ctx, network, string(behind))
	}
	joined := start(t.Context(), cfg, w.joinOf(2, code)).ends(t)
	cancel()
	strangers.Wait()
	mustNot(t, joined)
	mustNot(t, host.ends(t))
	w.isComplete(t, 2)
}

// droppingListener ends the first connections at once.
type droppingListener struct {
	net.Listener

	left atomic.Int64
}

func (l *droppingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil && l.left.Add(-1) >= 0 {
		_ = conn.Close()
	}
	return conn, err
}

// A node whose connection is dropped asks again, and says so when that does not help.
func TestDroppedConnections(t *testing.T) {
	t.Parallel()
	for drops, want := range map[int64]string{3: "", 1000: "the inviting node has ended the connection"} {
		w := founded(t, 2, 1)
		cfg := w.config(1)
		cfg.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
			l, err := w.listen(ctx, network, address)
			dropping := &droppingListener{Listener: l}
			dropping.left.Store(drops)
			return dropping, err
		}
		ctx, cancel := context.WithCancel(t.Context())
		host := start(ctx, cfg, inviteOf(invitation()))
		err := start(t.Context(), w.config(2), w.joinOf(2, host.code(t))).ends(t)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d dropped: %v", drops, err)
		}
		if want != "" {
			cancel()
		}
		if err := host.ends(t); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		cancel()
	}
}

// A cluster whose key is somewhere else gets no node: it would get another key.
func TestOtherKey(t *testing.T) {
	t.Parallel()
	w := founded(t, 1, 1)
	for _, setting := range []string{"keyfile: /etc/corosync/other", "key: secret"} {
		text := strings.Replace(w.read(t, 1, "etc/corosync.conf"), "totem {\n", "totem {\n    "+setting+"\n", 1)
		other := founded(t, 1, 1)
		mustNot(t, os.WriteFile(other.path(1, "etc/corosync.conf"), []byte(text), 0o644))
		name, _, _ := strings.Cut(setting, ":")
		mustNot(t, isError(bootstrap.Invite(t.Context(), other.config(1), invitation()), "totem."+name+" in "))
	}
}

// A node that does not fit the cluster is refused with the reason, and nothing changes.
func TestMisfits(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 1)
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	j := w.joining(2, host.code(t))
	j.Node = "lb1"
	err := bootstrap.Join(t.Context(), w.config(2), j)
	if !errors.As(err, new(*bootstrap.ConflictError)) || !strings.Contains(err.Error(), "a name that no other node has") {
		t.Errorf("a name in use: %v", err)
	}
	j = w.joining(2, j.Code)
	j.Addresses = []string{"192.0.2.77"}
	if err := bootstrap.Join(t.Context(), w.config(2), j); err == nil || !strings.Contains(err.Error(), "an address of this machine") {
		t.Errorf("a foreign address: %v", err)
	}
	if w.exists(2, "etc/corosync.conf") || w.exists(2, "journal/journal.json") || w.conf(1).Version() != 1 {
		t.Error("something has changed")
	}
	mustNot(t, start(t.Context(), w.config(2), w.joinOf(2, j.Code)).ends(t))
	mustNot(t, host.ends(t))
}
