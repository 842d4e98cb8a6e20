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

// lossOf asks for the transition in which a lost node was to be fenced. dc is the node that was the
// DC then.
func (s *clusterFixture) lossOf(lost string, since time.Time) (dc *cluster.Node, id string) {
	s.tb.Helper()
	query := "?" + url.Values{"node": {lost}, "from": {since.Add(-2 * time.Second).UTC().Format(time.RFC3339)}}.Encode()
	testkit.Eventually(s.tb, time.Minute, func() error {
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
	return dc, id
}

// history asks the node that was the DC when another one was lost what became of that. seen is what
// clients have seen of it.
func (s *clusterFixture) history(t *testing.T, seen effect, since time.Time) {
	t.Helper()
	lost := seen.from
	dc, id := s.lossOf(lost, since)
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
	testkit.Eventually(t, time.Minute, func() error { // the results come with the status of the cluster
		if err := s.past(dc, "/"+id+"/explanation", &e); err != nil || e.Kind != failover.KindLoss || e.Node != lost {
			t.Fatalf("%s was explained as %+v, %v", id, e, err)
		}
		if !slices.ContainsFunc(e.Phases, func(p failover.Phase) bool { return p.Name == failover.PhaseAddress && p.Node == seen.to }) {
			return fmt.Errorf("%s has no start of the address on %s: %+v", id, seen.to, e)
		}
		return nil
	})
	for _, phase := range e.Phases {
		t.Logf("%s %s %s: %+v", phase.Name, phase.Resource, phase.Node, phase.Took)
	}
	t.Logf("an outage of %s, explained so far as %+v", seen.outage.Round(time.Millisecond), e.Total)
	var started struct {
		Operations []clusterstatus.OperationResult
	}
	if err := s.past(dc, "/operations?"+url.Values{"node": {lost}, "from": {since.Add(-2 * time.Second).UTC().Format(time.RFC3339)}}.Encode(), &started); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s on %s; %d operations of %s", id, dc.Name, len(started.Operations), lost)
}

// outside is by how much a time is outside of the bounds of an explanation.
func outside(total failover.Span, took time.Duration) time.Duration {
	if total.MaxMS < 0 {
		return took
	}
	least, most := time.Duration(total.MinMS)*time.Millisecond, time.Duration(total.MaxMS)*time.Millisecond
	return max(0, least-took, took-most)
}
