package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"thalassa/ocf"
)

// ocfDefault is the default of one of the resource agent's parameters.
func ocfDefault(t *testing.T, name string) string {
	t.Helper()
	_, rest, _ := strings.Cut(ocf.Metadata(), fmt.Sprintf("<parameter name=%q", name))
	_, rest, _ = strings.Cut(rest, ` default="`)
	value, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("there is no parameter %s", name)
	}
	return value
}

// The agent of a system, its packaged settings, the container's and the resource agent
// mean the same HAProxy.
func TestDefaultPathsAreTheResourceAgents(t *testing.T) {
	want := map[string]string{
		"haproxy-socket-path": ocfDefault(t, "stats_socket"), "haproxy-master-socket-path": ocfDefault(t, "master_socket"),
		"haproxy-pid-path": ocfDefault(t, "pidfile"),
	}
	has := func(what string, s *Agent) {
		t.Helper()
		for setting, got := range map[string]string{"haproxy-socket-path": s.statsSocket, "haproxy-master-socket-path": s.masterSocket, "haproxy-pid-path": s.pidPath} {
			if got != want[setting] {
				t.Errorf("%s: %s is %s, the resource agent's %s", what, setting, got, want[setting])
			}
		}
	}
	s, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []*string{&s.statsSocket, &s.masterSocket, &s.pidPath} {
		*path = filepath.Join(systemRunDir, filepath.Base(*path))
	}
	has("the agent", s)
	for _, name := range []string{"thalassa.yaml", "container.yaml"} {
		file, err := os.ReadFile("../packaging/" + name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := load(t, string(file))
		if err != nil {
			t.Fatal(err)
		}
		has(name, s)
	}
}

// No default path is where everybody may make files.
func TestNoDefaultIsShared(t *testing.T) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&Agent{}).Flags(f)
	f.VisitAll(func(flag *pflag.Flag) {
		if strings.Contains(flag.DefValue, "tmp") {
			t.Errorf("--%s is %s", flag.Name, flag.DefValue)
		}
	})
	s, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	s.cfgPath = "/etc/haproxy/haproxy.cfg"
	if err := s.MakeRunDir(); err != nil {
		t.Fatal(err)
	}
	if names, _ := s.SharedPaths(); len(names) > 0 {
		t.Errorf("shared: %v", names)
	}
}

// Paths that are named are taken as they are, and told of where others may take them.
func TestNamedPathsInTmp(t *testing.T) {
	s, err := load(t, "", "--haproxy-socket-path", "/tmp/haproxy.status.sock", "--haproxy-pid-path", "/tmp/haproxy.pid")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.statsSocket, s.masterSocket, s.pidPath, s.runDir, s.former); got != "/tmp/haproxy.status.sock/tmp/haproxy.master.sock/tmp/haproxy.pid<nil>" {
		t.Errorf("got %s", got)
	}
	names, _ := s.SharedPaths()
	if got := fmt.Sprint(names); got != "[haproxy-socket-path haproxy-master-socket-path haproxy-peers-socket-path haproxy-pid-path]" {
		t.Errorf("got %s", got)
	}
}

// Where the former paths lead, with the paths that somebody named left out.
func TestFormerPaths(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "&{/tmp/haproxy.status.sock /tmp/haproxy.master.sock /var/run/haproxy.pid}"},
		{[]string{"--haproxy-pid-path", "/p"}, "&{/tmp/haproxy.status.sock /tmp/haproxy.master.sock /p}"},
		{[]string{"--haproxy-socket-path", "/s"}, "<nil>"},
		{[]string{"--haproxy-master-socket-path", "/m"}, "<nil>"},
	} {
		s, err := load(t, "", c.args...)
		if got := fmt.Sprint(s.former); err != nil || got != c.want {
			t.Errorf("%v: got %s, %v, want %s", c.args, got, err, c.want)
		}
	}
}

