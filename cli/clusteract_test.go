package cli_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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
	body   string // of that answer; empty: it says that this is refused
	end    string // the job when it is over, as JSON

	mu   sync.Mutex
	drop int // how many requests are not answered
	keys []string
	last string // the last request

	ifMatch string // of the last request
	begins  func() // runs when a job begins; nil: nothing does
}

func (a *jobAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.URL.Path == "/cluster":
		fmt.Fprintf(w, `{"node":%q,"state":"ok"}`, a.node)
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		a.last = r.URL.Path + " " + string(body)
		a.keys, a.ifMatch = append(a.keys, r.Header.Get("Idempotency-Key")), r.Header.Get("If-Match")
		if a.drop--; a.drop >= 0 {
			panic(http.ErrAbortHandler)
		}
		if a.status != 0 {
			w.WriteHeader(a.status)
			fmt.Fprint(w, cmp.Or(a.body, `{"error":"this is refused","code":"forbidden"}`))
			return
		}
		if a.begins != nil {
			a.begins()
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
			dir, path := toolsOn(t)
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

// toolsOn are Pacemaker's tools on a CIB in a file: those of n1.
func toolsOn(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "cib.xml")
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
		if err := testkit.WriteProgram(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+script+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	return dir, path
}

// Apply, rollout and destroy are jobs as well, with what they are about in the request.
func TestApplyRolloutAndDestroyAreJobs(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(t, "crm_mon is not installed; make setup installs it")
	}
	rolled := `{"nodes":[{"node":"n1","valid":true},{"node":"n2","valid":true}],"from":"7","to":"8","reloaded":["n1","n2"],"reloadMs":410,"settleMs":900}`
	for name, tc := range map[string]struct {
		args  string
		agent *jobAgent
		code  int
		asks  []string // parts of the request
		words []string
		here  bool
	}{
		"apply": {
			"apply --resource-agent ocf:heartbeat:Dummy --ip 10.77.0.100/24 --ip 10.77.0.101/24 --failure-timeout 0s --force", &jobAgent{node: "n1", end: jobOver("done", "")}, cli.ExitOK,
			[]string{"/cluster/haproxy/apply ", `"ip":["10.77.0.100/24","10.77.0.101/24"]`, `"failure-timeout":"0s"`, `"monitor":"500ms"`, `"force":true`, `"wait":"5s"`},
			[]string{"job aaaaaaaaaaaaaaaaaaaa"},
			false,
		},
		"apply refused": {
			"apply --resource-agent ocf:heartbeat:Dummy --ip 10.77.0.101/24", &jobAgent{node: "n1", status: http.StatusConflict}, cli.ExitConflict, []string{"/cluster/haproxy/apply "}, []string{"this is refused"}, false,
		},
		"destroy":        {"destroy --yes", &jobAgent{node: "n1", end: jobOver("done", "")}, cli.ExitOK, []string{`/cluster/haproxy/destroy `, `"name":"haproxy"`}, []string{"job aaaaaaaaaaaaaaaaaaaa"}, false},
		"destroy alone":  {"destroy --yes", &jobAgent{node: "other"}, cli.ExitOK, nil, []string{"not among the jobs of the cluster"}, true},
		"destroy by old": {"destroy --yes", &jobAgent{node: "n1", status: http.StatusNotFound}, cli.ExitOK, []string{`/cluster/haproxy/destroy `}, []string{"the agent is older than this program"}, true},
		"rollout":        {"rollout", &jobAgent{node: "n1", end: jobOver("done", `,"rollout":`+rolled)}, cli.ExitOK, []string{`/cluster/haproxy/rollout `, `"resource":"haproxy"`, `"validate":"15s"`}, []string{"generation 7 -> 8", "reloaded on n1, n2 after 0.41 s"}, false},
		"rollout failed": {"rollout", &jobAgent{node: "n1", end: jobOver("failed", `,"code":"conflict","rollout":`+strings.Replace(rolled, `"to":"8"`, `"to":"7"`, 1))}, cli.ExitConflict, nil, []string{"generation 7 unchanged"}, false},
		"rollout refused": {
			"rollout",
			&jobAgent{node: "n1", end: strings.Replace(jobOver("failed", `,"code":"refused"`), `"result":"failed"`, `"result":"nothing has changed\nn2: line 3"`, 1)},
			cli.ExitRefused,
			nil,
			[]string{"thalassa: the rollout was refused: nothing has changed\nn2: line 3\n"},
			false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, path := toolsOn(t)
			server := httptest.NewServer(tc.agent)
			t.Cleanup(server.Close)
			var out strings.Builder
			args := append([]string{"cluster"}, strings.Fields(tc.args)...)
			code := run(t.Context(), append(args, "--tools", dir, "--wait", "5s"), cli.Environment{
				Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
				Getenv: func(name string) string { return map[string]string{"THALASSA_AGENT": server.URL}[name] },
			})
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if isHere := !strings.Contains(string(after), `<clone id="haproxy-clone"`); isHere != tc.here || strings.Contains(string(after), "10.77.0.101") {
				t.Errorf("done by the command: %t, expected %t", isHere, tc.here)
			}
			if !tc.here && code != tc.code {
				t.Errorf("exit code %d, expected %d: %s", code, tc.code, &out)
			}
			tc.agent.mu.Lock()
			defer tc.agent.mu.Unlock()
			for _, part := range tc.asks {
				if !strings.Contains(tc.agent.last, part) {
					t.Errorf("the request %s lacks %s", tc.agent.last, part)
				}
			}
			for _, part := range tc.words {
				if !strings.Contains(out.String(), part) {
					t.Errorf("the output lacks %q: %s", part, &out)
				}
			}
		})
	}
}

