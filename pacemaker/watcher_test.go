package pacemaker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/pacemaker"
)

const patience = time.Minute

// watch runs a watcher until the test ends.
func watch(t *testing.T, c *pacemaker.Cluster) *pacemaker.Watcher {
	t.Helper()
	w := pacemaker.NewWatcher(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return w
}

func awaitView(t *testing.T, w *pacemaker.Watcher, what string, ok func(cluster.Status) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		next := w.Changed()
		if ok(w.View()) {
			return
		}
		select {
		case <-next:
		case <-deadline:
			t.Fatalf("waiting for %s: %+v", what, w.View())
		}
	}
}

// What is left of programs that were killed goes, but for what another one may be using.
func TestWatcherRemovesCopiesThatWereLeft(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ours, used, other := filepath.Join(dir, "thalassa-cib-12"), filepath.Join(dir, "thalassa-cib-34"), filepath.Join(dir, "thalassa-dev-56")
	for folder, age := range map[string]time.Duration{ours: time.Hour, used: time.Second, other: time.Hour} {
		since := time.Now().Add(-age)
		if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "cib.xml"), nil, 0o600), os.Chtimes(folder, since, since)); err != nil {
			t.Fatal(err)
		}
	}
	w := watch(t, pacemaker.New(pacemaker.Config{File: path, Stream: "/nonexistent/thalassa-cib"}))
	awaitView(t, w, "a first view", func(v cluster.Status) bool { return v.State == cluster.StateErrors })
	if _, err := os.Stat(ours); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy of a program that was killed is there: %v", err)
	}
	for _, folder := range []string{used, other} {
		if _, err := os.Stat(filepath.Join(folder, "cib.xml")); err != nil {
			t.Error(err)
		}
	}
}

// What is secret in the cluster is known while Pacemaker is away, too.
func TestWatcherKnowsSecrets(t *testing.T) {
	_, path := onFile(t, "made-by-pcs.xml")
	c := pacemaker.New(pacemaker.Config{File: path, Stream: "/nonexistent/thalassa-cib"})
	if s, ok := pacemaker.NewWatcher(c).Secrets(); ok {
		t.Errorf("before Pacemaker has answered: %+v", s)
	}
	w := watch(t, c)
	awaitView(t, w, "a first view", func(v cluster.Status) bool { return v.State != "" && v.State != cluster.StateOffline })
	first := w.View().Epoch
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(data), "canary-of-a-secret", "another-secret-word")
	changed = strings.Replace(changed, fmt.Sprintf(` epoch="%d"`, first.Epoch), fmt.Sprintf(` epoch="%d"`, first.Epoch+1), 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	awaitView(t, w, "another secret", func(v cluster.Status) bool { return v.Epoch.Compare(first) > 0 })
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	awaitView(t, w, "offline", func(v cluster.Status) bool { return v.State == cluster.StateOffline })
	s, ok := w.Secrets()
	for _, secret := range []string{"canary-of-a-secret", "another-secret-word"} {
		if text := s.Hide("as " + secret + " it failed"); !ok || strings.Contains(text, secret) {
			t.Errorf("while Pacemaker is away: %q, %t", text, ok)
		}
	}
}

