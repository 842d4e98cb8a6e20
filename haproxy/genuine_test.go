package haproxy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// wantUnavailable fails unless the error is a *lb.UnavailableError with a text.
func wantUnavailable(tb testing.TB, err error, text string) {
	tb.Helper()
	if !errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), text) {
		tb.Errorf("got %v, expected that it is unavailable: %s", err, text)
	}
}

// program writes an executable over path, atomically.
func program(tb testing.TB, path, content string) {
	tb.Helper()
	if err := errors.Join(testkit.WriteProgram(path+".new", []byte(content)), os.Rename(path+".new", path)); err != nil {
		tb.Fatal(err)
	}
}

// A program that ends with 0 for everything has checked nothing, and a master that
// executes itself anew with it has ended.
func TestProgramThatIsNotHAProxy(t *testing.T) {
	for name, script := range map[string]string{
		"silent":        "#!/bin/sh\nexit 0\n",
		"other program": "#!/bin/sh\necho nginx version: nginx/1.22.1\n",
		"fails":         "#!/bin/sh\necho HAProxy version 2.6 2026/01/01\nexit 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			fx := newFixture(t, testkit.HAProxy(t))
			wrapper := filepath.Join(fx.dir, "haproxy")
			forwarding := "#!/bin/sh\nexec " + fx.cfg.Binary + " \"$@\"\n"
			program(t, wrapper, forwarding)
			p := fx.another(func(c *haproxy.Config) { c.Binary = wrapper })
			if _, err := p.Apply(t.Context(), fx.config("one"), "one"); err != nil {
				t.Fatal(err)
			}
			tells := func(want string) {
				t.Helper()
				testkit.Eventually(t, 10*time.Second, func() error {
					if problem := haproxy.ProgramProblem(p); (problem == "") != (want == "") || !strings.Contains(problem, want) {
						return fmt.Errorf("it tells %q, want %q", problem, want)
					}
					return nil
				})
			}
			tells("")
			program(t, wrapper, script)
			tells("is another program")
			wantUnavailable(t, p.Check(t.Context(), fx.config("two")), wrapper+" is not HAProxy")
			_, err := p.Apply(t.Context(), fx.config("two"), "two")
			wantUnavailable(t, err, wrapper+" is not HAProxy")
			fx.agree("one")
			if err := os.Remove(wrapper); err != nil {
				t.Fatal(err)
			}
			tells("is missing")
			program(t, wrapper, forwarding)
			tells("")
			if _, err := p.Apply(t.Context(), fx.config("two"), "two"); err != nil {
				t.Fatal(err)
			}
			fx.agree("two")
		})
	}
}

// A master executes the file anew that it was started as, whatever it is by then.
func TestProgramOfTheMasterIsReplaced(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	binary := filepath.Join(fx.dir, "haproxy")
	content := fx.file(fx.cfg.Binary)
	if strings.HasPrefix(content, "#!") {
		t.Skip("this HAProxy is started by a script")
	}
	program(t, binary, content)
	if _, err := fx.another(func(c *haproxy.Config) { c.Binary = binary }).Apply(t.Context(), fx.config("one"), "one"); err != nil {
		t.Fatal(err)
	}
	program(t, binary, fx.file("/bin/true"))
	_, err := fx.Apply(t.Context(), fx.config("two"), "two") // whose own program is HAProxy
	wantUnavailable(t, err, binary+" is not HAProxy")
	fx.agree("one")
}

// Two agents with the same sockets and different files would undo each other's changes.
func TestHAProxyWithAnotherFile(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	exclusive := func(path string) *haproxy.Process {
		return fx.another(func(c *haproxy.Config) { c.Exclusive, c.ConfigPath = true, path })
	}
	other := exclusive(filepath.Join(fx.dir, "other.cfg"))
	want := "was started with -f " + fx.cfg.ConfigPath + ", expected -f " + filepath.Join(fx.dir, "other.cfg")
	_, err := other.Apply(t.Context(), fx.config("two"), "two")
	wantUnavailable(t, err, want)
	_, err = other.State(t.Context())
	wantUnavailable(t, err, want)
	if err := other.Stop(t.Context()); err == nil {
		t.Error("another agent's HAProxy was stopped")
	}
	fx.agree("one")

	link := filepath.Join(fx.dir, "link.cfg")
	if err := os.Symlink(fx.cfg.ConfigPath, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fx.cfg.ConfigPath, link} {
		if state, err := exclusive(path).State(t.Context()); err != nil || state.Fingerprint != "one" {
			t.Errorf("%s: %+v, %v", path, state, err)
		}
	}
}
