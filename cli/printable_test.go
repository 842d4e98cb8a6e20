package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/cli"
	"thalassa/internal/testkit"
)

// aLyingAgent answers everything with status and a document.
func aLyingAgent(t *testing.T, status int, document string) *fixture {
	t.Helper()
	quoted, err := json.Marshal(cli.Evil)
	if err != nil {
		t.Fatal(err)
	}
	document = strings.ReplaceAll(document, `"EVIL"`, string(quoted))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(document))
	}))
	t.Cleanup(server.Close)
	return &fixture{tb: t, url: server.URL, env: map[string]string{"THALASSA_AGENT": server.URL}}
}

func TestPeersDoNotControlTheTerminal(t *testing.T) {
	for _, c := range []struct {
		status             int
		document, commands string
		lines              int // that standard output has; 0: whatever it has
	}{
		{
			200, `{"label":"EVIL","version":"EVIL","problem":"EVIL","haproxy":{"running":true,"version":"EVIL"},
				"discovery":[{"service":"EVIL","stale":"EVIL","versions":[{"version":"EVIL"}]}]}`, "status,status -o json", 0,
		},
		{200, `[{"id":"EVIL","key":"EVIL","bind":"EVIL","mode":"EVIL","backend":"EVIL"}]`, "frontends", 2},
		{200, `[{"id":"EVIL","key":"EVIL","type":"EVIL","name":"EVIL","version":"EVIL","balance":"EVIL"}]`, "backends", 2},
		{200, `{"id":"EVIL","key":"EVIL","name":"EVIL","version":"EVIL"}`, "backends get live,frontends get web", 0},
		{200, `{"id":"EVIL","name":"EVIL","version":"EVIL","applied":true,"path":"EVIL"}`, "deploy live 1,backends delete live", 1},
		{200, `{"id":"EVIL","name":"EVIL","version":"EVIL","applied":false,"reason":"EVIL"}`, "deploy live 1", 1},
		{
			200, `[{"seq":1,"verb":"EVIL","object":{"id":"EVIL","key":"EVIL"},"cause":"EVIL","author":"EVIL","diff":["EVIL"],"error":"EVIL"}]`,
			"activity", 1,
		},
		{409, `{"code":"EVIL","error":"EVIL","fields":[{"path":"EVIL","problem":"EVIL"},{"path":"EVIL","problem":"EVIL"}]}`, "status,deploy live 1,top --once", 0},
		{422, `{"code":"refused","error":"EVIL","output":"EVIL"}`, "deploy live 1", 0},
	} {
		s := aLyingAgent(t, c.status, c.document)
		for command := range strings.SplitSeq(c.commands, ",") {
			r := s.execute("", strings.Fields(command)...)
			if err := errors.Join(cli.Obeyed(r.out), cli.Obeyed(r.errors)); err != nil {
				t.Errorf("%s: %v", command, err)
			}
			if !strings.Contains(r.out+r.errors, "owned") {
				t.Errorf("%s does not tell what it got: %+v", command, r)
			}
			if c.lines > 0 && strings.Count(r.out, "\n") != c.lines {
				t.Errorf("%s: a name passes for a line:\n%s", command, r.out)
			}
		}
	}
}

// A program that reads JSON gets the names as they are.
func TestPrintableJSONIsTheSameDocument(t *testing.T) {
	s := aLyingAgent(t, http.StatusOK, `[{"seq":1,"verb":"EVIL","object":{"id":"EVIL","type":"backend","key":"EVIL"}}]`)
	var e activity.Event
	r := s.execute("", "activity", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &e); err != nil || string(e.Verb) != cli.Evil || e.Object.Key != cli.Evil {
		t.Errorf("%v: %+v of %s", err, e, r.out)
	}
}

// haproxy.cfg goes into a file byte for byte, and to a terminal in a form that it
// does not obey.
func TestConfigOnATerminal(t *testing.T) {
	config := "global\n\tdescription \x1b[2J\xff\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(config)) }))
	t.Cleanup(server.Close)
	s := &fixture{tb: t, env: map[string]string{"THALASSA_AGENT": server.URL}}
	s.does(config, "config")

	user, program := openPTY(t)
	var screen lockedBuffer
	go screen.collect(user)
	code := run(t.Context(), []string{"config", "--agent", server.URL}, cli.Environment{
		Program: "thalassa", Stdin: program, Stdout: program, Stderr: os.Stderr, Getenv: func(string) string { return "" },
	})
	if code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		if got := screen.String(); !strings.HasSuffix(got, "description \\u001b[2J\ufffd\r\n") {
			return fmt.Errorf("shown is %q", got)
		}
		return nil
	})
}
