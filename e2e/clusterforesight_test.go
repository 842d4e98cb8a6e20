package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// asked sends a request about the cluster that must succeed, and decodes the answer.
func (s *clusterFixture) asked(t *testing.T, n *cluster.Node, method, path, body string, into any) {
	t.Helper()
	answer, err := s.send(n, method, path, body, "")
	if err != nil || answer.status/100 != 2 {
		t.Fatalf("%s %s: %v, %d %s", method, path, err, answer.status, answer.body)
	}
	if into != nil {
		if err := json.Unmarshal(answer.body, into); err != nil {
			t.Fatal(err)
		}
	}
}

// foreseenOf is the part of an answer that is compared with what happens.
type foreseenOf struct {
	Problem    string
	Simulation clusterstatus.Prediction
}

// foresight tells what will happen, and then has it happen.
func (s *clusterFixture) foresight(t *testing.T) {
	nodes := s.cluster.Up()
	n1, home := nodes[0], nodes[len(nodes)-1]
	s.cluster.AwaitIdle()
	s.asked(t, n1, "POST", "/drafts", `{"id":"lab","message":"a test"}`, nil)
	s.asked(t, n1, "POST", "/changes?draft=lab", `{"edits":[
		{"method":"PUT","path":"/cluster/config/primitives/foreseen","xml":"<primitive class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"/>"},
		{"method":"PUT","path":"/cluster/config/locations/foreseen-home","body":{"rsc":"foreseen","node":"`+home.Name+`","score":"INFINITY"}}]}`, nil)
	if out := n1.Run("cibadmin", "-Q", "-o", "resources"); strings.Contains(out, "foreseen") {
		t.Fatal("the draft is in the CIB")
	}
	s.asked(t, n1, "POST", "/drafts/lab/injections", `{"node":"`+home.Name+`","state":"unclean"}`, nil)
	var seen foreseenOf
	s.asked(t, n1, "GET", "/drafts/lab/diff", "", &seen)
	if at := placesOf(seen.Simulation.After, "foreseen"); at == "" || at == home.Name {
		t.Errorf("after the failure of %s it would run on %q: %+v", home.Name, at, seen.Simulation.Actions)
	}
	s.asked(t, n1, "DELETE", "/drafts/lab/injections/1", "", nil)
	s.asked(t, n1, "GET", "/drafts/lab/diff", "", &seen)
	var done struct{ Cluster clusterstatus.Status }
	s.asked(t, n1, "POST", "/drafts/lab/commit", "", &done)
	samePlaces(t, seen.Simulation.After, done.Cluster)
	if out := n1.Run("crm_resource", "--resource", "foreseen", "--locate"); !strings.Contains(out, "running on: "+home.Name) {
		t.Errorf("Pacemaker says %s", out)
	}
	t.Run("a conflict", func(t *testing.T) { s.conflictOfADraft(t, nodes) })
	t.Run("prediction and what happens", func(t *testing.T) { s.predictAndAct(t, nodes) })
	t.Run("losses", func(t *testing.T) { s.lossesOfTheLab(t, nodes) })
	s.change(t, n1, "DELETE", "/config/primitives/foreseen?cascade=1", "")
	s.onAll()
}

// samePlaces compares where resources run.
func samePlaces(t *testing.T, predicted, actual clusterstatus.Status) {
	t.Helper()
	for _, r := range predicted.Resources {
		if want, got := strings.Join(r.Nodes(), " "), placesOf(actual, r.ID); want != got {
			t.Errorf("%s was predicted on %q, and runs on %q", r.ID, want, got)
		}
	}
}

// conflictOfADraft has another agent change what a draft changes.
func (s *clusterFixture) conflictOfADraft(t *testing.T, nodes []*cluster.Node) {
	t.Helper()
	n1, n2 := nodes[0], nodes[1]
	s.asked(t, n1, "POST", "/drafts", `{"id":"late"}`, nil)
	s.asked(t, n1, "PATCH", "/config/primitives/foreseen?draft=late", `{"meta":{"priority":"5"}}`, nil)
	s.change(t, n2, "PUT", "/config/tags/elsewhere", `{"objects":["foreseen"]}`)
	s.change(t, n2, "PATCH", "/config/primitives/foreseen", `{"meta":{"migration-threshold":"7"}}`)
	testkit.Eventually(t, patience, func() error { // the view of n1
		answer, err := s.send(n1, "POST", "/drafts/late/commit", "", "")
		if err != nil || answer.status != http.StatusConflict || !strings.Contains(string(answer.body), `"primitives/foreseen"`) {
			return fmt.Errorf("%w, %d %s", err, answer.status, answer.body)
		}
		return nil
	})
	s.asked(t, n1, "POST", "/drafts/late/rebase", "", nil)
	s.asked(t, n1, "POST", "/drafts/late/commit", "", nil)
	out := n1.Run("cibadmin", "-Q", "-o", "resources")
	if !strings.Contains(out, `name="priority" value="5"`) || !strings.Contains(out, `name="migration-threshold" value="7"`) {
		t.Errorf("both changes are not there: %s", out)
	}
	s.change(t, n1, "DELETE", "/config/tags/elsewhere", "")
}

