package cluster_test

import (
	"slices"
	"testing"
	"time"

	"thalassa/cluster"
)

// What jobs wrote is told by them; what remains is the last change that Pacemaker notes, and
// others of which nobody knows who made them.
func TestAuthorsOfConfigurations(t *testing.T) {
	noon := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	job := cluster.Job{ID: "a", Author: "ann", Kind: "configure", Object: "primitives/vip", Node: "n1", Begun: noon, Ended: noon.Add(3 * time.Second), State: cluster.JobDone}
	known := func(id string) (cluster.Job, bool) { return job, id == job.ID }
	byJob := cluster.Authorship{Name: "ann", Time: noon, Job: "a", Kind: "configure", Object: "primitives/vip", Node: "n1", Versions: 2}
	twice := byJob
	twice.Versions = 4
	ofJob := &cluster.ConfigurationChange{Time: noon.Add(time.Second), User: "hacluster", Client: "cibadmin", Node: "n1"}
	byHand := &cluster.ConfigurationChange{Time: noon.Add(time.Second), User: "root", Client: "crm_resource", Node: "n1"}
	hand := cluster.Authorship{Name: "root", Time: byHand.Time, Client: "crm_resource", Node: "n1", Versions: 1}
	elsewhere, later := *ofJob, *ofJob
	elsewhere.Node = "n2"
	later.Time = noon.Add(time.Minute)
	for name, tt := range map[string]struct {
		t    cluster.Transition
		jobs func(id string) (cluster.Job, bool)
		want []cluster.Authorship
	}{
		"nothing":                  {cluster.Transition{Change: byHand}, known, nil},
		"by hand":                  {cluster.Transition{Change: byHand, Versions: 1}, known, []cluster.Authorship{hand}},
		"a job":                    {cluster.Transition{Change: ofJob, Versions: 2, Jobs: []string{"a"}}, known, []cluster.Authorship{byJob}},
		"a job of two writes":      {cluster.Transition{Change: ofJob, Versions: 4, Jobs: []string{"a", "a"}}, known, []cluster.Authorship{twice}},
		"a job, then by hand":      {cluster.Transition{Change: byHand, Versions: 3, Jobs: []string{"a"}}, known, []cluster.Authorship{byJob, hand}},
		"by hand, then a job":      {cluster.Transition{Change: ofJob, Versions: 3, Jobs: []string{"a"}}, known, []cluster.Authorship{byJob, {Versions: 1}}},
		"two by hand":              {cluster.Transition{Change: byHand, Versions: 3}, known, []cluster.Authorship{hand, {Versions: 2}}},
		"by another cibadmin":      {cluster.Transition{Change: &elsewhere, Versions: 3, Jobs: []string{"a"}}, known, []cluster.Authorship{byJob, {Name: "hacluster", Time: elsewhere.Time, Client: "cibadmin", Node: "n2", Versions: 1}}},
		"by a later cibadmin":      {cluster.Transition{Change: &later, Versions: 3, Jobs: []string{"a"}}, known, []cluster.Authorship{byJob, {Name: "hacluster", Time: later.Time, Client: "cibadmin", Node: "n1", Versions: 1}}},
		"a job that is forgotten":  {cluster.Transition{Change: ofJob, Versions: 2, Jobs: []string{"b"}}, known, []cluster.Authorship{{Job: "b", Versions: 2}}},
		"nobody who knows of jobs": {cluster.Transition{Change: ofJob, Versions: 2, Jobs: []string{"a"}}, nil, []cluster.Authorship{{Job: "a", Versions: 2}}},
		"nothing is noted":         {cluster.Transition{Versions: 1}, known, []cluster.Authorship{{Versions: 1}}},
	} {
		if got := cluster.Authored(tt.t, tt.jobs); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	f := cluster.HistoryFilter{Author: "ann"}
	if f.Includes(cluster.Transition{Authors: []cluster.Authorship{hand}}) || !f.Includes(cluster.Transition{Authors: []cluster.Authorship{hand, byJob}}) {
		t.Error("the filter of authors")
	}
}
