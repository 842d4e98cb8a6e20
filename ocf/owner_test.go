package ocf_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/ocf"
)

// nobody owns nothing.
const nobody = 65534

// newRootsSite is a site with a configuration, where root may start HAProxy as
// somebody else. It marks the test as parallel.
func newRootsSite(t *testing.T) *fixture {
	t.Helper()
	testkit.Needs(t, "root")
	if os.Geteuid() != 0 {
		t.Skip("only root starts HAProxy as somebody else")
	}
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	return s
}

// giveAway makes the folder and the configuration nobody's.
func (f *fixture) giveAway() {
	f.t.Helper()
	for _, path := range []string{f.dir, f.path("haproxy.cfg")} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestUnknownUserIsOfThisNodeAlone(t *testing.T) {
	s := newRootsSite(t)
	s.parameters["user"] = "nobody-of-that-name"
	s.want(ocf.Installed, "start", 0)
}

// Root does nothing of what the configuration's owner may bring it to: its file is
// checked by that user (it may name programs to be run), and links are not followed.
func TestRootServesNobodyElse(t *testing.T) {
	s := newRootsSite(t)
	script := fmt.Sprintf("#!/bin/sh\ncase \" $* \" in *' -c '*) id -u >>%s ;; esac\nexec %s \"$@\"\n", s.path("checked"), s.parameters["binary"])
	s.parameters["binary"] = s.path("program")
	for name, content := range map[string]string{"program": script, "checked": "", "victim": "untouched"} {
		if err := testkit.WriteProgram(s.path(name), []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{s.dir, s.path("haproxy.cfg"), s.path("checked")} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"log", "pid.refused"} {
		if err := os.Symlink(s.path("victim"), s.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	s.want(ocf.Generic, "start", 0) // the log leads elsewhere
	if err := os.Remove(s.path("log")); err != nil {
		t.Fatal(err)
	}
	s.want(ocf.OK, "start", 0)
	s.want(ocf.OK, "validate-all", 0)
	if err := os.Symlink(s.path("victim"), s.path("pid.refused")); err != nil {
		t.Fatal(err)
	}
	s.put("global\n    no such keyword\n")
	if r := s.do("reload-agent", 0); r.Code != ocf.OK || !strings.Contains(r.Reason, "keeps running with the previous") {
		t.Errorf("a bad file: %+v", r)
	}
	checked, err := os.ReadFile(s.path("checked"))
	if err != nil || !strings.Contains(string(checked), "65534\n") || strings.Contains("\n"+string(checked), "\n0\n") {
		t.Errorf("checked as %q, %v", checked, err)
	}
	if content, err := os.ReadFile(s.path("victim")); err != nil || string(content) != "untouched" {
		t.Errorf("the other file is %q, %v", content, err)
	}
	if info, err := os.Stat(s.path("victim")); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 { //nolint:forcetypeassert // Linux
		t.Errorf("the other file belongs to %v, %v", info.Sys(), err)
	}
}

// Whoever owns the folder of the configuration gets neither root's rights nor what
// only root may read, whatever stands in place of the files.
func TestRootLendsItsRightsToNobody(t *testing.T) {
	testkit.Needs(t, "root")
	if os.Geteuid() != 0 {
		t.Skip("only root starts HAProxy as somebody else")
	}
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("open-sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to, path string) {
		t.Helper()
		_ = os.Remove(path)
		if err := errors.Join(os.Symlink(to, path), os.Lchown(path, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
	}
	owned := func() *fixture {
		t.Helper()
		s := newFixture(t)
		s.write("one")
		for _, path := range []string{s.dir, s.path("haproxy.cfg")} {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		s.want(ocf.OK, "start", 0) // which keeps the file
		s.want(ocf.OK, "stop", 0)
		return s
	}
	for name, replace := range map[string]func(s *fixture){
		"a link to root's file": func(s *fixture) { link(s.path("haproxy.cfg.last-good"), s.path("haproxy.cfg")) },
		"root's file in its place": func(s *fixture) {
			if err := os.Rename(s.path("haproxy.cfg.last-good"), s.path("haproxy.cfg")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		s := owned()
		if err := os.Chown(s.path("haproxy.cfg.last-good"), 0, 0); err != nil {
			t.Fatal(err)
		}
		replace(s)
		if r := s.do("start", 0); r.Code == ocf.OK {
			for _, pid := range append(s.workers(), s.master()) {
				if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil || info.Sys().(*syscall.Stat_t).Uid != nobody { //nolint:forcetypeassert // Linux
					t.Errorf("%s: HAProxy runs as %v, %v", name, info.Sys(), err)
				}
			}
		}
		s.want(ocf.OK, "stop", 0)
	}

	s := owned()
	told := func(what, text string) {
		t.Helper()
		if strings.Contains(text, "sesame") {
			t.Errorf("%s tells what only root may read: %s", what, text)
		}
	}
	link(secret, s.path("haproxy.cfg"))
	told("validate-all", s.do("validate-all", 0).Reason)
	told("start", s.do("start", 0).Reason)
	_ = os.Remove(s.path("haproxy.cfg"))
	link(secret, s.path("haproxy.cfg.last-good"))
	s.put("nonsense\n")
	if err := os.Chown(s.path("haproxy.cfg"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	told("the start with the last good file", s.do("start", 0).Reason)
	for _, name := range []string{"log", "haproxy.cfg"} {
		data, err := os.ReadFile(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		told(name, string(data))
	}
}

// Nor does anything wait for what the configuration's owner has put in the place of
// a file.
func TestRootWaitsForNoFIFO(t *testing.T) {
	s := newRootsSite(t)
	s.giveAway()
	for _, c := range []struct{ first, file, action string }{
		{"start", "haproxy.cfg.last-good", "reload"}, {"start", "log", "reload"}, {"stop", "pid", "start"},
	} {
		s.want(ocf.OK, c.first, 0)
		path := s.path(c.file)
		_ = os.Remove(path) // no pid file is left by a stop
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		ended := make(chan ocf.Result, 1)
		go func() { ended <- s.do(c.action, 0) }()
		select {
		case r := <-ended:
			if r.Code != ocf.OK {
				t.Errorf("%s beside the FIFO %s: %+v", c.action, c.file, r)
			}
		case <-time.After(patience):
			t.Errorf("%s waits for the FIFO %s", c.action, c.file)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// What HAProxy says at its start goes to no other file of root's, which would be the
// user's then.
func TestRootGivesNoOtherFileAway(t *testing.T) {
	s := newRootsSite(t)
	s.giveAway()
	if err := errors.Join(os.WriteFile(s.path("victim"), nil, 0o600), os.Link(s.path("victim"), s.path("log"))); err != nil {
		t.Fatal(err)
	}
	s.want(ocf.Generic, "start", 0)
	if info, err := os.Stat(s.path("victim")); err != nil || info.Size() != 0 || info.Sys().(*syscall.Stat_t).Uid != 0 { //nolint:forcetypeassert // Linux
		t.Errorf("the other file: %v, %v", info, err)
	}
}

func TestRunsAsTheOwnerOfTheConfiguration(t *testing.T) {
	s := newRootsSite(t)
	s.giveAway()
	s.parameters["stats_socket"] = s.path("stats")
	s.parameters["master_socket"], s.parameters["pidfile"] = s.path("run/master"), s.path("run/pid") // a folder to be made
	s.want(ocf.OK, "start", 0)
	s.answers("one")
	for _, path := range []string{s.path("run"), s.path("run/master"), s.path("stats"), s.path("log")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != nobody {
			t.Errorf("%s belongs to %v", path, info.Sys())
		}
	}
	s.want(ocf.OK, "reload-agent", 0)
	s.want(ocf.OK, "stop", 0)
	s.closed()
}
