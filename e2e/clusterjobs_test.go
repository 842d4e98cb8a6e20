package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
	"thalassa/internal/testkit/figures"
)

// jobbed sends a change with headers such as "Idempotency-Key: …" and returns the answer and
// the id of its job.
func (s *clusterFixture) jobbed(n *cluster.Node, path, body string, headers ...string) (answer told, job string, err error) {
	req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:10000/cluster"+path, strings.NewReader(body))
	if err != nil {
		return told{}, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	client := s.cluster.HTTP(n.Name)
	client.Timeout = 3 * time.Minute
	client.Transport = headed{client.Transport, func(h http.Header) { job = strings.TrimPrefix(h.Get("Location"), "/cluster/jobs/") }}
	answer, err = agentOn{http: client}.do(req)
	return answer, job, err
}

// headed tells of the headers of answers.
type headed struct {
	http.RoundTripper

	tell func(http.Header)
}

// RoundTrip implements http.RoundTripper.
func (h headed) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := h.RoundTripper.RoundTrip(r)
	if err == nil {
		h.tell(res.Header)
	}
	return res, err
}

// job is a job as a node has it.
func (s *clusterFixture) job(n *cluster.Node, id, query string) (j clusterstatus.Job, err error) {
	answer, err := s.send(n, "GET", "/jobs/"+id+query, "", "")
	if err == nil && answer.status != http.StatusOK {
		err = fmt.Errorf("job %q on %s: %d %s", id, n.Name, answer.status, answer.body)
	}
	if err == nil {
		err = json.Unmarshal(answer.body, &j)
	}
	return j, err
}

// jobs is about what operators ask of the cluster, and what the agents keep of it. other: it
// is another release of Pacemaker.
func (s *clusterFixture) jobs(t *testing.T, other bool) {
	t.Helper()
	nodes := s.cluster.Up()
	n1, n2 := nodes[0], nodes[1]
	s.cluster.AwaitIdle()
	s.twoResources(t, n1)
	t.Run("each action", func(t *testing.T) { s.eachAction(t, n1, n2) })
	if other { // what the agents do among themselves is the same
		t.Run("prediction", func(t *testing.T) { s.foretold(t, nodes, 4) })
	} else {
		t.Run("once", func(t *testing.T) { s.once(t, n1, n2) })
		t.Run("canceled", func(t *testing.T) { s.canceled(t, n1, n2) })
		t.Run("agent killed", func(t *testing.T) { s.agentKilled(t, n1, n2) })
		t.Run("node killed", func(t *testing.T) { s.nodeKilled(t, n2, n1) })
		t.Run("prediction", func(t *testing.T) { s.foretold(t, nodes, 8) })
		t.Run("secrets", func(t *testing.T) { s.canary(t, n1, "canary-5ecret-77") })
		t.Run("wizards", s.wizards)
	}
	s.change(t, n1, "DELETE", "/config/primitives/web?cascade=1", "")
	s.change(t, n1, "DELETE", "/config/primitives/quick?cascade=1", "")
	s.onAll()
}

// twoResources are web, whose operations take two seconds, and quick, which needs ticket T.
func (s *clusterFixture) twoResources(t *testing.T, n *cluster.Node) {
	t.Helper()
	s.change(t, n, "POST", "/changes", `{"edits":[
		{"method":"PUT","path":"/cluster/config/primitives/web","body":{"agent":"ocf:pacemaker:Dummy","params":{"op_sleep":"2","passwd":"canary-5ecret-77"},"ops":[{"name":"monitor","interval":"10s"}]}},
		{"method":"PUT","path":"/cluster/config/primitives/quick","body":{"agent":"ocf:pacemaker:Dummy","ops":[{"name":"monitor","interval":"10s"}]}},
		{"method":"PUT","path":"/cluster/config/tickets/quick-T","body":{"ticket":"T","rsc":"quick","loss-policy":"stop"}}]}`)
}