func TestWatcherPollsWithoutAStream(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	c := pacemaker.New(pacemaker.Config{File: path, Stream: "/nonexistent/thalassa-cib"})
	w := watch(t, c)
	awaitView(t, w, "a first view", func(v cluster.Status) bool { return v.State == cluster.StateErrors })
	first := w.View().Epoch
	tool(t, path, "crm_attribute", "-N", "n3", "-n", "standby", "-v", "on")
	awaitView(t, w, "standby", func(v cluster.Status) bool { return v.Nodes[2].State == "standby" && v.Epoch.Compare(first) > 0 })
	if cib, err := w.MaskedCIB(); err != nil || !strings.Contains(string(cib), `name="standby"`) {
		t.Errorf("%.80s, %v", cib, err)
	}

	// Pacemaker goes away, and comes back.
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	awaitView(t, w, "offline", func(v cluster.Status) bool { return v.State == cluster.StateOffline })
	if v := w.View(); len(v.Nodes) != 3 || len(v.Reasons) != 1 || v.Role != "offline" {
		t.Errorf("offline: %+v", v)
	}
	if _, err := w.MaskedCIB(); err == nil {
		t.Error("a CIB that may be stale is shown")
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	awaitView(t, w, "to be back", func(v cluster.Status) bool { return v.State == cluster.StateErrors })
}

// Where Pacemaker has never answered there is nothing to show, which is no null.
func TestWatcherOfNoCluster(t *testing.T) {
	w := watch(t, pacemaker.New(pacemaker.Config{Tools: "/nonexistent", Stream: "/nonexistent/thalassa-cib"}))
	awaitView(t, w, "offline", func(v cluster.Status) bool { return v.State == cluster.StateOffline })
	text, err := json.Marshal(w.View())
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%s, %v", text, err)
	}
}

// A stream that tells of changes, ends, and comes back.
func TestWatcherFollowsAStream(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	starts := filepath.Join(t.TempDir(), "starts")
	dir := tools(t, map[string]string{"thalassa-cib": `echo start >>` + starts + `
		echo '{"epoch":"0:0:1"}'
		n=$(wc -l <` + starts + `)
		[ "$n" -gt 1 ] || { echo "the connection is lost" >&2; exit 1; }
		exec cat`})
	w := watch(t, pacemaker.New(pacemaker.Config{File: path, Stream: filepath.Join(dir, "thalassa-cib")}))
	awaitView(t, w, "a first view", func(v cluster.Status) bool { return v.State != "" })
	testkit.Eventually(t, patience, func() error {
		data, err := os.ReadFile(starts)
		if n := strings.Count(string(data), "start"); n < 2 {
			return fmt.Errorf("it was started %d times (%w)", n, errors.Join(err, errors.New("too few")))
		}
		return nil
	})
	// The stream is silent from now on; what it does not tell is found all the same.
	tool(t, path, "crm_attribute", "-N", "n1", "-n", "standby", "-v", "on")
	awaitView(t, w, "standby", func(v cluster.Status) bool { return v.Nodes[0].State == "standby" })
}

// A stream that hangs is not waited for: it is started anew.
func TestWatcherEndsAStreamThatTellsNothing(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	starts := filepath.Join(t.TempDir(), "starts")
	dir := tools(t, map[string]string{"thalassa-cib": `echo start >>` + starts + `
		echo '{"epoch":"0:0:1"}'
		exec sleep 600`})
	w := watch(t, pacemaker.New(pacemaker.Config{File: path, Stream: filepath.Join(dir, "thalassa-cib"), Logger: testkit.Logger(t)}))
	awaitView(t, w, "a first view", func(v cluster.Status) bool { return v.State != "" })
	begun := func() int {
		data, _ := os.ReadFile(starts)
		return strings.Count(string(data), "start")
	}
	testkit.Eventually(t, patience, func() error {
		if begun() == 0 {
			return errors.New("it was not started")
		}
		return nil
	})
	standby := map[bool]string{true: "standby", false: "online"}
	testkit.Eventually(t, patience, func() error { // a change that a look finds which something else called for tells nothing
		is := w.View().Nodes[0].State == standby[true]
		tool(t, path, "crm_attribute", "-N", "n1", "-n", "standby", "-v", map[bool]string{true: "off", false: "on"}[is])
		awaitView(t, w, "standby", func(v cluster.Status) bool { return v.Nodes[0].State == standby[!is] })
		if begun() < 2 {
			return errors.New("it was not started again")
		}
		return nil
	})
}

func TestWatcherSurvivesNonsenseOfAStream(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	dir := tools(t, map[string]string{"thalassa-cib": `echo 'not json'; exec cat`})
	w := watch(t, pacemaker.New(pacemaker.Config{File: path, Stream: filepath.Join(dir, "thalassa-cib")}))
	awaitView(t, w, "a first view", func(v cluster.Status) bool { return v.State != "" })
	tool(t, path, "crm_attribute", "-N", "n1", "-n", "standby", "-v", "on")
	awaitView(t, w, "standby", func(v cluster.Status) bool { return v.Nodes[0].State == "standby" })
}

