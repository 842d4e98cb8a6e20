package pacemaker

import (
	"strings"
	"testing"

	"thalassa/cluster"
)

// An action that has no effect is not reported as done.
func TestResultsOfActions(t *testing.T) {
	on := []cluster.Placement{{Node: "n1", State: "started"}}
	v := cluster.Status{Nodes: []cluster.Node{{Name: "n1", State: "standby", Resources: []string{"stuck"}}, {Name: "n2", State: "online"}}, Resources: []cluster.Resource{
		{ID: "stuck", State: "blocked", Places: on, Why: []string{"stop failed on n1"}},
		{ID: "barred", State: "stopped", In: "g", Containers: []string{"g"}, Why: []string{"a reason"}},
		{ID: "disabled", State: "disabled", In: "g", Containers: []string{"g"}, Why: []string{"its target-role is Stopped"}},
		{ID: "well", State: "started", Places: on},
	}}
	for name, tc := range map[string]struct {
		a     cluster.Action
		words string
	}{
		"standby":         {cluster.Action{Kind: cluster.Standby, Node: "n1"}, "still running there: stuck"},
		"standby undone":  {cluster.Action{Kind: cluster.Standby, Node: "n2"}, "is online now"},
		"online":          {cluster.Action{Kind: cluster.Online, Node: "n2"}, ""},
		"online undone":   {cluster.Action{Kind: cluster.Online, Node: "n1"}, "is standby now"},
		"stop":            {cluster.Action{Kind: cluster.Stop, Resource: "stuck"}, "still runs on n1: stop failed on n1"},
		"start":           {cluster.Action{Kind: cluster.Start, Resource: "barred"}, "runs nowhere: a reason"},
		"start of one":    {cluster.Action{Kind: cluster.Start, Resource: "disabled"}, "its target-role is Stopped"},
		"start of all":    {cluster.Action{Kind: cluster.Start, Resource: "g"}, "barred"},
		"start that runs": {cluster.Action{Kind: cluster.Start, Resource: "well"}, ""},
		"cleanup":         {cluster.Action{Kind: cluster.Cleanup}, ""},
	} {
		err := checkResult(v, tc.a)
		if tc.words == "" && err != nil || tc.words != "" && (err == nil || !strings.Contains(err.Error(), tc.words)) {
			t.Errorf("%s: %v, expected %q", name, err, tc.words)
		}
	}
}
