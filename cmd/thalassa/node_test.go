package main

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/agent"
	"thalassa/haproxy"
	"thalassa/store"
)

func TestEndOfHAProxyIsRecordedOnce(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	events, err := activity.NewLog(t.Context(), db, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Config{})
	if err != nil {
		t.Fatal(err)
	}
	notify := onExit(a, events)
	notify(haproxy.Exit{Cause: "killed", Restarted: true, WorkerPID: 1})
	notify(haproxy.Exit{Cause: "killed", Err: errors.New("no space")})
	notify(haproxy.Exit{Cause: "killed", Restarted: true, WorkerPID: 2})
	list, err := events.Events(t.Context(), activity.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, strings.TrimSpace(string(e.Verb)+" "+e.Error))
	}
	want := []string{"haproxyExited", "haproxyRestarted", "haproxyExited no space", "haproxyRestarted"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