// With MayBeNone there is no cluster where its tools are and nothing runs, one that
// is started is found, and one that goes down stays.
func TestWatcherFindsAClusterThatComes(t *testing.T) {
	_, cib := onFile(t, "failed.xml")
	up := filepath.Join(t.TempDir(), "up")
	script := func(name string) string {
		return `[ -e ` + up + ` ] || { echo "Could not connect" >&2; exit 102; }
			CIB_file=` + cib + ` exec /usr/sbin/` + name + ` "$@"`
	}
	dir := tools(t, map[string]string{"cibadmin": script("cibadmin"), "crm_mon": script("crm_mon")})
	conf := filepath.Join(t.TempDir(), "corosync.conf")
	w := watch(t, pacemaker.New(pacemaker.Config{Tools: dir, Stream: "/nonexistent/thalassa-cib", MayBeNone: true, Corosync: conf, Kept: conf + ".cib"}))
	is := func(state string) func(cluster.Status) bool {
		return func(v cluster.Status) bool { return v.State == state }
	}
	awaitView(t, w, "no cluster", is(cluster.StateNone))
	for _, path := range []string{conf, up} { // set up, and started
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	awaitView(t, w, "the cluster", is(cluster.StateErrors))
	if err := os.Remove(up); err != nil {
		t.Fatal(err)
	}
	awaitView(t, w, "the cluster that is down", is(cluster.StateOffline))
	if len(w.View().Nodes) != 3 {
		t.Errorf("nothing is left of it: %+v", w.View())
	}
	// A node that has left has neither corosync.conf nor a stored CIB.
	if err := os.Remove(conf); err != nil {
		t.Fatal(err)
	}
	w.Look()
	awaitView(t, w, "no cluster after it has left", is(cluster.StateNone))
	if v := w.View(); len(v.Nodes) != 0 || len(v.Resources) != 0 || v.Self != "" {
		t.Errorf("the cluster that it has left is still there: %+v", v)
	}
	if cib, err := w.CIB(); cib != nil || err == nil {
		t.Errorf("its CIB is still there: %v", err)
	}
	for _, path := range []string{conf, up} { // it joins again
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	awaitView(t, w, "the cluster again", is(cluster.StateErrors))
	if err := os.Remove(up); err != nil {
		t.Fatal(err)
	}
	// The next agent knows that there is one, by what Pacemaker has left.
	if err := os.WriteFile(conf+".cib", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	next := watch(t, pacemaker.New(pacemaker.Config{Tools: dir, MayBeNone: true, Corosync: conf, Kept: conf + ".cib"}))
	awaitView(t, next, "the cluster that is down", is(cluster.StateOffline))
}

// A thalassa-cib that was built for other libraries is as good as none.
func TestWatcherPollsWhereTheStreamCannotRun(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	dir := tools(t, map[string]string{"thalassa-cib": `echo "error while loading shared libraries: libcib.so.27" >&2; exit 127`})
	var log testkit.Log
	w := watch(t, pacemaker.New(pacemaker.Config{
		File: path, Stream: filepath.Join(dir, "thalassa-cib"), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}))
	testkit.Eventually(t, patience, func() error {
		if text := log.String(); !strings.Contains(text, "polling the cluster instead") || !strings.Contains(text, "libcib.so.27") {
			return fmt.Errorf("the log says %q", text)
		}
		return nil
	})
	tool(t, path, "crm_attribute", "-N", "n1", "-n", "standby", "-v", "on")
	awaitView(t, w, "standby", func(v cluster.Status) bool { return len(v.Nodes) == 3 && v.Nodes[0].State == "standby" })
	if strings.Contains(log.String(), "has ended") {
		t.Errorf("it was started again: %s", &log)
	}
}
