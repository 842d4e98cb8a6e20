package api_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/activity"
)

func record(s *fixture, verb activity.Verb, id string) {
	s.Log.Record(s.tb.Context(), activity.Event{Verb: verb, Object: activity.Object{ID: id, Type: "backend"}})
}

func (f *fixture) events(query string) []activity.Event {
	f.tb.Helper()
	var list []activity.Event
	f.get("/activity"+query).wants(f.tb, 200, &list)
	return list
}

func seqs(list []activity.Event) string {
	var out strings.Builder
	for _, e := range list {
		out.WriteString(strconv.FormatUint(e.Seq, 10) + " ")
	}
	return out.String()
}

func TestActivity(t *testing.T) {
	s := newFixture(t)
	begin := time.Now().Truncate(time.Millisecond)
	for _, verb := range []activity.Verb{activity.Started, activity.Online, activity.Offline, activity.Online} {
		record(s, verb, "backend/live")
	}
	past, future := begin.Add(-time.Hour).Format(time.RFC3339), begin.Add(time.Hour).Format(time.RFC3339)
	for q, want := range map[string]string{
		"":                               "1 2 3 4 ",
		"?since=0":                       "1 2 3 4 ",
		"?since=2":                       "3 4 ",
		"?since=4":                       "",
		"?limit=2":                       "3 4 ",
		"?since=1&limit=2":               "2 3 ",
		"?filter=ONLINE":                 "2 4 ",
		"?filter=nothing":                "",
		"?since=2&filter=online":         "4 ",
		"?since=9":                       "1 2 3 4 ", // a number of a log that is gone
		query("since", past):             "1 2 3 4 ",
		query("since", future):           "",
		"?since=" + past:                 "1 2 3 4 ", // a "+" that was not encoded
		"?wait=0s":                       "1 2 3 4 ",
		"?wait=10m":                      "1 2 3 4 ", // nothing to wait for
		"?since=4&wait=1ms":              "",
		"?filter=nothing&wait=1ms":       "",
		"?since=3&wait=1m&filter=online": "4 ",
	} {
		if got := seqs(s.events(q)); got != want {
			t.Errorf("%s: events %s, want %s", q, got, want)
		}
	}
	if e := s.events("?since=3")[0]; e.Type != "activity" || e.Verb != activity.Online || e.Object.ID != "backend/live" || e.Time < begin.UnixMilli() {
		t.Errorf("event %+v", e)
	}
}

func TestActivityNamesTheBadParameter(t *testing.T) {
	s := newFixture(t)
	for q, path := range map[string]string{
		"?since=yesterday": "since", "?since=-1": "since", "?limit=x": "limit", "?limit=1001": "limit",
		"?wait=30": "wait", "?wait=-1s": "wait", "?wait=11m": "wait", "?after=1": "after", "?filter=a&filter=b": "filter",
	} {
		if f := s.get("/activity"+q).refused(t, 400, "invalid"); len(f.Fields) != 1 || f.Fields[0].Path != path {
			t.Errorf("%s: fields %+v, want %s", q, f.Fields, path)
		}
	}
}

func TestALongPollAnswersWithWhatHappens(t *testing.T) {
	s := newFixture(t)
	record(s, activity.Started, "agent")
	done := make(chan []activity.Event, 1)
	go func() { done <- s.events("?since=1&wait=10m&filter=switched") }()
	record(s, activity.Online, "backend/live") // not what is asked for
	record(s, activity.BackendSwitched, "backend/live")
	if got := seqs(<-done); got != "3 " {
		t.Errorf("events %s, want 3", got)
	}
}

// Readers follow the log by long polls while it is written: each event reaches
// each of them, once and in order.
func TestLongPollsLoseNothing(t *testing.T) {
	const events, readers = 200, 4
	s := newFixture(t)
	record(s, activity.Started, "agent")
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			for since := uint64(1); since <= events; {
				for _, e := range s.events("?wait=10m&limit=" + strconv.Itoa(r+1) + "&since=" + strconv.FormatUint(since, 10)) {
					if e.Seq != since+1 {
						t.Errorf("reader %d: event %d after %d", r, e.Seq, since)
					}
					since = e.Seq
				}
			}
		})
	}
	for range events {
		record(s, activity.Online, "backend/live")
	}
	wg.Wait()
}
