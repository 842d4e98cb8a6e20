package activity_test

import (
	"testing"
	"time"

	"thalassa/activity"
)

func TestFilter(t *testing.T) {
	e := activity.Event{
		Seq: 5, Time: 5000, Verb: activity.ConfigurationChanged, Object: activity.Object{ID: "frontend/WWW", Type: "typ", Key: "schlüssel"},
		Cause: "PUT /frontends/www", Author: "Ann", Reasons: []string{"no reason", "A bind changed"},
		Diff: []string{"+ Server ß"}, Error: "line one\nLine Two", Path: "reload",
	}
	for _, filter := range []string{"", "configurationCHANGED", "frontend/www", "put /front", "ANN", "a bind", "server ß", "line two"} {
		if !(activity.Query{Filter: filter}).Match(e) {
			t.Errorf("%q is not found", filter)
		}
	}
	for _, filter := range []string{"typ", "SCHLÜSSEL", "runtime", "5000", "one line"} {
		if (activity.Query{Filter: filter}).Match(e) {
			t.Errorf("%q is found", filter)
		}
	}
}

func TestMatch(t *testing.T) {
	e := activity.Event{Seq: 5, Time: 5000}
	for _, test := range []struct {
		q    activity.Query
		want bool
	}{
		{activity.Query{}, true},
		{activity.Query{Since: 4}, true},
		{activity.Query{Since: 5}, false},
		{activity.Query{Before: 6}, true},
		{activity.Query{Before: 5}, false},
		{activity.Query{SinceTime: time.UnixMilli(5000)}, true},
		{activity.Query{SinceTime: time.UnixMilli(5001)}, false},
		{activity.Query{Since: 4, SinceTime: time.UnixMilli(5001)}, false},
	} {
		if got := test.q.Match(e); got != test.want {
			t.Errorf("%+v: %t", test.q, got)
		}
	}
}

func TestSize(t *testing.T) {
	for limit, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000} {
		if got := (activity.Query{Limit: limit}).Size(); got != want {
			t.Errorf("limit %d: %d", limit, got)
		}
	}
}