// A job whose plan changes after it has begun says what is different, as one that is refused before.
func TestPlansThatChangeWhileTheJobBegins(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(t, "crm_mon is not installed; make setup installs it")
	}
	t.Parallel()
	dir, _ := toolsOn(t)
	agent := &jobAgent{node: "n1", end: jobOver("failed", `,"code":"precondition_failed"`), begins: func() {
		if out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "crm_attribute"), "-N", "n1", "-n", "standby", "-v", "on").CombinedOutput(); err != nil { //nolint:gosec // a tool of the test
			t.Errorf("%v: %s", err, out)
		}
	}}
	const description = " --resource-agent ocf:heartbeat:Dummy --ip 10.77.0.101/24 --prefer n3"
	_, out, words := carriedOut(t, agent, dir, "plan"+description+" -o json")
	var shown struct{ Tag string }
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatalf("%v: %s", err, words)
	}
	code, _, words := carriedOut(t, agent, dir, "apply --force --plan "+shown.Tag+description)
	if code != cli.ExitConflict || !strings.Contains(words, "The difference from the plan that was shown:") || !strings.Contains(words, "on n1") {
		t.Errorf("exit code %d: %s", code, words)
	}
}

// jobOver is a job that has ended, with further fields.
func jobOver(state, further string) string {
	return `{"id":"aaaaaaaaaaaaaaaaaaaa","state":"` + state + `","result":"` + state + `","object":"resource/haproxy"` + further + `}`
}

// A job waits ten minutes at most; the command says so itself.
func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{"apply --ip 192.0.2.10/24 --wait 20m": "--wait: 20m0s is too long, expected up to 10m0s", "standby n1 --wait 0s": "--wait: 0s is too short"} {
		var out strings.Builder
		code := run(t.Context(), append([]string{"cluster"}, strings.Fields(args)...), cli.Environment{
			Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" },
		})
		if code != cli.ExitUsage || !strings.Contains(out.String(), want) {
			t.Errorf("%s: exit code %d, %s", args, code, out.String())
		}
	}
}

