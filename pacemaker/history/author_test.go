package history_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/pacemaker/history"
)

// marked is an input whose configuration has the marks of jobs.
func marked(at time.Time, epoch int, marks string) []byte {
	set := `<cluster_property_set id="thalassa-jobs"><nvpair id="thalassa-jobs-marks" name="thalassa-jobs" value="` + marks + `"/></cluster_property_set></crm_config>`
	return bytes.Replace(input(at, epoch, false, "0s"), []byte("</crm_config>"), []byte(set), 1)
}

// withoutIndex removes the index of an archive.
func withoutIndex(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "index.jsonl")); err != nil {
		t.Fatal(err)
	}
}

// An input names the jobs that wrote its configuration since the one before, also after the
// archive was opened again, without its index, and when the one before comes late.
func TestJobsOfTransitions(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, history.Bounds{})
	add(t, a, "pe-input-1.bz2", marked(noon, 5, "aa.0"))
	third := add(t, a, "pe-input-3.bz2", marked(noon.Add(2*time.Minute), 12, "aa.0 bb.0 bb.1 cc.0"))
	if want := []string{"bb", "bb", "cc"}; !slices.Equal(third.Jobs, want) || third.Versions != 7 {
		t.Errorf("jobs %v, %d versions", third.Jobs, third.Versions)
	}
	second := add(t, a, "pe-input-2.bz2", marked(noon.Add(time.Minute), 9, "aa.0 bb.0 bb.1"))
	check := func(a *history.Archive) {
		t.Helper()
		p := history.Past{Archive: a, Jobs: func(id string) (cluster.Job, bool) { return cluster.Job{ID: id, Author: "of " + id}, id != "cc" }}
		list, _ := p.Find(cluster.HistoryFilter{}, 10)
		if len(list) != 3 || len(list[2].Jobs) > 0 || list[2].Versions != 0 || len(list[2].Authors) > 0 {
			t.Fatalf("the first: %+v", list)
		}
		if !slices.Equal(list[1].Jobs, []string{"bb", "bb"}) || list[1].Versions != 4 || len(list[1].Authors) != 1 || list[1].Authors[0].Name != "of bb" {
			t.Errorf("the second: %+v", list[1])
		}
		if got := list[0].Authors; !slices.Equal(list[0].Jobs, []string{"cc"}) || len(got) != 2 || got[0].Job != "cc" || got[1].Name != "ann" || got[1].Client != "cibadmin" {
			t.Errorf("the third: %+v", list[0])
		}
		if list, _ := p.Find(cluster.HistoryFilter{Author: "of bb"}, 10); len(list) != 1 || list[0].ID != second.ID {
			t.Errorf("what bb's author did: %v", ids(list))
		}
		if got := p.Authors(list[2].ID, third.ID); len(got) != 3 {
			t.Errorf("between the first and the third: %+v", got)
		}
		if one, err := p.Transition(third.ID); err != nil || len(one.Authors) != 2 {
			t.Errorf("the third alone: %+v, %v", one, err)
		}
	}
	check(a)
	check(open(t, dir, history.Bounds{}))
	withoutIndex(t, dir)
	check(open(t, dir, history.Bounds{}))
}
