package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// past reads something of the history of the cluster from the agent of a node.
func (s *clusterFixture) past(n *cluster.Node, path string, v any) error {
	answer, err := s.send(n, http.MethodGet, "/history"+path, "", "")
	if err != nil {
		return err
	}
	if answer.status != http.StatusOK {
		return fmt.Errorf("%s on %s: %d %s", path, n.Name, answer.status, answer.body)
	}
	return json.Unmarshal(answer.body, v)
}

// history asks every node that is left what became of one that was lost: the DC that has
// seen it, and those that it has told.
func (s *clusterFixture) history(t *testing.T, lost string, since time.Time) {
	query := "?" + url.Values{"node": {lost}, "from": {since.Add(-2 * time.Second).UTC().Format(time.RFC3339)}}.Encode()
	seen := map[string]string{} // the transition by node
	testkit.Eventually(t, time.Minute, func() error {
		for _, n := range s.cluster.Up() {
			var list struct{ Transitions []clusterstatus.Transition }
			if err := s.past(n, query, &list); err != nil {
				return err
			}
			i := slices.IndexFunc(list.Transitions, func(tr clusterstatus.Transition) bool {
				return slices.ContainsFunc(tr.Decisions, func(c clusterstatus.Consequence) bool { return strings.HasPrefix(c.Action, "Fence") && c.Node == lost })
			})
			if i < 0 {
				return fmt.Errorf("%s knows of no fencing of %s: %+v", n.Name, lost, list.Transitions)
			}
			seen[n.Name] = list.Transitions[i].ID
		}
		return nil
	})
	for _, n := range s.cluster.Up() {
		id := seen[n.Name]
		var v clusterstatus.Status
		if err := s.past(n, "/"+id+"/state", &v); err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(v.Nodes, func(o clusterstatus.Node) bool { return o.Name == lost }); i < 0 || v.Nodes[i].State != "unclean" {
			t.Errorf("the state in %s was %+v", id, v.Nodes)
		}
		var p clusterstatus.Prediction
		if err := s.past(n, "/"+id+"/decisions", &p); err != nil || len(p.Graph.Steps) == 0 || !strings.Contains(strings.Join(p.Text, "; "), lost) {
			t.Errorf("the decisions in %s were %+v, %v", id, p, err)
		}
	}
	t.Logf("%s: %v", lost, seen)
}