// eachAction has one of each; its job is on another node, and says what has happened.
func (s *clusterFixture) eachAction(t *testing.T, n1, n2 *cluster.Node) {
	t.Helper()
	for _, a := range []struct{ action, body, happens string }{
		{"grant", `{"ticket":"T"}`, "start quick"},
		{"standby", `{"ticket":"T"}`, "stop quick"},
		{"activate", `{"ticket":"T"}`, "start quick"},
		{"revoke", `{"ticket":"T"}`, "stop quick"},
		{"grant", `{"ticket":"T"}`, "start quick"},
		{"stop", `{"resource":"quick"}`, "stop quick"},
		{"start", `{"resource":"quick"}`, "start quick"},
		{"restart", `{"resource":"quick"}`, "restart quick"},
		{"unmanage", `{"resource":"quick"}`, ""},
		{"manage", `{"resource":"quick"}`, ""},
		{"move", `{"resource":"quick","node":"` + n2.Name + `"}`, ""},
		{"ban", `{"resource":"quick","node":"` + n2.Name + `"}`, "move quick"},
		{"clear", `{"resource":"quick"}`, ""},
		{"maintenance", `{"resource":"quick"}`, ""},
		{"ready", `{"resource":"quick"}`, ""},
		{"cleanup", `{"resource":"quick"}`, ""},
		{"refresh", `{"resource":"quick"}`, ""},
		{"standby", `{"node":"` + n2.Name + `"}`, ""},
		{"online", `{"node":"` + n2.Name + `"}`, ""},
	} {
		answer, id, err := s.jobbed(n1, "/actions/"+a.action, a.body)
		if err != nil || answer.status != http.StatusOK || id == "" {
			t.Errorf("%s %s: %v, %d, job %q, %s", a.action, a.body, err, answer.status, id, answer.body)
			continue
		}
		var j clusterstatus.Job
		testkit.Eventually(t, 20*time.Second, func() error {
			var err error
			if j, err = s.job(n2, id, ""); err == nil && !j.Over() {
				err = fmt.Errorf("on %s it is %s", n2.Name, j.State)
			}
			return err
		})
		actual := strings.Join(clusterstatus.Summarize(j.Actual), "; ")
		if j.State != clusterstatus.JobDone || len(j.Deviations) > 0 || len(j.Kept) < 2 || !strings.Contains(actual, a.happens) {
			t.Errorf("%s %s: %s, kept by %v, foretold %v, happened %q, deviations %q", a.action, a.body, j.Result, j.Kept, j.Predicted, actual, j.Deviations)
		}
		t.Logf("%s %s: %s in %s, kept by %v", a.action, a.body, actual, j.Ended.Sub(j.Begun).Round(time.Millisecond), j.Kept)
	}
	for _, a := range []struct {
		action, body string
		status       int
	}{
		{"promote", `{"resource":"quick"}`, 409},
		{"clearstate", `{"node":"` + n2.Name + `"}`, 409},
		{"grant", `{"ticket":"unheard"}`, 404},
		{"ban", `{"resource":"quick"}`, 400},
		{"restart", `{"resource":"nothing"}`, 404},
	} {
		if answer, _, err := s.jobbed(n1, "/actions/"+a.action, a.body); err != nil || answer.status != a.status {
			t.Errorf("%s %s: %v, %d %s", a.action, a.body, err, answer.status, answer.body)
		}
	}
}

// once sends the same request to two nodes.
func (s *clusterFixture) once(t *testing.T, n1, n2 *cluster.Node) {
	t.Helper()
	const key = "Idempotency-Key: 4c1f9f4e-once"
	before := n1.Run("cibadmin", "-Ql", "-n")
	first, id, err := s.jobbed(n1, "/actions/restart", `{"resource":"quick"}`, key)
	if err != nil || first.status != http.StatusOK {
		t.Fatalf("%v, %d %s", err, first.status, first.body)
	}
	after := epoch(n1.Run("cibadmin", "-Ql", "-n"))
	again, same, err := s.jobbed(n2, "/actions/restart", `{"resource":"quick"}`, key)
	if err != nil || again.status != http.StatusOK || same != id {
		t.Errorf("on the other node: %v, %d, job %s, was %s: %s", err, again.status, same, id, again.body)
	}
	if now := epoch(n1.Run("cibadmin", "-Ql", "-n")); now != after || now == epoch(before) {
		t.Errorf("the configuration was %s, then %s, then %s", epoch(before), after, now)
	}
	other, _, err := s.jobbed(n2, "/actions/stop", `{"resource":"quick"}`, key)
	if err != nil || other.status != http.StatusConflict {
		t.Errorf("another request with the key: %v, %d %s", err, other.status, other.body)
	}
}

// halfway asks n for a restart of web, and returns its job when the first of its two writes is
// made.
func (s *clusterFixture) halfway(t *testing.T, n, other *cluster.Node, key string) (job string) {
	t.Helper()
	answer, id, err := s.jobbed(n, "/actions/restart", `{"resource":"web"}`, key, "Prefer: respond-async")
	if err != nil || answer.status != http.StatusAccepted {
		t.Fatalf("%v, %d %s", err, answer.status, answer.body)
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		if out := other.Run("cibadmin", "-Ql"); !strings.Contains(out, id+".0") {
			return fmt.Errorf("no mark of job %s", id)
		}
		return nil
	})
	return id
}

