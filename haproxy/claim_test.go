package haproxy_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
)

func TestClaimIsForOneAtATime(t *testing.T) {
	cfg := paths(t.TempDir())
	release, err := haproxy.New(cfg).Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := haproxy.New(cfg).Claim(t.Context()); err == nil || !strings.Contains(err.Error(), "another agent looks after "+cfg.ConfigPath) {
		t.Errorf("the second claim: %v", err)
	}
	other := cfg
	other.ConfigPath += ".other"
	if releaseOther, err := haproxy.New(other).Claim(t.Context()); err != nil {
		t.Errorf("another HAProxy: %v", err)
	} else {
		releaseOther()
	}
	release()
	if release, err = haproxy.New(cfg).Claim(t.Context()); err != nil {
		t.Errorf("after the release: %v", err)
	} else {
		release()
	}
}

// TestKilledBetweenInstallationAndVerdict: a file that no worker has taken is not to be
// there when HAProxy is started again, by whomever.
func TestKilledBetweenInstallationAndVerdict(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	former := filepath.Join(l.dir, ".haproxy.cfg.former")
	claim := func() {
		t.Helper()
		release, err := l.another(nil).Claim(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release()
		if err := os.Remove(filepath.Join(l.dir, ".haproxy.cfg.lock")); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(former); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the former file: %v", err)
		}
	}
	put := func(path string, config []byte) {
		t.Helper()
		if err := os.WriteFile(path, config, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.apply("one")
	put(former, l.config("one"))
	put(l.cfg.ConfigPath, l.config("bad", "ulimit-n 2000000000"))
	claim()
	l.agree("one")

	l.apply("two") // the worker had taken it
	put(former, l.config("one"))
	claim()
	l.agree("two")

	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(former, l.config("two"))
	put(l.cfg.ConfigPath, l.config("bad", "ulimit-n 2000000000"))
	claim()
	if got := l.file(l.cfg.ConfigPath); got != string(l.config("two")) {
		t.Errorf("the file is\n%s", got)
	}
}
