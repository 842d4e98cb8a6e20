package cli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/cli"
)

// A steppedAgent carries out each key once; the resource "broken" cannot start.
type steppedAgent struct {
	begun time.Time // when all jobs began

	mu   sync.Mutex
	done []string // requests, once each
	keys map[string]bool
}

func (a *steppedAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Method == http.MethodGet {
		fmt.Fprintf(w, `{"id":"aaaaaaaaaaaaaaaaaaaa","state":"done","begun":%q}`, a.begun.Format(time.RFC3339Nano))
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if strings.Contains(r.URL.Path, "broken") {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":"no such resource: broken","code":"not_found"}`)
		return
	}
	if !a.keys[key] {
		a.keys[key] = true
		a.done = append(a.done, r.Method+" "+r.URL.Path)
	}
	w.Header().Set("Location", "/cluster/jobs/aaaaaaaaaaaaaaaaaaaa")
	fmt.Fprint(w, `{}`)
}

// Steps are carried out in their order, once, however often the command is run.
func TestClusterRun(t *testing.T) {
	t.Parallel()
	agent := &steppedAgent{keys: map[string]bool{}, begun: time.Now()}
	server := httptest.NewServer(agent)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "steps")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call := func(args ...string) (code int, out, problem string) {
		var stdout, stderr bytes.Buffer
		env := cli.Environment{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(name string) string {
			return map[string]string{"THALASSA_AGENT": server.URL}[name]
		}}
		code = run(t.Context(), append([]string{"cluster", "run"}, args...), env)
		return code, stdout.String(), stderr.String()
	}
	const two = "POST /cluster/actions/stop {\"resource\":\"web\"}\nPOST /cluster/actions/start {\"resource\":\"web\"}\n"
	write(two + "PATCH /cluster/config/primitives/broken {}\nDELETE /cluster/config/tags/late\n")
	code, out, problem := call("-f", file)
	if code != cli.ExitNotFound || !strings.Contains(problem, "step 3 of 4, line 3, PATCH /cluster/config/primitives/broken: no such resource: broken") {
		t.Errorf("exit code %d, %s", code, problem)
	}
	if !strings.Contains(out, "1/4  done  POST /cluster/actions/stop  job aaaaaaaaaaaaaaaaaaaa") || strings.Contains(out, "4/4") {
		t.Errorf("output: %s", out)
	}
	write(two + "DELETE /cluster/config/tags/late\n")
	for range 2 {
		if code, out, problem = call("-f", file); code != cli.ExitOK || strings.Count(out, "\n") != 3 {
			t.Errorf("exit code %d, %s%s", code, out, problem)
		}
	}
	want := []string{"POST /cluster/actions/stop", "POST /cluster/actions/start", "DELETE /cluster/config/tags/late"}
	if !slices.Equal(agent.done, want) {
		t.Errorf("carried out %q, expected %q", agent.done, want)
	}
	agent.begun = time.Now().Add(-time.Hour)
	if code, out, problem = call("-f", file); code != cli.ExitOK || !strings.Contains(out, "by an earlier run, at ") || !strings.Contains(problem, "Nothing was done: an earlier run") {
		t.Errorf("an hour later: exit code %d, %s%s", code, out, problem)
	}
	agent.begun = time.Now()
	if code, out, _ = call("-f", file, "--run", "again", "-o", "json"); code != cli.ExitOK || !strings.Contains(out, `"request":"POST /cluster/actions/stop"`) {
		t.Errorf("another run: exit code %d, %s", code, out)
	}
	if !slices.Equal(agent.done, slices.Concat(want, want)) {
		t.Errorf("after another run: %q", agent.done)
	}
	for _, args := range [][]string{{}, {"-f", file + ".none"}, {"-f", file, "--patience", "0s"}, {"-f", "-"}} {
		if code, _, problem = call(args...); code != cli.ExitUsage || problem == "" {
			t.Errorf("%q: exit code %d, %s", args, code, problem)
		}
	}
}
