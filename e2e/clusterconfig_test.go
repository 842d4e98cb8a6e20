package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// send sends a change of the cluster's configuration to the agent of a node.
func (s *clusterFixture) send(n *cluster.Node, method, path, body, ifMatch string) (told, error) {
	req, err := http.NewRequest(method, "http://127.0.0.1:10000/cluster"+path, strings.NewReader(body))
	if err != nil {
		return told{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
	}
	s.authorize(req)
	return agentOn{http: s.cluster.HTTP(n.Name)}.do(req)
}

// change is send for a change that must succeed.
func (s *clusterFixture) change(t *testing.T, n *cluster.Node, method, path, body string) (status clusterstatus.Status, changes []string) {
	t.Helper()
	answer, err := s.send(n, method, path, body, "")
	if err != nil || answer.status != http.StatusOK {
		t.Fatalf("%s %s: %v, %d %s", method, path, err, answer.status, answer.body)
	}
	var out struct {
		Cluster clusterstatus.Status
		Changes []string
	}
	if err := json.Unmarshal(answer.body, &out); err != nil {
		t.Fatal(err)
	}
	return out.Cluster, out.Changes
}

// configuration changes the cluster's configuration through the agents of all nodes.
func (s *clusterFixture) configuration(t *testing.T) {
	nodes := s.cluster.Up()
	n1, home := nodes[0], nodes[len(nodes)-1]
	s.cluster.AwaitIdle()
	status, changes := s.change(t, n1, "POST", "/changes", `{"edits":[
		{"method":"PUT","path":"/cluster/config/primitives/extra","body":{"agent":"ocf:pacemaker:Dummy","params":{"fake":"one"},"ops":[{"name":"monitor","interval":"10s"}]}},
		{"method":"PUT","path":"/cluster/config/locations/extra-home","body":{"rsc":"extra","node":"`+home.Name+`","score":"INFINITY"}}]}`)
	t.Logf("%q", changes)
	if at := placesOf(status, "extra"); at != home.Name {
		t.Errorf("the answer has it on %q", at)
	}
	if out := n1.Run("crm_resource", "--resource", "extra", "--locate"); !strings.Contains(out, "running on: "+home.Name) {
		t.Errorf("Pacemaker says %s", out)
	}
	t.Run("writers at once", func(t *testing.T) { s.writeAtOnce(t, nodes) })
	t.Run("an agent that is not there", func(t *testing.T) {
		answer, err := s.send(n1, "PUT", "/config/primitives/nothing", `{"agent":"ocf:heartbeat:NoSuchAgent"}`, "")
		if err != nil || answer.status == http.StatusOK || !strings.Contains(string(answer.body), "nothing") {
			t.Errorf("%v, %d %s", err, answer.status, answer.body)
		}
		t.Logf("%d %s", answer.status, answer.body)
		s.change(t, n1, "DELETE", "/config/primitives/nothing", "")
		n1.Run("crm_resource", "--cleanup")
	})
	if answer, err := s.send(n1, "DELETE", "/config/primitives/extra", "", ""); err != nil || answer.status != http.StatusConflict || !strings.Contains(string(answer.body), "extra-home") {
		t.Errorf("a resource that a constraint names: %v, %d %s", err, answer.status, answer.body)
	}
	status, changes = s.change(t, home, "DELETE", "/config/primitives/extra?cascade=1", "")
	if at := placesOf(status, "extra"); at != "" {
		t.Errorf("after its removal it runs on %s: %q", at, changes)
	}
	s.onAll()
}

// placesOf are the nodes that a resource runs on.
func placesOf(v clusterstatus.Status, resource string) string {
	for _, r := range v.Resources {
		if r.ID == resource {
			return strings.Join(r.Nodes(), " ")
		}
	}
	return ""
}

// writeAtOnce has the agents of all nodes write at the same time: each object is there
// afterwards, and of several changes under the same condition one is made.
func (s *clusterFixture) writeAtOnce(t *testing.T, nodes []*cluster.Node) {
	t.Helper()
	const writers = 9
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			path := fmt.Sprintf("/config/tags/tag-%d", i)
			if answer, err := s.send(nodes[i%len(nodes)], "PUT", path, `{"objects":["extra"]}`, ""); err != nil || answer.status != http.StatusOK {
				t.Errorf("%s: %v, %d %s", path, err, answer.status, answer.body)
			}
		})
	}
	writing.Wait()
	testkit.Eventually(t, patience, func() error { // the view of this node has those of others, too
		var tags []map[string]any
		answer, err := s.send(nodes[0], "GET", "/config/tags", "", "")
		if err != nil || json.Unmarshal(answer.body, &tags) != nil || len(tags) != writers {
			return fmt.Errorf("%d writers have made %s (%w)", writers, answer.body, err)
		}
		return nil
	})
	object, err := s.send(nodes[0], "GET", "/config/tags/tag-0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	statuses := make([]int, writers)
	for i := range writers {
		writing.Go(func() {
			body := fmt.Sprintf(`{"objects":["extra","tag-%d"]}`, i%2+1)
			answer, err := s.send(nodes[i%len(nodes)], "PUT", "/config/tags/tag-0", body, object.etag)
			if err != nil {
				t.Error(err)
			}
			statuses[i] = answer.status
		})
	}
	writing.Wait()
	made := 0
	for i, status := range statuses {
		switch status {
		case http.StatusOK:
			made++
		case http.StatusPreconditionFailed:
		default:
			t.Errorf("writer %d is answered with %d", i, status)
		}
	}
	if made != 1 {
		t.Errorf("%d changes under the same condition were made: %v", made, statuses)
	}
	edits := make([]string, writers)
	for i := range writers {
		edits[i] = fmt.Sprintf(`{"method":"DELETE","path":"/cluster/config/tags/tag-%d"}`, i)
	}
	s.change(t, nodes[0], "POST", "/changes", `{"edits":[`+strings.Join(edits, ",")+`]}`)
}
