package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"thalassa/cli"
	"thalassa/internal/testkit"
)

// jobAgent answers as an agent that carries out actions as jobs.
type jobAgent struct {
	node   string // that it is on
	status int    // of the answer to an action, if that is an error
	end    string // the job when it is over, as JSON

	mu   sync.Mutex
	drop int // how many requests are not answered
	keys []string
}

func (a *jobAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.URL.Path == "/cluster":
		fmt.Fprintf(w, `{"node":%q,"state":"ok"}`, a.node)
	case r.Method == http.MethodPost:
		a.keys = append(a.keys, r.Header.Get("Idempotency-Key"))
		if a.drop--; a.drop >= 0 {
			panic(http.ErrAbortHandler)
		}
		if a.status != 0 {
			w.WriteHeader(a.status)
			fmt.Fprint(w, `{"error":"this is refused","code":"forbidden"}`)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"id":"aaaaaaaaaaaaaaaaaaaa","state":"running"}`)
	default:
		fmt.Fprint(w, a.end)
	}
}

// An action is a job of the agent on this node: asked for once, however often the request is
// sent, and done without the agent only if that has not begun it.
func TestClusterActionsAreJobs(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(t, "crm_mon is not installed; make setup installs it")
	}
	over := func(state, code, result string, deviations ...string) string {
		data, _ := json.Marshal(map[string]any{"id": "aaaaaaaaaaaaaaaaaaaa", "state": state, "code": code, "result": result, "object": "node/n2", "deviations": deviations})
		return string(data)
	}
	for name, tc := range map[string]struct {
		agent *jobAgent
		code  int
		words string
		here  bool // done by the command itself
		asked int  // requests to the agent
	}{
		"done":              {&jobAgent{node: "n1", end: over("done", "", "done")}, cli.ExitOK, "job aaaaaaaaaaaaaaaaaaaa", false, 1},
		"not as foretold":   {&jobAgent{node: "n1", end: over("done", "", "done", "vip is on n3")}, cli.ExitOK, "not as foretold: vip is on n3", false, 1},
		"sent again":        {&jobAgent{node: "n1", end: over("done", "", "done"), drop: 1}, cli.ExitOK, "job aaaaaaaaaaaaaaaaaaaa", false, 2},
		"failed":            {&jobAgent{node: "n1", end: over("failed", "conflict", "it does not run")}, cli.ExitConflict, "it does not run", false, 1},
		"gone":              {&jobAgent{node: "n1", end: over("failed", "not_found", "no such node")}, cli.ExitNotFound, "node/n2", false, 1},
		"not settled":       {&jobAgent{node: "n1", end: over("timed-out", "timed_out", "it has not settled")}, cli.ExitUnavailable, "it has not settled", false, 1},
		"canceled":          {&jobAgent{node: "n1", end: over("canceled", "canceled", "the job was canceled")}, cli.ExitConflict, "was canceled", false, 1},
		"not permitted":     {&jobAgent{node: "n1", status: http.StatusForbidden}, cli.ExitOK, "not among the jobs of the cluster: the agent does not let you: this is refused", true, 1},
		"refused":           {&jobAgent{node: "n1", status: http.StatusConflict}, cli.ExitConflict, "this is refused", false, 1},
		"of another node's": {&jobAgent{node: "other"}, cli.ExitOK, "not among the jobs of the cluster: the agent does not see this node", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "cib.xml")
			data, err := os.ReadFile("../pacemaker/testdata/failed.xml")
			if err == nil {
				err = os.WriteFile(path, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, tool := range []string{"cibadmin", "crm_mon", "crm_node", "crm_simulate", "crm_attribute", "crm_diff", "crm_resource", "crm_verify", "stonith_admin"} {
				script := `exec env "CIB_file=${CIB_file:-` + path + `}" /usr/sbin/` + tool + ` "$@"`
				if tool == "crm_node" {
					script = "echo n1"
				}
				if err := os.WriteFile(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil { //nolint:gosec // a program
					t.Fatal(err)
				}
			}
			agent := tc.agent
			server := httptest.NewServer(agent)
			t.Cleanup(server.Close)
			var out, errs strings.Builder
			code := run(t.Context(), []string{"cluster", "standby", "n2", "--tools", dir, "--wait", "5s"}, cli.Environment{
				Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
				Getenv: func(name string) string { return map[string]string{"THALASSA_AGENT": server.URL}[name] },
			})
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if isHere := strings.Contains(string(after), `name="standby" value="on"`); isHere != tc.here {
				t.Errorf("done by the command: %t, expected %t", isHere, tc.here)
			}
			if !tc.here && code != tc.code || !strings.Contains(errs.String(), tc.words) {
				t.Errorf("exit code %d, expected %d: %s%s", code, tc.code, &out, &errs)
			}
			agent.mu.Lock()
			defer agent.mu.Unlock()
			if len(agent.keys) != tc.asked || tc.asked > 0 && (agent.keys[0] == "" || agent.keys[0] != agent.keys[tc.asked-1]) {
				t.Errorf("keys %q, expected one %d times", agent.keys, tc.asked)
			}
		})
	}
}