func TestChooseRunDir(t *testing.T) {
	uid := os.Geteuid()
	for name, c := range map[string]struct {
		lay  func(dir string) error
		uid  int // added to ours
		want string
	}{
		"nothing is there":         {func(string) error { return nil }, 0, "system"},
		"it is there":              {func(d string) error { return os.Mkdir(d+"/system", 0o700) }, 0, "system"},
		"its group may look":       {func(d string) error { return os.Mkdir(d+"/system", 0o750) }, 0, "system"},
		"a link":                   {func(d string) error { return os.Symlink(d, d+"/system") }, 0, "/system is a symbolic link"},
		"a file":                   {func(d string) error { return os.WriteFile(d+"/system", nil, 0o600) }, 0, "/system is not a directory"},
		"others may write":         {func(d string) error { return errors.Join(os.Mkdir(d+"/system", 0o700), os.Chmod(d+"/system", 0o777)) }, 0, "may be written to by others (mode 0777)"}, //nolint:gosec // it is to be refused
		"its group may write":      {func(d string) error { return errors.Join(os.Mkdir(d+"/system", 0o700), os.Chmod(d+"/system", 0o770)) }, 0, "may be written to by others (mode 0770)"}, //nolint:gosec // it is to be refused
		"others may replace it":    {func(d string) error { return os.Chmod(d, 0o777) }, 0, "others may replace what is in"},                                                                //nolint:gosec // it is to be refused
		"all may, and not replace": {func(d string) error { return os.Chmod(d, 0o777|os.ModeSticky) }, 0, "system"},                                                                         //nolint:gosec // a sticky one
		"another's": {func(d string) error {
			return errors.Join(os.Mkdir(d+"/system", 0o700), os.Chown(d+"/system", 54321, -1))
		}, 0, "belongs to uid 54321"},
		"a directory above is": {func(d string) error { return os.Chown(d, 54321, -1) }, 0, "belongs to uid 54321"},
		"an ordinary user":     {func(d string) error { return os.Mkdir(d+"/user", 0o700) }, 1, "user/thalassa"},
		"an ordinary user's": {func(d string) error {
			return errors.Join(os.Mkdir(d+"/user", 0o700), os.Mkdir(d+"/system", 0o700), os.Chown(d+"/system", uid+1, -1))
		}, 1, "system"},
		"an ordinary user, root's":   {func(d string) error { return errors.Join(os.Mkdir(d+"/user", 0o700), os.Mkdir(d+"/system", 0o700)) }, 1, "user/thalassa"},
		"an ordinary user's, shared": {func(d string) error { return errors.Join(os.Mkdir(d+"/user", 0o700), os.Chmod(d+"/user", 0o777)) }, 1, "system does not exist, and others may replace what is in"}, //nolint:gosec // it is to be refused
	} {
		t.Run(name, func(t *testing.T) {
			if uid != 0 {
				t.Skip("only root gives files away")
			}
			dir := t.TempDir()
			if err := c.lay(dir); err != nil {
				t.Fatal(err)
			}
			got, err := runDirs{system: dir + "/system", user: dir + "/user", uid: uid + c.uid}.choose()
			switch {
			case err == nil && got != dir+"/"+c.want:
				t.Errorf("got %s, want %s", got, c.want)
			case err != nil && !strings.Contains(err.Error(), c.want):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	_, err := runDirs{system: t.TempDir() + "/none", uid: 54321}.choose()
	if err == nil || !strings.Contains(err.Error(), "none does not exist, and XDG_RUNTIME_DIR is not set") {
		t.Errorf("got %v", err)
	}
	s := Agent{paths: paths{runDirs: runDirs{system: "/nonexistent/thalassa", uid: 54321}}}
	if err := s.complete(); err == nil || !strings.Contains(err.Error(), "haproxy-socket-path") || !errors.As(err, new(Error)) {
		t.Errorf("got %v", err)
	}
}

// The directory is its user's alone, but for workers that run as another user: they
// may pass.
func TestMakeRunDir(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	nobody := &account{65534, 65534}
	for _, c := range []struct {
		uid    int
		worker *account
		want   fs.FileMode
		gid    uint32
	}{{0, nil, 0o700, 0}, {0, &account{0, 0}, 0o700, 0}, {0, nobody, 0o710, 65534}} {
		dir := filepath.Join(t.TempDir(), "thalassa")
		for range 2 { // the second finds it
			if err := (runDirs{uid: c.uid}).makeDir(dir, c.worker); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(dir)
			if err != nil || info.Mode().Perm() != c.want {
				t.Errorf("%+v: %v, %v", c, info.Mode(), err)
			}
		}
	}
	dir := filepath.Join(t.TempDir(), "thalassa")
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	if err := (runDirs{uid: 0}).makeDir(dir, nobody); err == nil {
		t.Error("a link was taken")
	}
}