// predictAndAct makes random changes, each foretold before it is made.
func (s *clusterFixture) predictAndAct(t *testing.T, nodes []*cluster.Node) {
	t.Helper()
	const changes = 5 // TestClusterForetold makes more
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for i := range changes {
		n := nodes[random.IntN(len(nodes))]
		to := nodes[random.IntN(len(nodes))].Name
		edit := []string{
			`{"method":"PUT","path":"/cluster/config/locations/foreseen-home","body":{"rsc":"foreseen","node":"` + to + `","score":"INFINITY"}}`,
			`{"method":"PATCH","path":"/cluster/config/primitives/foreseen","body":{"meta":{"target-role":"Stopped"}}}`,
			`{"method":"PATCH","path":"/cluster/config/primitives/foreseen","body":{"meta":{"target-role":null,"priority":"` + strconv.Itoa(random.IntN(9)) + `"}}}`,
			fmt.Sprintf(`{"method":"PUT","path":"/cluster/config/primitives/foreseen-%d","body":{"agent":"ocf:pacemaker:Dummy"}},{"method":"PUT","path":"/cluster/config/colocations/foreseen-%d-c","body":{"rsc":"foreseen-%d","with-rsc":"foreseen","score":"INFINITY"}}`, i, i, i),
		}[random.IntN(4)]
		id := fmt.Sprintf("random-%d", i)
		s.asked(t, n, "POST", "/drafts", `{"id":"`+id+`"}`, nil)
		s.asked(t, n, "POST", "/changes?draft="+id, `{"edits":[`+edit+`]}`, nil)
		var seen foreseenOf
		s.asked(t, n, "GET", "/drafts/"+id+"/diff", "", &seen)
		var done struct{ Cluster clusterstatus.Status }
		answer, err := s.send(n, "POST", "/drafts/"+id+"/commit", "", "")
		if err != nil || answer.status != http.StatusOK || json.Unmarshal(answer.body, &done) != nil {
			t.Fatalf("%s: %v, %d %s", edit, err, answer.status, answer.body)
		}
		if done.Cluster.State != "" {
			samePlaces(t, seen.Simulation.After, done.Cluster)
		}
	}
	var all map[string][]map[string]any
	s.asked(t, nodes[0], "GET", "/config", "", &all)
	for _, p := range all["primitives"] {
		if id := fmt.Sprint(p["id"]); strings.HasPrefix(id, "foreseen-") {
			s.change(t, nodes[0], "DELETE", "/config/primitives/"+id+"?cascade=1", "")
		}
	}
}

// lossesOfTheLab checks the verdict about the lab's nodes: the address survives any one of
// three, and two of them have the quorum that the third lacks.
func (s *clusterFixture) lossesOfTheLab(t *testing.T, nodes []*cluster.Node) {
	t.Helper()
	var l clusterstatus.Losses
	testkit.Eventually(t, 2*time.Minute, func() error {
		s.asked(t, nodes[0], "GET", "/losses", "", &l)
		if l.Computing || len(l.List) == 0 {
			return fmt.Errorf("not computed yet: %q", l.Text)
		}
		return nil
	})
	t.Logf("%q", l.Text)
	for _, loss := range l.List {
		if !loss.Known || loss.Quorum != (len(loss.Nodes) == 1) {
			t.Errorf("%+v", loss)
		}
		if slices.ContainsFunc(loss.Reasons, func(r string) bool { return strings.Contains(r, "corosync has not answered") }) {
			t.Errorf("corosync was not asked: %+v", loss)
		}
		if len(loss.Nodes) == 1 && len(loss.Addresses) > 0 || len(loss.Nodes) == 2 && len(loss.Addresses) == 0 {
			t.Errorf("the address: %+v", loss)
		}
	}
	metrics, err := agentOn{http: s.cluster.HTTP(nodes[0].Name)}.do(must(http.NewRequest(http.MethodGet, "http://127.0.0.1:10000/metrics", nil)))
	if err != nil || !strings.Contains(string(metrics.body), fmt.Sprintf("thalassa_cluster_survives_loss{node=%q} 1", nodes[1].Name)) {
		t.Errorf("the metric is not there (%v)", err)
	}
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}