// madeOnce checks that each of the two writes of a job was made once, and that web runs.
func (s *clusterFixture) madeOnce(t *testing.T, n *cluster.Node, id string) {
	t.Helper()
	testkit.Eventually(t, 2*time.Minute, func() error {
		if out := n.Run("crm_resource", "--resource", "web", "--locate"); !strings.Contains(out, "running on") {
			return fmt.Errorf("web: %s", out)
		}
		return nil
	})
	cib := n.Run("cibadmin", "-Ql", "-o", "configuration")
	if strings.Count(cib, id+".0") != 1 || strings.Count(cib, id+".1") != 1 || strings.Contains(cib, id+".2") {
		t.Errorf("the writes of job %s are not there once each: %s", id, cib)
	}
	if strings.Contains(n.Run("crm_resource", "--resource", "web", "--query-xml"), `value="Stopped"`) {
		t.Error("web is to be stopped")
	}
}

// agentKilled kills the agent between the two writes of a restart: another node, or the next
// agent, starts the resource again, and the same request is answered with the same job.
func (s *clusterFixture) agentKilled(t *testing.T, n1, n2 *cluster.Node) {
	t.Helper()
	const key = "Idempotency-Key: 77aa-killed"
	id := s.halfway(t, n1, n2, key)
	n1.KillProcess(t, "thalassa")
	begun := time.Now()
	repeated, same, err := s.jobbed(n2, "/actions/restart", `{"resource":"web"}`, key)
	if err != nil || repeated.status != http.StatusOK || same != id {
		t.Errorf("sent again to %s: %v, %d, job %s, was %s: %s", n2.Name, err, repeated.status, same, id, repeated.body)
	}
	j, err := s.job(n2, id, "?wait=1m")
	if err != nil || j.State != clusterstatus.JobDone {
		t.Errorf("%v, %+v", err, j)
	}
	s.madeOnce(t, n2, id)
	t.Logf("finished by %s %s after the agent was killed: %s", j.Node, time.Since(begun).Round(time.Millisecond), j.Result)
}

// nodeKilled switches a whole node off between the two writes of a restart that its agent
// carries out. The cluster fences it, another node finishes the job, and all know how it ended:
// the lost node, too, when it is back.
func (s *clusterFixture) nodeKilled(t *testing.T, lost, left *cluster.Node) {
	t.Helper()
	const key = "Idempotency-Key: 91c0-node-killed"
	id := s.halfway(t, lost, left, key)
	begun := time.Now()
	lost.Kill()
	var j clusterstatus.Job
	over := func(n *cluster.Node) func() error {
		return func() error {
			var err error
			if j, err = s.job(n, id, "?wait=10s"); err == nil && !j.Over() {
				err = fmt.Errorf("on %s it is %s, carried out by %s", n.Name, j.State, j.Node)
			}
			return err
		}
	}
	testkit.Eventually(t, 2*time.Minute, over(left))
	if j.State != clusterstatus.JobDone || j.Node == lost.Name || j.Attempts != 1 {
		t.Errorf("after the loss of %s: %+v", lost.Name, j)
	}
	t.Logf("finished by %s %s after the node was killed: %s", j.Node, time.Since(begun).Round(time.Millisecond), j.Result)
	s.cluster.Fences(t, lost.Name, begun)
	s.madeOnce(t, left, id)
	before := epoch(left.Run("cibadmin", "-Ql", "-n"))
	repeated, same, err := s.jobbed(left, "/actions/restart", `{"resource":"web"}`, key)
	if err != nil || repeated.status != http.StatusOK || same != id {
		t.Errorf("sent again: %v, %d, job %s, was %s: %s", err, repeated.status, same, id, repeated.body)
	}
	if now := epoch(left.Run("cibadmin", "-Ql", "-n")); now != before {
		t.Errorf("sent again, it has changed the configuration from %s to %s", before, now)
	}
	by := j.Node
	s.cluster.AwaitAll()
	testkit.Eventually(t, 2*time.Minute, over(lost))
	if j.State != clusterstatus.JobDone || j.Node != by {
		t.Errorf("%s, back again, has %+v", lost.Name, j)
	}
	s.cluster.AwaitIdle()
}

