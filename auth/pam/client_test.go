package pam_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/auth"
	"thalassa/auth/pam"
	"thalassa/internal/testkit"
)

const password = "correct horse 7"

// program builds thalassa-pam. The test needs root and PAM's headers.
func program(t *testing.T) string {
	t.Helper()
	testkit.Needs(t, "root")
	testkit.NeedsRoot(t)
	if _, err := os.Stat("/usr/include/security/pam_appl.h"); err != nil {
		testkit.Missing(t, "libpam0g-dev is not installed; tools/setup pam-dev installs it")
	}
	path := filepath.Join(t.TempDir(), "thalassa-pam")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir, cmd.Env = "../../cmd/thalassa-pam", append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// directory has the service thalassa of PAM, for accounts of this machine.
func directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	rules := "auth required pam_unix.so nodelay nullok\naccount required pam_unix.so\n"
	if err := os.WriteFile(filepath.Join(dir, "thalassa"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func command(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(testkit.Tool(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// accounts are those of one test, with the group of that test.
type accounts struct{ prefix, group string }

// newAccounts makes a group, and removes it and the accounts after the test.
func newAccounts(t *testing.T) accounts {
	t.Helper()
	a := accounts{prefix: fmt.Sprintf("th%06x", rand.IntN(1<<24))} //nolint:gosec // not a secret
	a.group = a.prefix + "g"
	command(t, "", "groupadd", a.group)
	t.Cleanup(func() { command(t, "", "groupdel", a.group) })
	return a
}

// add adds an account with the password, and changes it.
func (a accounts) add(t *testing.T, name string, change ...string) string {
	t.Helper()
	name = a.prefix + name
	command(t, "", "useradd", "--no-create-home", "--no-user-group", "--gid", "nogroup", "--groups", a.group, "--shell", "/usr/sbin/nologin", name)
	t.Cleanup(func() { command(t, "", "userdel", name) })
	command(t, name+":"+password+"\n", "chpasswd", "--crypt-method", "SHA256")
	if len(change) > 0 {
		command(t, "", change[0], append(change[1:], name)...)
	}
	return name
}

// Real accounts are taken or refused in PAM's words, by a login and later.
func TestAccounts(t *testing.T) {
	t.Parallel()
	c := pam.New(pam.Config{Program: program(t), Arguments: []string{"--pam-dir", directory(t)}})
	a := newAccounts(t)
	ctx := t.Context()
	good := a.add(t, "good")
	for _, tt := range []struct {
		user, password string
		login, later   string // what the errors say; empty: there is none
	}{
		{good, password, "", ""},
		{good, "wrong", "wrong", ""},
		{good, "", "wrong", ""},
		{good, strings.Repeat("<", 1024), "wrong", ""}, // six bytes each in JSON
		{good, password + "\x00junk", "wrong", ""},     // C ends a text there
		{a.prefix + "none", password, "wrong", "refuses"},
		{a.add(t, "expired", "chage", "-E", "0"), password, "expired", "expired"},
		{a.add(t, "locked", "usermod", "-L"), password, "wrong", "locked"},
		{a.add(t, "change", "chage", "-d", "0"), password, "refuses", "refuses"},
		{a.add(t, "old", "chage", "-d", "2000-01-01", "-M", "30", "-I", "1"), password, "expired", "expired"},
		{a.add(t, "empty", "passwd", "-d"), "", "wrong", ""},
	} {
		for i, says := range []string{tt.login, tt.later} {
			account, err := c.Login(ctx, "thalassa", tt.user, tt.password)
			if i == 1 {
				account, err = c.Account(ctx, "thalassa", tt.user)
			}
			switch {
			case says == "" && (err != nil || account.Name != tt.user || !slices.Contains(account.Groups, a.group)):
				t.Errorf("%s (%d): %+v, %v", tt.user, i, account, err)
			case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
				t.Errorf("%s (%d): %v, want it to say %q", tt.user, i, err, says)
			}
		}
	}
	if _, err := c.Login(ctx, "login", good, password); err == nil || !strings.Contains(err.Error(), "thalassa") {
		t.Errorf("another service of PAM: %v", err)
	}
	t.Run("roles", func(t *testing.T) { testRoles(t, c, a, good) })
}

// testRoles follows a user through the access file: the group gives the role, and whoever
// loses the group or the account loses the session.
func testRoles(t *testing.T, c *pam.Client, a accounts, name string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(path, []byte("pam: {groups: {"+a.group+": operate}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	access, err := auth.OpenAccess(path, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	authority := auth.NewAuthority(nil, access)
	authority.UseAccounts(c)
	who, proof, ok, err := authority.Password(t.Context(), name, password)
	if err != nil || !ok || who.Name != "pam:"+name || who.Role != auth.Operate || proof.Kind != auth.ByAccount {
		t.Fatalf("%+v, %t, %v", who, ok, err)
	}
	if _, _, ok, err := authority.Password(t.Context(), name, "wrong"); ok || err != nil {
		t.Errorf("a wrong password: %t, %v", ok, err)
	}
	outsider := a.add(t, "out", "usermod", "-G", "")
	if who, _, _, err := authority.Password(t.Context(), outsider, password); !errors.As(err, new(*auth.NoRoleError)) || who.Name != "pam:"+outsider {
		t.Errorf("a user without the group: %+v, %v", who, err)
	}
	s := auth.NewSessions(authority, time.Now)
	id, _, _ := s.Begin(proof, "")
	role := func() auth.Role {
		s.Recheck(t.Context(), auth.ByAccount, func(auth.Session, string) {})
		session, _ := s.Find(id)
		return session.Role
	}
	if got := role(); got != auth.Operate {
		t.Errorf("nothing has changed: role %s", got)
	}
	command(t, "", "chage", "-E", "0", name)
	if got := role(); got != 0 {
		t.Errorf("the account has expired: role %s", got)
	}
	command(t, "", "chage", "-E", "-1", name)
	if id, _, ok = s.Begin(proof, ""); !ok || role() != auth.Operate {
		t.Error("the account is back")
	}
	command(t, "", "gpasswd", "-d", name, a.group)
	if got := role(); got != 0 {
		t.Errorf("the user has left the group: role %s", got)
	}
}

// as does something as another user, with a thread of its own.
func as(t *testing.T, uid int, do func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its other user
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- errno
			return
		}
		done <- do()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// answered starts thalassa-pam for a connection, as systemd does, and gives its output.
func answered(t *testing.T, path string, uid int, line string, args ...string) (answer, said string) {
	t.Helper()
	socket := filepath.Join(testkit.StickyDir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(socket, 0o666); err != nil { //nolint:gosec // so that another user can connect
		t.Fatal(err)
	}
	var client net.Conn
	as(t, uid, func() (err error) {
		client, err = net.Dial("unix", socket)
		return err
	})
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, err := server.(*net.UnixConn).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	if _, err := client.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = file, &out, &errs
	_ = cmd.Run()
	_ = file.Close()
	return out.String(), errs.String()
}

// Only root and the agent's user may ask, and only valid questions.
func TestCallers(t *testing.T) {
	t.Parallel()
	path, dir := program(t), directory(t)
	const about = `{"service":"thalassa","user":"root"}`
	for _, tt := range []struct {
		uid          int
		line, caller string
		answer, says string
	}{
		{0, about, "", `{"user":"root"`, ""},
		{testkit.Nobody, about, "nobody", `{"user":"root"`, ""},
		{testkit.Nobody, about, "", "", "user 65534 may not ask"},
		{testkit.Nobody, about, "daemon", "", "user 65534 may not ask"},
		{0, `{"service":"thalassa","user":"` + strings.Repeat("a", 9000) + `"}`, "", "", "8192 bytes"},
		{0, "nonsense s3cret", "", "", "not JSON"},
		{0, `{"service":"../login","user":"root"}`, "", "", "no valid user"},
		{0, `{"service":"thalassa","user":"-x"}`, "", "", "no valid user"},
		{0, `{"service":"thalassa","user":"root","password":"a\u0000b"}`, "", `{"wrong":true}`, ""},
		{0, `{"service":"su","user":"root"}`, "", "no other one", ""},
	} {
		answer, said := answered(t, path, tt.uid, tt.line, "--user", tt.caller, "--pam-dir", dir)
		if !strings.Contains(answer, tt.answer) || tt.answer == "" != (answer == "") || !strings.Contains(said, tt.says) || strings.Contains(said, "s3cret") {
			t.Errorf("%d asks %.60s: %q %q, want %q %q", tt.uid, tt.line, answer, said, tt.answer, tt.says)
		}
	}
}

// A module of PAM that hangs, or a program that is not there, holds up nothing but the
// question.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	c := pam.New(pam.Config{Program: "/nowhere/thalassa-pam"})
	if _, err := c.Login(t.Context(), "thalassa", "root", "x"); err == nil || !strings.Contains(err.Error(), "/nowhere/thalassa-pam") {
		t.Errorf("error %v", err)
	}
	hanging := pam.New(pam.Config{Program: testkit.Tool(t, "sleep"), Arguments: []string{"60"}})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan error, 40)
	for range cap(done) {
		go func() {
			_, err := hanging.Account(ctx, "thalassa", "root")
			done <- err
		}()
	}
	busy := 0
	for range cap(done) {
		if err := <-done; errors.Is(err, auth.ErrBusy) {
			busy++
		} else if !errors.Is(err, context.DeadlineExceeded) { // who asked has gone: nothing failed here
			t.Error(err)
		}
	}
	if busy < 20 {
		t.Errorf("%d of 40 questions were turned away, the others wait", busy)
	}
}
