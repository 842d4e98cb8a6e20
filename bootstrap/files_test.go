package bootstrap_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"thalassa/bootstrap"
)

const theirs = "totem {\n cluster_name: theirs\n}\nnodelist {\n node {\n  ring0_addr: 198.51.100.1\n  nodeid: 1\n }\n}\n"

// What somebody writes between the check and the step is not replaced, and undoing leaves it.
func TestForeignMeanwhile(t *testing.T) {
	t.Parallel()
	for step, text := range map[string]string{"authkey": strings.Repeat("k", 200), "corosync.conf": theirs} {
		for _, furnished := range []bool{false, true} {
			w := newWorld(t, 1)
			if furnished {
				w.furnish(t, 1)
			}
			cfg := w.config(1)
			cfg.BeforeStep = func(next string) {
				if next == step {
					mustNot(t, os.WriteFile(w.path(1, "etc/"+step), []byte(text), 0o600))
				}
			}
			err := bootstrap.Init(t.Context(), cfg, founding(1))
			if !errors.As(err, new(*bootstrap.ConflictError)) {
				t.Errorf("%s: %v", step, err)
			}
			if got := w.read(t, 1, "etc/"+step); got != text {
				t.Errorf("%s is %q", step, got)
			}
			if step != "authkey" && w.exists(1, "etc/authkey") || w.exists(1, "journal/journal.json") || w.exists(1, "etc/authkey.thalassa-part") {
				t.Errorf("%s: something is left", step)
			}
		}
	}
}

// A key that has come between two runs is neither replaced nor removed, and no former corosync.conf
// replaces one that has come.
func TestForeignBetweenRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.furnish(t, 1)
	w.killed(t, killedHere{Do: "init", Machine: 1, Step: "corosync"})
	key := strings.Repeat("k", 200)
	mustNot(t, os.Remove(w.path(1, "etc/authkey")))
	mustNot(t, os.WriteFile(w.path(1, "etc/authkey"), []byte(key), 0o400))
	if err := bootstrap.Init(t.Context(), w.config(1), founding(1)); err == nil || !strings.Contains(err.Error(), "authkey exists") {
		t.Errorf("init: %v", err)
	}
	c := start(t.Context(), w.config(1), bootstrap.Leave)
	mustNot(t, c.ends(t))
	if got := w.read(t, 1, "etc/authkey"); got != key || !c.has("authkey", "warning") {
		t.Errorf("authkey is %q\n%s", got, c)
	}
	if got := w.read(t, 1, "etc/corosync.conf"); got != shipped {
		t.Errorf("corosync.conf is %q", got)
	}
}

// A command that was killed in the middle of writing the key leaves no copy of it.
func TestNoPartOfTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.killed(t, killedHere{Do: "init", Machine: 1, Step: "corosync.conf"})
	mustNot(t, os.Link(w.path(1, "etc/authkey"), w.path(1, "etc/authkey.thalassa-part")))
	var record map[string]any
	mustNot(t, json.Unmarshal([]byte(w.read(t, 1, "journal/journal.json")), &record))
	record["done"] = []string{"stop", "cib"}
	data, err := json.Marshal(record)
	mustNot(t, err)
	mustNot(t, os.WriteFile(w.path(1, "journal/journal.json"), data, 0o600))
	mustNot(t, bootstrap.Init(t.Context(), w.config(1), founding(1)))
	w.isComplete(t, 1)
	if w.exists(1, "etc/authkey.thalassa-part") {
		t.Error("a copy of the key is left")
	}
}

// A corosync.conf that cannot be kept, because it is too large, is not replaced.
func TestLargeExample(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	text := shipped + strings.Repeat("# no more\n", 10_000)
	mustNot(t, os.WriteFile(w.path(1, "etc/corosync.conf"), []byte(text), 0o644))
	err := bootstrap.Init(t.Context(), w.config(1), founding(1))
	if !errors.As(err, new(*bootstrap.ConflictError)) || !strings.Contains(err.Error(), "is larger than") {
		t.Errorf("got %v", err)
	}
	if got := w.read(t, 1, "etc/corosync.conf"); got != text {
		t.Errorf("corosync.conf has %d bytes", len(got))
	}
}

// A command that was killed after it had kept the former corosync.conf is followed by another one, also in
// an overlay file system, in which the two names look like two files. Another file of that name stays.
func TestFormerConfIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	path := w.path(1, "etc/corosync.conf")
	mustNot(t, os.WriteFile(path, []byte(shipped), 0o644))
	mustNot(t, os.WriteFile(path+".before-thalassa", []byte(shipped), 0o644))
	mustNot(t, bootstrap.Init(t.Context(), w.config(1), founding(1)))
	w.isComplete(t, 1)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(1)))
	if got := w.read(t, 1, "etc/corosync.conf"); got != shipped || w.exists(1, "etc/corosync.conf.before-thalassa") {
		t.Errorf("got %q", got)
	}
	mustNot(t, os.WriteFile(path+".before-thalassa", []byte(shipped+"# of the site\n"), 0o644))
	if err := bootstrap.Init(t.Context(), w.config(1), founding(1)); err == nil || !strings.Contains(err.Error(), "before-thalassa") {
		t.Errorf("another file: %v", err)
	}
}

// The former corosync.conf comes back as it was: with its mode, and as a symbolic link.
func TestFormerConf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	path, target := w.path(1, "etc/corosync.conf"), w.path(1, "etc/site.conf")
	mustNot(t, os.WriteFile(target, []byte(shipped), 0o640))
	mustNot(t, os.Symlink("site.conf", path))
	for _, step := range []string{"corosync.conf", "corosync", "undo corosync.conf"} {
		if step == "undo corosync.conf" {
			mustNot(t, bootstrap.Init(t.Context(), w.config(1), founding(1)))
			w.isComplete(t, 1)
			w.killed(t, killedHere{Do: "leave", Machine: 1, Step: step})
		} else {
			w.killed(t, killedHere{Do: "init", Machine: 1, Step: step})
		}
		mustNot(t, bootstrap.Leave(t.Context(), w.config(1)))
		link, err := os.Readlink(path)
		if info, statErr := os.Stat(target); err != nil || link != "site.conf" || statErr != nil || info.Mode().Perm() != 0o640 || w.read(t, 1, "etc/site.conf") != shipped {
			t.Errorf("after %s: %q, %v, %v", step, link, err, info)
		}
		if w.exists(1, "etc/corosync.conf.before-thalassa") {
			t.Errorf("after %s: a second name is left", step)
		}
	}
	mustNot(t, os.Remove(path))
	mustNot(t, os.Rename(target, path))
	owner := uint32(os.Geteuid())
	if owner == 0 {
		owner = 7
		mustNot(t, os.Chown(path, 7, 7))
	}
	mustNot(t, bootstrap.Init(t.Context(), w.config(1), founding(1)))
	mustNot(t, bootstrap.Leave(t.Context(), w.config(1)))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 || w.owner(t, path) != owner {
		t.Errorf("got %v, %v", info, err)
	}
}