// canceled cancels a restart between its two writes: the job stops waiting, the resource is
// started again, and all nodes know who wanted that.
func (s *clusterFixture) canceled(t *testing.T, n1, n2 *cluster.Node) {
	t.Helper()
	const key = "Idempotency-Key: 5e1d-canceled"
	id := s.halfway(t, n1, n2, key)
	answer, _, err := s.jobbed(n1, "/jobs/"+id+"/cancel", "")
	if err != nil || answer.status != http.StatusAccepted {
		t.Fatalf("%v, %d %s", err, answer.status, answer.body)
	}
	for _, n := range []*cluster.Node{n1, n2} {
		testkit.Eventually(t, 2*time.Minute, func() error {
			j, err := s.job(n, id, "?wait=10s")
			if err == nil && !j.Over() {
				err = fmt.Errorf("on %s it is %s", n.Name, j.State)
			} else if err == nil && (j.State != clusterstatus.JobCanceled || j.CanceledBy == "" || !strings.Contains(j.Result, "the change has been made")) {
				t.Errorf("on %s: %+v", n.Name, j)
			}
			return err
		})
	}
	s.madeOnce(t, n1, id)
	repeated, same, err := s.jobbed(n2, "/actions/restart", `{"resource":"web"}`, key)
	if err != nil || repeated.status != http.StatusConflict || same != id && same != "" || !strings.Contains(string(repeated.body), "canceled") {
		t.Errorf("sent again: %v, %d, job %s, was %s: %s", err, repeated.status, same, id, repeated.body)
	}
	if again, _, err := s.jobbed(n2, "/jobs/"+id+"/cancel", ""); err != nil || again.status != http.StatusConflict {
		t.Errorf("canceled again: %v, %d %s", err, again.status, again.body)
	}
	s.cluster.AwaitIdle()
}

// foretold makes random changes, one after the other, and compares what happened with what
// was foretold.
func (s *clusterFixture) foretold(t *testing.T, nodes []*cluster.Node, changes int) {
	t.Helper()
	seed, begun := uint64(time.Now().UnixNano()), time.Now()
	random := rand.New(rand.NewPCG(seed, 0))
	done := map[string]int{"changes": 0, "refused": 0, "not as foretold": 0}
	figures.Append(t, "foretold", begun, seed, func() map[string]int { return done })
	for tries := 0; done["changes"] < changes && tries < 20*changes; tries++ {
		path, body := randomChange(random, nodes)
		answer, id, err := s.jobbed(nodes[random.IntN(len(nodes))], path, body)
		if err != nil {
			t.Fatal(err)
		}
		if id == "" { // it was refused by what was foretold, or by the state
			if answer.status/100 != 4 {
				t.Errorf("%s %s: %d %s", path, body, answer.status, answer.body)
			}
			done["refused"]++
			continue
		}
		done["changes"]++
		testkit.Eventually(t, 20*time.Second, func() error {
			j, err := s.job(nodes[1], id, "?wait=10s")
			if err != nil || !j.Over() {
				return fmt.Errorf("%w, job %s", err, j.State)
			}
			if len(j.Deviations) > 0 {
				done["not as foretold"]++
				t.Errorf("%s %s: %d, foretold %v, happened %v: %q", path, body, answer.status, j.Predicted, j.Actual, j.Deviations)
			}
			return nil
		})
	}
	if done["changes"] == 0 {
		t.Error("no change was possible")
	}
	t.Logf("seed %d, %s: %v", seed, time.Since(begun).Round(time.Second), done)
	for _, r := range []string{"web", "quick"} {
		for _, action := range []string{"manage", "clear", "start"} {
			_, _, _ = s.jobbed(nodes[0], "/actions/"+action, `{"resource":"`+r+`"}`)
		}
	}
	_, _, _ = s.jobbed(nodes[0], "/actions/online", `{"node":"`+nodes[0].Name+`"}`)
}

