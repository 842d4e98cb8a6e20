package pacemaker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
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

func awaitView(t *testing.T, w *pacemaker.Watcher, what string, ok func(lb.Cluster) bool) {
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

func TestWatcherPollsWithoutAStream(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	c := pacemaker.New(pacemaker.Config{File: path, Stream: "/nonexistent/thalassa-cib"})
	w := watch(t, c)
	awaitView(t, w, "a first view", func(v lb.Cluster) bool { return v.State == lb.ClusterErrors })
	first := w.View().Epoch
	tool(t, path, "crm_attribute", "-N", "n3", "-n", "standby", "-v", "on")
	awaitView(t, w, "standby", func(v lb.Cluster) bool { return v.Nodes[2].State == "standby" && v.Epoch.Compare(first) > 0 })
	if cib, err := w.MaskedCIB(); err != nil || !strings.Contains(string(cib), `name="standby"`) {
		t.Errorf("%.80s, %v", cib, err)
	}

	// Pacemaker goes away, and comes back.
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	awaitView(t, w, "offline", func(v lb.Cluster) bool { return v.State == lb.ClusterOffline })
	if v := w.View(); len(v.Nodes) != 3 || len(v.Reasons) != 1 || v.Role != "offline" {
		t.Errorf("offline: %+v", v)
	}
	if _, err := w.MaskedCIB(); err == nil {
		t.Error("a CIB that may be stale is shown")
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	awaitView(t, w, "to be back", func(v lb.Cluster) bool { return v.State == lb.ClusterErrors })
}

// Where Pacemaker has never answered there is nothing to show, which is no null.
func TestWatcherOfNoCluster(t *testing.T) {
	w := watch(t, pacemaker.New(pacemaker.Config{Tools: "/nonexistent", Stream: "/nonexistent/thalassa-cib"}))
	awaitView(t, w, "offline", func(v lb.Cluster) bool { return v.State == lb.ClusterOffline })
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
	awaitView(t, w, "a first view", func(v lb.Cluster) bool { return v.State != "" })
	testkit.Eventually(t, patience, func() error {
		data, err := os.ReadFile(starts)
		if n := strings.Count(string(data), "start"); n < 2 {
			return fmt.Errorf("it was started %d times (%w)", n, errors.Join(err, errors.New("too few")))
		}
		return nil
	})
	// The stream is silent from now on; what it does not tell is found all the same.
	tool(t, path, "crm_attribute", "-N", "n1", "-n", "standby", "-v", "on")
	awaitView(t, w, "standby", func(v lb.Cluster) bool { return v.Nodes[0].State == "standby" })
}

func TestWatcherSurvivesNonsenseOfAStream(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	dir := tools(t, map[string]string{"thalassa-cib": `echo 'not json'; exec cat`})
	w := watch(t, pacemaker.New(pacemaker.Config{File: path, Stream: filepath.Join(dir, "thalassa-cib")}))
	awaitView(t, w, "a first view", func(v lb.Cluster) bool { return v.State != "" })
	tool(t, path, "crm_attribute", "-N", "n1", "-n", "standby", "-v", "on")
	awaitView(t, w, "standby", func(v lb.Cluster) bool { return v.Nodes[0].State == "standby" })
}
