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
	for _, socket := range []string{cfg.MasterSocket, cfg.StatsSocket} {
		other := paths(t.TempDir())
		if other.MasterSocket = socket; socket == cfg.StatsSocket {
			other.MasterSocket, other.StatsSocket = filepath.Join(filepath.Dir(other.ConfigPath), "master"), socket
		}
		if _, err := haproxy.New(other).Claim(t.Context()); err == nil || !strings.Contains(err.Error(), "another agent looks after "+socket) {
			t.Errorf("another file with the socket %s: %v", socket, err)
		}
	}
	other := paths(t.TempDir())
	other.ConfigPath = cfg.ConfigPath + ".other"
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
	fx := newFixture(t, testkit.HAProxy(t))
	former := filepath.Join(fx.dir, ".haproxy.cfg.former")
	claim := func() {
		t.Helper()
		release, err := fx.another(nil).Claim(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release()
		for _, path := range []string{".haproxy.cfg.lock", ".master.lock", ".stats.lock"} {
			if err := os.Remove(filepath.Join(fx.dir, path)); err != nil {
				t.Error(err)
			}
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
	fx.apply("one")
	put(former, fx.config("one"))
	put(fx.cfg.ConfigPath, fx.config("bad", "ulimit-n 2000000000"))
	claim()
	fx.agree("one")

	fx.apply("two") // the worker had taken it
	put(former, fx.config("one"))
	claim()
	fx.agree("two")

	if err := fx.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(former, fx.config("two"))
	put(fx.cfg.ConfigPath, fx.config("bad", "ulimit-n 2000000000"))
	claim()
	if got := fx.file(fx.cfg.ConfigPath); got != string(fx.config("two")) {
		t.Errorf("the file is\n%s", got)
	}
}
