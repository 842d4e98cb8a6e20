package haproxy_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

func TestCheck(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		for name, config := range map[string]string{
			"an ordinary one":           string(fx.config("one")),
			"no listener (exit code 2)": "",
			"only warnings":             "frontend x\n    bind " + fx.address() + "\n",
		} {
			if err := fx.Check(t.Context(), []byte(config)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, config := range map[string]string{
			"unknown section": "nonsense\n",
			"no line end":     "global",
			"no such backend": "frontend x\n    bind " + fx.address() + "\n    default_backend y\n",
			"no such file":    "backend x\n    server s 127.0.0.1:1 ssl ca-file /nonexistent\n",
		} {
			err := fx.Check(t.Context(), []byte(config))
			var refused *lb.RefusedError
			if !errors.As(err, &refused) || refused.At != "check" || !strings.HasPrefix(refused.Output, "[ALERT] ") {
				t.Errorf("%s: %v", name, err)
			}
			again := fx.Check(t.Context(), []byte(config))
			if again == nil || again.Error() != err.Error() {
				t.Errorf("%s: the words change: %v, %v", name, err, again)
			}
		}
		fx.tidy()
		if _, err := os.Stat(fx.cfg.ConfigPath); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the check has installed something: %v", err)
		}
	})
}

// answersV has a script pass for HAProxy.
const answersV = "[ \"$1\" != -v ] || exec echo HAProxy version 2.6 2026/01/01\n"

// TestNothingIsInheritedByACheck: neither a check, nor the questions before it whether this
// is HAProxy and what it knows, nor that for the version has the environment of this
// program, which may hold tokens.
func TestNothingIsInheritedByACheck(t *testing.T) {
	t.Setenv("CONSUL_HTTP_TOKEN", "secret")
	t.Setenv("THALASSA_TOKEN", "secret")
	cfg := paths(t.TempDir())
	cfg.Binary = filepath.Join(filepath.Dir(cfg.ConfigPath), "haproxy")
	script := "#!/bin/sh\nenv >> " + cfg.StartupLog + "\necho HAProxy version 2.6 2026/01/01\n"
	if err := testkit.WriteProgram(cfg.Binary, []byte(script)); err != nil {
		t.Fatal(err)
	}
	p := haproxy.New(cfg)
	if err := p.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(cfg.StartupLog)
	if err != nil || strings.Count(string(got), "PATH=") != 4 || strings.Contains(string(got), "TOKEN") {
		t.Errorf("the environment is %q, %v", got, err)
	}
}

// TestCheckRelativeFiles are found beside the real file.
func TestCheckRelativeFiles(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	config := "global\n    default-path config\n" + strings.TrimPrefix(string(fx.config("one")), "global\n") +
		"    http-request deny if { path -f paths.lst }\n"
	if err := fx.Check(t.Context(), []byte(config)); !errors.As(err, new(*lb.RefusedError)) {
		t.Errorf("the list does not exist: %v", err)
	}
	if err := os.WriteFile(filepath.Join(fx.dir, "paths.lst"), []byte("/admin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fx.Apply(t.Context(), []byte(config), "one"); err != nil {
		t.Error(err)
	}
}

func TestCheckThatCannotBeMade(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	slow := filepath.Join(t.TempDir(), "haproxy")
	if err := testkit.WriteProgram(slow, []byte("#!/bin/sh\nexec sleep 1000\n")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		edit func(*haproxy.Config)
		want error
	}{
		"no binary":      {func(c *haproxy.Config) { c.Binary = "/nonexistent/haproxy" }, os.ErrNotExist},
		"not in PATH":    {func(c *haproxy.Config) { c.Binary = "haproxy-of-another-world" }, nil},
		"no folder":      {func(c *haproxy.Config) { c.ConfigPath = "/nonexistent/haproxy.cfg" }, os.ErrNotExist},
		"takes for ever": {func(c *haproxy.Config) { c.Binary = slow }, context.DeadlineExceeded},
	} {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if errors.Is(test.want, context.DeadlineExceeded) {
			ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
		}
		err := fx.another(test.edit).Check(ctx, fx.config("one"))
		cancel()
		if err == nil || errors.As(err, new(*lb.RefusedError)) || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	fx.tidy()
}

// TestCrashingCheck refuses what makes the checker crash.
func TestCrashingCheck(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	crash := filepath.Join(t.TempDir(), "haproxy")
	if err := testkit.WriteProgram(crash, []byte("#!/bin/sh\n"+answersV+"kill -SEGV $$\n")); err != nil {
		t.Fatal(err)
	}
	err := fx.another(func(c *haproxy.Config) { c.Binary = crash }).Check(t.Context(), fx.config("one"))
	var refused *lb.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Output, "segmentation fault") {
		t.Errorf("got %v", err)
	}
}

func TestVersion(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		got, err := haproxy.New(haproxy.Config{Binary: binary.Path}).Version(t.Context())
		if err != nil || got != binary.Version {
			t.Errorf("got %q, %v, want %s", got, err, binary.Version)
		}
	}
	for _, no := range []string{"/nonexistent", "/bin/true"} {
		if got, err := haproxy.New(haproxy.Config{Binary: no}).Version(t.Context()); err == nil {
			t.Errorf("%s has version %q", no, got)
		}
	}
}

// Somebody else may hold the pipe of a check that has ended: a child of sudo, or
// a process that is just being forked on a busy machine. That is no failure.
func TestCheckWhosePipeStaysOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "haproxy")
	if err := testkit.WriteProgram(binary, []byte("#!/bin/sh\n"+answersV+"sleep 2 &\n")); err != nil {
		t.Fatal(err)
	}
	p := haproxy.New(haproxy.Config{Binary: binary, ConfigPath: filepath.Join(dir, "haproxy.cfg")})
	if err := p.Check(t.Context(), []byte("global\n")); err != nil {
		t.Errorf("a check that ended well: %v", err)
	}
}
