package main

import (
	"testing"
	"time"

	"thalassa/activity"
)

func TestBeginningsOfHAProxy(t *testing.T) {
	noon := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	event := func(second int, verb activity.Verb) activity.Event {
		return activity.Event{Time: noon.Add(time.Duration(second) * time.Second).UnixMilli(), Verb: verb}
	}
	got := beginnings([]activity.Event{
		event(9, activity.HAProxyStarted), event(3, activity.HAProxyAdopted), event(2, activity.HAProxyReloaded), event(1, activity.HAProxyExited), event(4, activity.HAProxyRestarted),
	}, noon.Add(5*time.Second))
	if len(got) != 2 || got[0].Text != "haproxyAdopted" || !got[0].Time.Equal(noon.Add(3*time.Second)) || got[1].Text != "haproxyRestarted" {
		t.Errorf("%+v", got)
	}
}
