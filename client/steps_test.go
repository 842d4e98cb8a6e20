package client_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/client"
	"thalassa/cluster"
)

const stepsFile = `# the shop
POST /cluster/actions/stop {"resource": "web"}

PATCH /cluster/config/primitives/web?wait=1m {"meta":
DELETE /cluster/config/locations/web-home?cascade=1
`

func TestParseSteps(t *testing.T) {
	t.Parallel()
	good := strings.Replace(stepsFile, `{"meta":`, `{"meta": {"priority": "1"}}`, 1)
	steps, err := client.ParseSteps([]byte(good), "")
	if err != nil || len(steps) != 3 {
		t.Fatalf("%+v, %v", steps, err)
	}
	if s := steps[1]; s.Line != 4 || s.Method != http.MethodPatch || s.Path != "/cluster/config/primitives/web?wait=1m" || string(s.Body) != `{"meta":{"priority":"1"}}` {
		t.Errorf("%+v", s)
	}
	if s := steps[2]; s.Body != nil || len(s.Key) < 8 || len(s.Key) > 200 {
		t.Errorf("%+v", s)
	}
	if _, err := client.ParseSteps([]byte("POST /cluster/haproxy/rollout\nPOST /cluster/drafts/week-31/commit?wait=1m\n"), ""); err != nil {
		t.Error(err)
	}
	// Comments and further steps leave the keys as they are; another run or another step does not.
	more, err := client.ParseSteps([]byte("# more\n"+good+"DELETE /cluster/config/primitives/web\n"), "")
	if err != nil || len(more) != 4 {
		t.Fatal(more, err)
	}
	anew, _ := client.ParseSteps([]byte(good), "anew")
	other, _ := client.ParseSteps([]byte(strings.Replace(good, "web", "db", 1)), "")
	seen := map[string]bool{}
	for i, s := range steps {
		if more[i].Key != s.Key || anew[i].Key == s.Key || other[i].Key == s.Key || seen[s.Key] {
			t.Errorf("step %d: keys %s, %s, %s, %s", i, s.Key, more[i].Key, anew[i].Key, other[i].Key)
		}
		seen[s.Key] = true
	}
	for text, want := range map[string]string{
		stepsFile: "line 4: the body is no JSON", "": "no step", "GET /cluster/actions/stop": "line 1", "POST /frontends": "line 1",
		"POST http://other/cluster/changes": "line 1", "PUT /cluster/config/tags/x?draft=1 {}": "draft", "POST /cluster/changes?dryRun=1 {}": "dryRun",
		"POST": "line 1", "POST /cluster/drafts {}": "no change of the cluster", "POST /cluster/drafts/a/b/commit": "no change of the cluster", strings.Repeat("# \n", 1<<20): "bytes",
	} {
		if _, err := client.ParseSteps([]byte(text), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, expected %q", text, err, want)
		}
	}
}

// A stepAgent answers requests of steps one after the other as it was told.
type stepAgent struct {
	mu      sync.Mutex
	answers []func(w http.ResponseWriter, r *http.Request)
	job     string // document of every job
	keys    []string
}

func (a *stepAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, a.job)
		return
	}
	a.keys = append(a.keys, r.Header.Get("Idempotency-Key"))
	next := a.answers[0]
	if len(a.answers) > 1 {
		a.answers = a.answers[1:]
	}
	next(w, r)
}

func answered(status int, body, job string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		if job != "" {
			w.Header().Set("Location", "/cluster/jobs/"+job)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// The same request is sent until an agent says how it has ended.
func TestRunStep(t *testing.T) {
	t.Parallel()
	gone := func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
	}
	done := answered(http.StatusOK, "{}", "j1")
	away := answered(http.StatusServiceUnavailable, `{"error":"away","code":"unavailable"}`, "")
	proxy := answered(http.StatusBadGateway, "<html>", "")
	failed := answered(http.StatusConflict, `{"error":"it failed","code":"conflict"}`, "j1")
	refused := answered(http.StatusNotFound, `{"error":"no such resource","code":"not_found"}`, "")
	type answers = []func(http.ResponseWriter, *http.Request)
	for name, c := range map[string]struct {
		answers answers
		job     string
		tries   int
		state   cluster.JobState
		fails   string
	}{
		"at once":            {answers{done}, `{"id":"j1","state":"done"}`, 1, cluster.JobDone, ""},
		"nothing to change":  {answers{answered(http.StatusOK, "{}", "")}, "", 1, cluster.JobDone, ""},
		"other agents":       {answers{gone, away, proxy, done}, `{"id":"j1","state":"done"}`, 4, cluster.JobDone, ""},
		"refused":            {answers{refused}, "", 1, "", "no such resource"},
		"failed":             {answers{failed}, `{"id":"j1","state":"failed","code":"conflict"}`, 1, cluster.JobFailed, "it failed"},
		"timed out":          {answers{answered(http.StatusServiceUnavailable, `{"error":"not settled","code":"unavailable"}`, "j1")}, `{"id":"j1","state":"timed-out"}`, 1, cluster.JobTimedOut, "not settled"},
		"began again":        {answers{done}, `{"id":"j1","state":"done","attempts":2}`, 1, cluster.JobDone, ""},
		"without any answer": {answers{gone}, "", 0, "", "no agent has carried it out"},
		"interrupted":        {answers{failed}, `{"id":"j1","state":"failed","code":"interrupted"}`, 0, cluster.JobFailed, "no agent has carried it out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := &stepAgent{answers: c.answers, job: c.job}
			server := httptest.NewServer(agent)
			t.Cleanup(server.Close)
			to, err := client.New(client.Config{Address: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			steps, err := client.ParseSteps([]byte("POST /cluster/actions/restart {\"resource\": \"web\"}\n"), name)
			if err != nil {
				t.Fatal(err)
			}
			patience := 30 * time.Second
			if c.tries == 0 {
				patience = time.Second
			}
			done, err := client.RunStep(t.Context(), to, steps[0], patience)
			if done.Job.State != c.state || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%+v, %v", done, err)
			}
			agent.mu.Lock()
			defer agent.mu.Unlock()
			if len(agent.keys) != c.tries && (c.tries > 0 || len(agent.keys) < 2) {
				t.Errorf("it was sent %d times, expected %d", len(agent.keys), c.tries)
			}
			for _, key := range agent.keys {
				if key != steps[0].Key {
					t.Errorf("key %s, expected %s", key, steps[0].Key)
				}
			}
		})
	}
}
