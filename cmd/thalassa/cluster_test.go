package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/pacemaker"
	"thalassa/store"
)

// Each failure of Pacemaker's tools has its exit code and its words.
func TestClusterFailuresHaveExitCodes(t *testing.T) {
	shell := open(t)
	for code, want := range map[int]struct {
		exit  int
		words string
	}{
		4: {exitForbidden, "permission denied"}, 102: {exitUnavailable, "does not run on this node"}, 103: {exitConflict, "has changed in the meantime"},
		105: {exitNotFound, "no such node"}, 106: {exitUnavailable, "no quorum"}, 107: {exitConflict, "forbids it"}, 108: {exitConflict, "there is one"},
		78: {exitRefused, "would not be valid"}, 124: {exitUnavailable, "no answer in time"}, 1: {exitFailure, "failed"}, 64: {exitFailure, "does not understand"},
	} {
		dir := t.TempDir()
		script := fmt.Sprintf("#!/bin/sh\necho '<cib>secret</cib>'\nexit %d\n", code)
		if err := os.WriteFile(filepath.Join(dir, "cibadmin"), []byte(script), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
		for _, command := range [][]string{{"status"}, {"plan", "--ip", "192.0.2.10/24"}, {"move", "n1"}, {"cleanup"}, {"rollout"}} {
			got := shell.run(append(append([]string{"cluster"}, command...), "--tools", dir)...)
			if got.code != want.exit || !strings.Contains(got.errors, want.words) || strings.Contains(got.out+got.errors, "secret") {
				t.Errorf("%s after %d: exit code %d, expected %d: %s", command, code, got.code, want.exit, got.errors)
			}
		}
	}
}

func TestClusterWithoutPacemaker(t *testing.T) {
	got := open(t).run("cluster", "status", "--tools", t.TempDir())
	if got.code != exitUnavailable || !strings.Contains(got.errors, "not installed here") {
		t.Errorf("exit code %d: %s", got.code, got.errors)
	}
}

func TestClusterDescriptionFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	for content, words := range map[string]string{
		"ip: [192.0.2.10]\n":                         `"192.0.2.10" is not an address with the length of its prefix`,
		"ip: [192.0.2.10/24]\nring: 1\n":             "ring is not a setting",
		"ip: [192.0.2.10/24]\ntopology: ring\n":      `"ring" is not known`,
		"ip: [192.0.2.10/24]\nparameter: [config]\n": "is not of the form name=value",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got := open(t).run("cluster", "plan", "-f", file, "--tools", t.TempDir())
		if got.code != exitUsage || !strings.Contains(got.errors, words) {
			t.Errorf("%s: exit code %d: %s", content, got.code, got.errors)
		}
	}
}

// Who has done what to the cluster is not lost with the agent.
func TestActionsOnTheClusterAreStored(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "thalassa.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	events, err := activity.NewLog(t.Context(), db, time.Now, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	c := pacemaker.New(pacemaker.Config{Tools: t.TempDir()}) // none
	s := steering{cluster: c, watcher: pacemaker.NewWatcher(c), events: events}
	if _, err := s.Do(t.Context(), cluster.Action{Kind: cluster.Fence, Node: "n2", Author: "ops"}); err == nil {
		t.Fatal("a node was fenced without tools")
	}
	stored, err := db.Events(t.Context(), activity.Query{})
	if err != nil || len(stored) != 1 || stored[0].Author != "ops" || stored[0].Object.ID != "node/n2" || stored[0].Error == "" {
		t.Errorf("stored: %+v, %v", stored, err)
	}
}