// carriedOut runs a command about the cluster on the tools and an agent.
func carriedOut(t *testing.T, agent *jobAgent, dir, args string) (code int, out, words string) {
	t.Helper()
	server := httptest.NewServer(agent)
	defer server.Close()
	var stdout, stderr strings.Builder
	code = run(t.Context(), append(append([]string{"cluster"}, strings.Fields(args)...), "--tools", dir), cli.Environment{
		Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return map[string]string{"THALASSA_AGENT": server.URL}[name] },
	})
	return code, stdout.String(), stderr.String()
}

// The plan that a command has shown is the condition of its change, and a refusal says what is
// different now.
func TestShownPlansAreBound(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(t, "crm_mon is not installed; make setup installs it")
	}
	t.Parallel()
	dir, path := toolsOn(t)
	const description = " --resource-agent ocf:heartbeat:Dummy --ip 10.77.0.100/24 --force"
	for _, command := range []struct{ preview, change string }{{"plan" + strings.TrimSuffix(description, " --force"), "apply" + description}, {"destroy --dry-run", "destroy --yes"}} {
		agent := &jobAgent{node: "n1", end: jobOver("done", "")}
		code, out, words := carriedOut(t, agent, dir, command.preview+" -o json")
		var shown struct {
			Tag     string
			Changes []string
		}
		if err := json.Unmarshal([]byte(out), &shown); err != nil || code != cli.ExitOK || len(shown.Tag) != 16 {
			t.Fatalf("%s: exit code %d, tag %q, %v: %s", command.preview, code, shown.Tag, err, words)
		}
		if _, table, _ := carriedOut(t, agent, dir, command.preview); !strings.Contains(table, "--plan "+shown.Tag) {
			t.Errorf("%s does not say how to carry out the plan:\n%s", command.preview, table)
		}
		// Nobody has read the plan: a cluster that is still settling is no reason to refuse.
		if code, _, words = carriedOut(t, agent, dir, command.change); code != cli.ExitOK || agent.ifMatch != "" {
			t.Errorf("%s: exit code %d, If-Match %s, expected none: %s", command.change, code, agent.ifMatch, words)
		}
		if code, _, words = carriedOut(t, agent, dir, command.change+" --plan "+shown.Tag); code != cli.ExitOK || agent.ifMatch != `"`+shown.Tag+`"` {
			t.Errorf("%s of the plan: exit code %d, If-Match %s: %s", command.change, code, agent.ifMatch, words)
		}
		// Another plan than that of an earlier command: nobody is asked.
		agent.keys = nil
		code, _, words = carriedOut(t, agent, dir, command.change+" --plan 0123456789abcdef")
		if code != cli.ExitConflict || len(agent.keys) != 0 || !strings.Contains(words, "The plan is now:\n  "+shown.Changes[0]) || !strings.Contains(words, shown.Tag) {
			t.Errorf("%s of another plan: exit code %d, %d requests: %s", command.change, code, len(agent.keys), words)
		}
		// The agent finds another plan.
		agent.status = http.StatusPreconditionFailed
		agent.body = `{"error":"the plan has changed","code":"precondition_failed","output":"` + shown.Changes[0] + `\nwill stop db on n3"}`
		code, _, words = carriedOut(t, agent, dir, command.change+" --plan "+shown.Tag)
		if code != cli.ExitConflict || !strings.Contains(words, "  + will stop db on n3") || strings.Contains(words, "- "+shown.Changes[0]+"\n") {
			t.Errorf("%s when the plan has changed: exit code %d: %s", command.change, code, words)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !strings.Contains(string(after), `<clone id="haproxy-clone"`) {
		t.Errorf("the command has made the change itself: %v", err)
	}
}

// Without an agent, too, a rollout carries out the plan that was shown, and no other: also where the
// cluster changes after the plan was compared with it.
func TestRolloutsWithoutAnAgentAreBound(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(t, "crm_mon is not installed; make setup installs it")
	}
	t.Parallel()
	for name, disturbed := range map[string]bool{"as it was": false, "another plan": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, path := toolsOn(t)
			armed := filepath.Join(dir, "armed")
			// The nodes answer at once. A node leaves while they are asked, if the test wants that.
			script := `exec 9>` + dir + `/lock; flock 9
while [ $# -gt 0 ]; do case $1 in -N) node=$2; shift;; -U) value=$2; shift;; -n) name=$2; shift;; esac; shift; done
[ "$name" = thalassa-validate ] && [ -n "$value" ] || exit 0
` + dir + `/crm_attribute -t status -N "$node" -n thalassa-validated -v "$value ok"
[ -e ` + armed + ` ] && rm ` + armed + ` && ` + dir + `/crm_attribute -t nodes -N n3 -n standby -v on
exit 0`
			if err := testkit.WriteProgram(filepath.Join(dir, "attrd_updater"), []byte("#!/bin/sh\n"+script+"\n")); err != nil {
				t.Fatal(err)
			}
			agent := &jobAgent{node: "other"}
			_, out, words := carriedOut(t, agent, dir, "rollout --restart --dry-run -o json")
			var shown struct{ Tag string }
			if err := json.Unmarshal([]byte(out), &shown); err != nil || len(shown.Tag) != 16 {
				t.Fatalf("tag %q, %v: %s%s", shown.Tag, err, out, words)
			}
			if disturbed {
				if err := os.WriteFile(armed, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			// In a file nothing is reloaded: what was written is taken back after a second.
			code, out, words := carriedOut(t, agent, dir, "rollout --restart --wait 1s --plan "+shown.Tag)
			wrote, refused := strings.Contains(words, "reverted to generation"), strings.Contains(words, "the plan has changed since it was shown; nothing was done")
			if code != cli.ExitConflict || wrote == disturbed || refused != disturbed {
				t.Errorf("exit code %d: %s%s", code, out, words)
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if left := strings.Contains(string(after), `name="standby" value="on"`); left != disturbed {
				t.Errorf("the node has left: %t", left)
			}
		})
	}
}

// A rollout that nodes refuse shows which, and what was planned.
func TestRefusedRolloutsAreShown(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(t, "crm_mon is not installed; make setup installs it")
	}
	t.Parallel()
	dir, _ := toolsOn(t)
	agent := &jobAgent{
		node: "n1", status: http.StatusUnprocessableEntity,
		body: `{"error":"haproxy refuses","code":"refused","output":"nothing has changed\nn2: line 3","rollout":{"nodes":[{"node":"n1","valid":true},` +
			`{"node":"n2","valid":false,"reason":"line 3"}],"from":"7","to":"7","planned":"8","reloaded":[],"reloadMs":0,"settleMs":0}}`,
	}
	code, out, words := carriedOut(t, agent, dir, "rollout --plan 0123456789abcdef")
	if code != cli.ExitRefused || agent.ifMatch != `"0123456789abcdef"` {
		t.Errorf("exit code %d, If-Match %s: %s", code, agent.ifMatch, words)
	}
	for _, part := range []string{"n1    valid", "n2    line 3", "generation 7 unchanged: n2 refused 8"} {
		if !strings.Contains(out, part) {
			t.Errorf("the table lacks %q:\n%s", part, out)
		}
	}
	var doc struct {
		Planned string
		Nodes   []struct {
			Node, Reason string
			Valid        bool
		}
		Cluster any
	}
	code, out, words = carriedOut(t, agent, dir, "rollout -o json")
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != cli.ExitRefused || doc.Planned != "8" || len(doc.Nodes) != 2 || doc.Nodes[1].Reason != "line 3" || doc.Cluster != nil {
		t.Errorf("exit code %d, %v: %s%s", code, err, out, words)
	}
}
