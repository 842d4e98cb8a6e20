package cluster_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
)

func TestWhatHappenedBetweenTwoStates(t *testing.T) {
	before := map[string]string{"vip": "n1 started", "web": "n1 started", "db": "n1 promoted, n2 unpromoted", "old": "n3 started", "same": "n1 started"}
	after := map[string]string{"vip": "n2 started", "web": "n1 started", "db": "n1 unpromoted, n2 promoted", "new": "n3 started", "same": "n1 started"}
	got := cluster.Summarize(cluster.Happened(before, after, map[string]string{"web on n1": "7", "same on n1": "8"}, map[string]string{"web on n1": "9", "same on n1": "8"}))
	want := []string{
		"will demote db on n1", "will promote db on n2", "will start new on n3", "will stop old on n3", "will move vip from n1 to n2", "will restart web on n1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if none := cluster.Happened(before, before, nil, nil); len(none) != 0 {
		t.Errorf("%v", none)
	}
}

func TestDeviationsFromWhatWasForetold(t *testing.T) {
	before := map[string]string{"vip": "n1 started", "web": "n1 started", "db": "n1 started"}
	foretold := cluster.Moved(before, map[string]string{"vip": "n2 started", "web": "", "db": "n1 started"})
	if len(foretold) != 2 {
		t.Fatalf("%v", foretold)
	}
	for _, tt := range []struct {
		after map[string]string
		want  string
	}{
		{map[string]string{"vip": "n2 started", "web": "", "db": "n1 started"}, ""},
		{map[string]string{"vip": "n3 started", "web": "", "db": "n1 started"}, "vip: foretold on n2 started, is on n3 started"},
		{map[string]string{"vip": "n2 started", "db": "n2 started"}, "db: foretold to stay, is on n2 started"},
		{map[string]string{"vip": "n2 started", "web": "n1 started", "db": "n1 started"}, "web: foretold nowhere, is on n1 started"},
	} {
		if got := strings.Join(cluster.Deviations(foretold, cluster.Moved(before, tt.after), tt.after), "; "); got != tt.want {
			t.Errorf("after %v: %q, expected %q", tt.after, got, tt.want)
		}
	}
}

func TestTwoChangesTogether(t *testing.T) {
	stop := []cluster.Consequence{{Action: "stop", Resource: "web", Node: "n1"}, {Action: "stop", Resource: "vip", Node: "n1"}}
	start := []cluster.Consequence{{Action: "start", Resource: "web", Node: "n1"}, {Action: "start", Resource: "vip", Node: "n2"}, {Action: "start", Resource: "db", Node: "n2"}}
	got := cluster.Summarize(cluster.Joined(stop, start))
	if want := []string{"will restart web on n1", "will move vip from n1 to n2", "will start db on n2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestJobsExpire(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	var list []cluster.Job
	sizes := map[string]int{}
	for i := range cluster.MaxJobs + 3 {
		list = append(list, cluster.Job{ID: strconv.Itoa(i), State: cluster.JobDone, Begun: now.Add(-time.Duration(i) * time.Second)})
	}
	list[cluster.MaxJobs+1].State = cluster.JobRunning
	list[5].Begun = now.Add(-cluster.MaxJobAge - time.Hour)
	gone := cluster.Expired(list, sizes, now)
	slices.Sort(gone)
	if want := []string{strconv.Itoa(cluster.MaxJobs + 2), "5"}; !slices.Equal(gone, want) {
		t.Errorf("gone: %q, expected %q", gone, want)
	}
	sizes["0"], sizes["1"] = cluster.MaxJobBytes, 1
	if gone := cluster.Expired(list[:5], sizes, now); len(gone) != 4 {
		t.Errorf("beyond the bytes: %q", gone)
	}
}

func TestAJobIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	j := cluster.Job{Result: long, Commands: slices.Repeat([]string{long}, 1000), Predicted: slices.Repeat([]cluster.Consequence{{Reason: long}}, 1000)}.Bounded()
	if len(j.Result) > 3000 || len(j.Commands) > 200 || len(j.Commands[0]) > 3000 || len(j.Predicted) > 200 || len(j.Predicted[0].Reason) > 3000 || j.Actual == nil {
		t.Errorf("result %d, commands %d, predicted %d, actual %v", len(j.Result), len(j.Commands), len(j.Predicted), j.Actual)
	}
}
