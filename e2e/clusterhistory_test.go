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
	"thalassa/cluster/failover"
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

// fencing is the transition in which a node was to be fenced, as an agent lists it.
func fencing(list []clusterstatus.Transition, lost string) (id string) {
	for _, tr := range list {
		if slices.ContainsFunc(tr.Decisions, func(c clusterstatus.Consequence) bool { return strings.HasPrefix(c.Action, "Fence") && c.Node == lost }) {
			return tr.ID
		}
	}
	return ""
}

// history asks the node that was the DC when another one was lost what became of that.
func (s *clusterFixture) history(t *testing.T, lost string, since time.Time) {
	t.Helper()
	query := "?" + url.Values{"node": {lost}, "from": {since.Add(-2 * time.Second).UTC().Format(time.RFC3339)}}.Encode()
	var dc *cluster.Node
	var id string
	testkit.Eventually(t, time.Minute, func() error {
		var known []string
		for _, n := range s.cluster.Up() {
			var list struct{ Transitions []clusterstatus.Transition }
			if err := s.past(n, query, &list); err != nil {
				return err
			}
			if id = fencing(list.Transitions, lost); id != "" {
				dc = n
				return nil
			}
			known = append(known, fmt.Sprintf("%s: %+v", n.Name, list.Transitions))
		}
		return fmt.Errorf("nobody knows of the fencing of %s: %v", lost, known)
	})
	var v clusterstatus.Status
	if err := s.past(dc, "/"+id+"/state", &v); err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(v.Nodes, func(o clusterstatus.Node) bool { return o.Name == lost }); i < 0 || v.Nodes[i].State != "unclean" || v.DC != dc.Name {
		t.Errorf("the state in %s was %+v, DC %s", id, v.Nodes, v.DC)
	}
	var p clusterstatus.Prediction
	if err := s.past(dc, "/"+id+"/decisions", &p); err != nil || len(p.Graph.Steps) == 0 || !strings.Contains(strings.Join(p.Text, "; "), lost) {
		t.Errorf("the decisions in %s were %+v, %v", id, p, err)
	}
	var e failover.Explanation
	if err := s.past(dc, "/"+id+"/explanation", &e); err != nil || e.Kind != failover.KindLoss || e.Node != lost {
		t.Errorf("%s was explained as %+v, %v", id, e, err)
	}
	for _, phase := range e.Phases {
		t.Logf("%s %s %s: %+v", phase.Name, phase.Resource, phase.Node, phase.Took)
	}
	var started struct {
		Operations []clusterstatus.OperationResult
	}
	if err := s.past(dc, "/operations"+query, &started); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s on %s; %d operations of %s", id, dc.Name, len(started.Operations), lost)
}
