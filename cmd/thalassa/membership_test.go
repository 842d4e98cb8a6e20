package main

import (
	"context"
	"log/slog"
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
	n := node{now: time.Now, log: slog.New(slog.DiscardHandler)}
	s := n.clusterChanges(parts{db: db, events: events, cluster: c, watcher: pacemaker.NewWatcher(c)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if _, _, err := s.Do(t.Context(), cluster.Action{Kind: cluster.Fence, Node: "n2"}, cluster.Order{Author: "ops"}); err == nil {
		t.Fatal("a node was fenced without tools")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	stored, err := db.Events(t.Context(), activity.Query{})
	if err != nil || len(stored) != 1 || stored[0].Author != "ops" || stored[0].Object.ID != "node/n2" || stored[0].Error == "" {
		t.Errorf("stored: %+v, %v", stored, err)
	}
}
