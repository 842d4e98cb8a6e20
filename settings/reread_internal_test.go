package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// rereadable are settings of a file, and a function that writes the file again.
func rereadable(t *testing.T, file string, args ...string) (s *Agent, rewrite func(string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "thalassa.yaml")
	rewrite = func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(file)
	s, err := load(t, "", append(args, "--config", path)...)
	if err != nil {
		t.Fatal(err)
	}
	return s, rewrite
}

func names(changes []Change) string {
	var out []string
	for _, c := range changes {
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

func TestRereadSettings(t *testing.T) {
	for name, c := range map[string]struct {
		before, after    string
		args             []string
		changed, restart string
	}{
		"nothing":             {before: "port: 1\nreload-burst: 3\n", after: "reload-burst: 3\nport: 1\n"},
		"live":                {before: "debug: false\n", after: "debug: true\nlog-format: json\nreload-every: 2s\n", changed: "log-format debug reload-every"},
		"back to the default": {before: "reload-burst: 3\nhaproxy-maxconn: 5\n", after: "", changed: "haproxy-maxconn reload-burst"},
		"a list":              {before: "natives-dirs: [/a, /b]\n", after: "natives-dirs: [/a]\n", changed: "natives-dirs"},
		"both":                {before: "port: 1\n", after: "port: 2\nreload-jitter: 1s\ndb-path: /elsewhere\n", changed: "reload-jitter", restart: "port db-path"},
		"the command line":    {before: "reload-burst: 3\n", after: "reload-burst: 4\nport: 9\n", args: []string{"--reload-burst", "7", "--port", "8"}},
		"tokens elsewhere":    {before: "token-file: /a\n", after: "token-file: /b\n", changed: "token-file"},
		"users for tokens":    {before: "token-file: /a\n", after: "access-file: /b\n", changed: "token-file access-file"},
		"tokens for nobody":   {before: "token-file: /a\n", after: "", restart: "token-file"},
		"tokens at last":      {before: "", after: "token-file: /a\n", restart: "token-file"},
		// client-ca needs access-file, and stays without TLS, which needs a restart.
		"only together": {
			before: "tls: auto\ntoken-file: /a\naccess-file: /b\nclient-ca: /c\ndebug: true\n", after: "tls: \"off\"\ntoken-file: /a\n",
			restart: "debug tls access-file client-ca",
		},
	} {
		s, rewrite := rereadable(t, c.before, c.args...)
		rewrite(c.after)
		newer, err := s.Reread()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := s.Follow(newer)
		if names(got.Changed) != c.changed || names(got.Restart) != c.restart {
			t.Errorf("%s: %q changed and %q need a restart, want %q and %q", name, names(got.Changed), names(got.Restart), c.changed, c.restart)
		}
		for _, one := range got.Changed {
			if got.Next.flags.Lookup(one.Name).Value.String() != one.After {
				t.Errorf("%s: %s is not in effect", name, one)
			}
		}
		for _, one := range got.Restart {
			if got.Next.flags.Lookup(one.Name).Value.String() != one.Before {
				t.Errorf("%s: %s is in effect", name, one)
			}
		}
		if fmt.Sprint(got.Next.paths) != fmt.Sprint(s.paths) {
			t.Errorf("%s: paths are %v, and were %v", name, got.Next.paths, s.paths)
		}
	}
}

// Each live setting takes effect, and is read again from what took effect.
func TestEveryLiveSettingFollows(t *testing.T) {
	live := 0
	values := map[string]string{"log-format": "json", "allow-natives": "any", "natives-dirs": "/other", "routes": "[{path: /img/, files: /srv}]", "clusters": `[{name: paris, addresses: ["https://lb1.example:10000"]}]`}
	base := "token-file: /t\naccess-file: /a\ntls-cert: /c\ntls-key: /k\nclient-ca: /ca\nconsul-ca-file: /consul\nconsul-cert-file: /cert\nconsul-key-file: /key"
	s, rewrite := rereadable(t, base)
	s.flags.VisitAll(func(f *pflag.Flag) {
		if !liveSettings()[f.Name] {
			return
		}
		live++
		value := values[f.Name]
		switch f.Value.Type() {
		case "bool":
			value = "true"
		case "int":
			value = "777"
		case "duration":
			value = "7s"
		default:
			if value == "" {
				value = "/other/file"
			}
		}
		lines := slices.DeleteFunc(strings.Split(base, "\n"), func(line string) bool { return strings.HasPrefix(line, f.Name+":") })
		rewrite(strings.Join(append(lines, f.Name+": "+value), "\n"))
		newer, err := s.Reread()
		if err != nil {
			t.Error(err)
			return
		}
		got := s.Follow(newer)
		if names(got.Changed) != f.Name || len(got.Restart) > 0 {
			t.Errorf("%s: %v changed, and %v need a restart", f.Name, got.Changed, got.Restart)
		}
		again, err := got.Next.Reread()
		if err != nil || len(changes(got.Next, again)) > 0 {
			t.Errorf("%s: read again it changes %v, %v", f.Name, changes(got.Next, again), err)
		}
	})
	if live < 10 {
		t.Errorf("%d live settings", live)
	}
}

func TestRereadNamesTheMistake(t *testing.T) {
	s, rewrite := rereadable(t, "port: 1\n")
	for text, want := range map[string]string{
		"reload-every: -1s\n": "reload-every: -1s is too short",
		"reload-evry: 1s\n":   "reload-evry is not a setting",
		"port: [\n":           "reading the settings",
	} {
		rewrite(text)
		if _, err := s.Reread(); err == nil || !errors.As(err, new(Error)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// Files that are read again while the agent runs are never waited for: something else may
// have come in their place.
func TestFilesThatAreNoneAreNotWaitedFor(t *testing.T) {
	s, _ := rereadable(t, "client-ca: /none\naccess-file: /none\ntls: auto\n")
	if err := errors.Join(os.Remove(s.file), syscall.Mkfifo(s.file, 0o600)); err != nil {
		t.Fatal(err)
	}
	s.clientCA = s.file
	done := make(chan error, 2)
	go func() {
		_, err := s.Reread()
		done <- err
	}()
	go func() {
		_, err := s.TLS().ClientCAs()
		done <- err
	}()
	for range 2 {
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
				t.Errorf("a FIFO in the place of a file: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it waits for the other end of a FIFO")
		}
	}
}