// randomChange is an action or an edit of the configuration.
func randomChange(random *rand.Rand, nodes []*cluster.Node) (path, body string) {
	node := nodes[random.IntN(len(nodes))].Name
	r := []string{"web", "quick"}[random.IntN(2)]
	edit := func(method, object, document string) (path, body string) {
		if document != "" {
			document = `,"body":` + document
		}
		return "/changes", `{"edits":[{"method":"` + method + `","path":"/cluster/config/` + object + `"` + document + `}]}`
	}
	kinds := []string{"stop", "start", "restart", "ban", "clear", "move", "standby", "online", "unmanage", "manage", "prefer", "anywhere", "together", "apart", "priority"}
	switch kind := kinds[random.IntN(len(kinds))]; kind {
	case "ban", "move":
		return "/actions/" + kind, `{"resource":"` + r + `","node":"` + node + `"}`
	case "standby", "online":
		return "/actions/" + kind, `{"node":"` + nodes[0].Name + `"}`
	case "prefer":
		return edit("PUT", "locations/"+r+"-home", `{"rsc":"`+r+`","node":"`+node+`","score":"`+[]string{"50", "INFINITY", "-INFINITY"}[random.IntN(3)]+`"}`)
	case "anywhere":
		return edit("DELETE", "locations/"+r+"-home", "")
	case "together":
		return edit("PUT", "colocations/both", `{"rsc":"quick","with-rsc":"web","score":"`+[]string{"INFINITY", "-INFINITY"}[random.IntN(2)]+`"}`)
	case "apart":
		return edit("DELETE", "colocations/both", "")
	case "priority":
		return edit("PATCH", "primitives/"+r, `{"meta":{"priority":"`+strconv.Itoa(random.IntN(9))+`"}}`)
	default:
		return "/actions/" + kind, `{"resource":"` + r + `"}`
	}
}

// TestClusterForetold makes as many random changes as THALASSA_FORETOLD says, as make foretold
// does; TestClusterJobs makes a few.
func TestClusterForetold(t *testing.T) {
	changes := times(t, "THALASSA_FORETOLD", "foretold")
	cfg := clusterConfig(t)
	cfg.Life = 2 * time.Hour
	s := bootCluster(t, cfg, clone)
	s.onAll()
	s.cluster.AwaitIdle()
	s.twoResources(t, s.cluster.Nodes[0])
	if answer, _, err := s.jobbed(s.cluster.Nodes[0], "/actions/grant", `{"ticket":"T"}`); err != nil || answer.status != http.StatusOK {
		t.Fatalf("%v, %d %s", err, answer.status, answer.body)
	}
	s.foretold(t, s.cluster.Nodes, changes)
}

// canary looks for a secret in everything that agents tell or keep.
func (s *clusterFixture) canary(t *testing.T, n *cluster.Node, secret string) {
	t.Helper()
	answer, _, err := s.jobbed(n, "/config/primitives/web/reveal", "")
	if err != nil || answer.status != http.StatusOK || !strings.Contains(string(answer.body), secret) {
		t.Errorf("revealed: %v, %d %s", err, answer.status, answer.body)
	}
	for _, path := range []string{"", "/nodes", "/resources", "/cib.xml", "/config", "/config/primitives", "/config/primitives/web", "/jobs?limit=1000"} {
		answer, err := s.send(n, "GET", path, "", "")
		if err != nil || answer.status != http.StatusOK || strings.Contains(string(answer.body), secret) {
			t.Errorf("%s: %v, %d, has the secret: %v", path, err, answer.status, strings.Contains(string(answer.body), secret))
		}
	}
	for _, body := range []string{
		`{"edits":[{"method":"PATCH","path":"/cluster/config/primitives/web","body":{"params":{"passwd":"canary-other-99"}}}]}`,
		`{"edits":[{"method":"PATCH","path":"/cluster/config/primitives/web","body":{"params":{"passwd":"canary-other-99"},"meta":{"priority":"no<number"}}}]}`,
	} {
		answer, _, err := s.jobbed(n, "/changes?dryRun=1", body)
		if err != nil || strings.Contains(string(answer.body), secret) || strings.Contains(string(answer.body), "canary-other-99") {
			t.Errorf("%s: %v, %d %s", body, err, answer.status, answer.body)
		}
	}
	for _, path := range []string{"/activity?limit=1000", "/audit?limit=1000"} {
		status, text, err := s.try(n, http.MethodGet, path, "")
		if err != nil || status == http.StatusInternalServerError || strings.Contains(text, secret) {
			t.Errorf("%s: %v, %d, has the secret: %v", path, err, status, strings.Contains(text, secret))
		}
	}
	stored := 0
	_ = filepath.WalkDir(n.Path("/var/lib/thalassa"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if data, err := os.ReadFile(path); err == nil {
				stored++
				if strings.Contains(string(data), secret) {
					t.Errorf("%s has the secret", path)
				}
			}
		}
		return nil
	})
	if stored == 0 {
		t.Error("the agent has stored nothing")
	}
	if log := n.Log("thalassa.log", 100000); strings.Contains(log, secret) {
		t.Error("the log has the secret")
	}
}

// TestClusterJobs is about the installed release of Pacemaker; TestClusterOfOtherReleases is
// about jobs, too.
func TestClusterJobs(t *testing.T) {
	t.Parallel()
	s := newClusterFixture(t, clone)
	s.onAll()
	s.jobs(t, false)
}
