package main

import (
	"path/filepath"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/pacemaker"
	"thalassa/store"
)

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
	s := notedActions{cluster: c, watcher: pacemaker.NewWatcher(c), events: events}
	if _, err := s.Do(t.Context(), cluster.Action{Kind: cluster.Fence, Node: "n2", Author: "ops"}); err == nil {
		t.Fatal("a node was fenced without tools")
	}
	stored, err := db.Events(t.Context(), activity.Query{})
	if err != nil || len(stored) != 1 || stored[0].Author != "ops" || stored[0].Object.ID != "node/n2" || stored[0].Error == "" {
		t.Errorf("stored: %+v, %v", stored, err)
	}
}
