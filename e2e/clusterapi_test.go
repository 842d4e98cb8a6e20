package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
)

// An agentOn speaks to the agent of a node of a fixture.
type agentOn struct {
	t    *testing.T
	http *http.Client
}

// told is an answer of an agent's.
type told struct {
	status int
	etag   string
	body   []byte
}

// ask sends a request and reads its answer.
func (a agentOn) ask(method, path, body string) (told, error) {
	req, err := http.NewRequestWithContext(a.t.Context(), method, "http://127.0.0.1:10000"+path, strings.NewReader(body))
	if err != nil {
		return told{}, err
	}
	return a.do(req)
}

// do sends a request and reads its answer.
func (a agentOn) do(req *http.Request) (told, error) {
	res, err := a.http.Do(req)
	if err != nil {
		return told{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return told{res.StatusCode, res.Header.Get("ETag"), data}, err
}

// act posts an action for an answer that must come, decoded into v when it is
// no error.
func (a agentOn) act(path, body string, v any) told {
	a.t.Helper()
	answer, err := a.ask(http.MethodPost, "/cluster/"+path, body)
	switch {
	case err != nil:
		a.t.Fatalf("%s: %v", path, err)
	case answer.status != http.StatusOK:
		a.t.Logf("%s: %d %s", path, answer.status, answer.body)
	case v != nil:
		if err := json.Unmarshal(answer.body, v); err != nil {
			a.t.Fatalf("%s: %v: %s", path, err, answer.body)
		}
	}
	return answer
}

// testAPI operates a real cluster through the API of one node's agent.
func (s commandCluster) testAPI(t *testing.T) {
	a := agentOn{t, s.HTTP("n1")}
	var v cluster.Status
	testkit.Eventually(t, time.Minute, func() error {
		answer, err := a.ask(http.MethodGet, "/cluster", "")
		if err != nil || json.Unmarshal(answer.body, &v) != nil || v.State != cluster.StateOK {
			return fmt.Errorf("state %s, %s: %w: %s", v.State, v.Reasons, err, answer.body)
		}
		return nil
	})
	from := v.FloatingIPs[0].Node
	to := map[string]string{"n1": "n2", "n2": "n3", "n3": "n1"}[from]

	var seen cluster.Consequences
	a.act("simulate/move", `{"node":"`+to+`"}`, &seen)
	if text := strings.Join(seen.Text, "\n"); !strings.Contains(text, "will move vip from "+from+" to "+to) {
		t.Errorf("simulated: %q", text)
	}
	// Whoever waits hears of it.
	heard := make(chan cluster.Epoch, 1)
	before := v.Epoch
	go func() {
		var answer struct{ Epoch cluster.Epoch }
		if told, err := a.ask(http.MethodGet, "/monitor?"+before.String(), ""); err == nil {
			_ = json.Unmarshal(told.body, &answer) // no epoch is one that is too old
		}
		heard <- answer.Epoch
	}()
	begun := time.Now()
	moved := a.act("actions/move", `{"node":"`+to+`"}`, &v)
	t.Logf("moved and settled after %s", time.Since(begun).Round(time.Millisecond))
	if at := s.holder(); at != to || v.FloatingIPs[0].Node != to || moved.etag != `"`+v.Epoch.Configuration()+`"` {
		t.Errorf("the address is on %s, the answer says %+v, ETag %s", at, v.FloatingIPs, moved.etag)
	}
	if epoch := <-heard; epoch.Compare(before) <= 0 {
		t.Errorf("the monitor request was answered with %s, and knew %s", epoch, before)
	}
	if strings.Contains(s.constraints(), "cli-") {
		t.Error("a constraint is left")
	}
	// The other nodes' agents see the same.
	for _, n := range s.Nodes {
		other := agentOn{t, s.HTTP(n.Name)}
		testkit.Eventually(t, time.Minute, func() error {
			var v cluster.Status
			if answer, err := other.ask(http.MethodGet, "/cluster", ""); err != nil || json.Unmarshal(answer.body, &v) != nil {
				return fmt.Errorf("%s: %w: %s", n.Name, err, answer.body)
			}
			if v.Self != n.Name || len(v.FloatingIPs) == 0 || v.FloatingIPs[0].Node != to || (v.Role == "active") != (n.Name == to) {
				return fmt.Errorf("%s sees itself as %s in the role %s, the address at %+v", n.Name, v.Self, v.Role, v.FloatingIPs)
			}
			return nil
		})
	}
	if res := a.act("actions/standby", `{"node":"n9"}`, nil); res.status != http.StatusNotFound {
		t.Errorf("standby of a stranger: %d", res.status)
	}
	if res := a.act("actions/cleanup", ``, nil); res.status != http.StatusOK {
		t.Errorf("cleanup: %d", res.status)
	}
}
