package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
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
	got := ""
	for _, e := range list {
		got += fmt.Sprintf("%s %s %s;", e.Verb, e.Cause, e.Error)
	}
	const want = "haproxyExited killed ;haproxyRestarted killed ;haproxyExited killed no space;haproxyRestarted killed ;"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
