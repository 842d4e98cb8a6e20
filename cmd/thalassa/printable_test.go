package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"thalassa/activity"
	"thalassa/client"
	"thalassa/internal/testkit"
)

// evil is what a terminal would obey: it names its window, clears it with an
// 8-bit sequence, goes back to the beginning of the line, begins a further one,
// and reverses the order of letters.
const evil = "\x1b]0;owned\x07\u009b2J\x7f\r\nfake  UP\u202egpj\U000e0041"

// obeyed is the first character of an output that a terminal would obey.
func obeyed(text string) error {
	for i, r := range text {
		if !strconv.IsPrint(r) && r != '\n' && r != '\t' {
			return fmt.Errorf("it holds %q in %q", r, text[max(0, i-20):min(len(text), i+20)])
		}
	}
	return nil
}

// aLyingAgent answers everything with status and a document.
func aLyingAgent(t *testing.T, status int, document string) *site {
	t.Helper()
	quoted, err := json.Marshal(evil)
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
	return &site{tb: t, url: server.URL, env: map[string]string{"THALASSA_AGENT": server.URL}}
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
			if err := errors.Join(obeyed(r.out), obeyed(r.errors)); err != nil {
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
	if err := json.Unmarshal([]byte(r.out), &e); err != nil || string(e.Verb) != evil || e.Object.Key != evil {
		t.Errorf("%v: %+v of %s", err, e, r.out)
	}
}

func TestTopIsNotControlledByPeers(t *testing.T) {
	s := shown(t)
	for _, f := range []client.Frame{
		{Type: "hello", Label: evil, Version: evil},
		{Type: "lost", Message: evil},
		{Type: "delta", Topic: "status", Changed: documents(t, map[string]any{
			"id": "status", "problem": evil, "haproxy": map[string]any{"running": true, "version": evil},
			"discovery": []any{map[string]any{"service": evil, "stale": evil}},
		})},
		{Type: "delta", Topic: "frontends", Changed: documents(t, map[string]any{"id": "frontend/" + evil, "bind": evil})},
		{Type: "delta", Topic: "backends", Changed: documents(t, map[string]any{"id": "backend/" + evil, "version": evil})},
		{Type: "delta", Topic: "stat", Changed: documents(t,
			map[string]any{"id": "1", "type": "frontend", "key": evil, "status": evil},
			map[string]any{"id": "2", "type": "backend", "key": evil, "status": evil},
			map[string]any{"id": "3", "type": "backendMember", "backend": evil, "key": evil, "status": evil, "version": evil, "check": map[string]any{"status": evil}},
		)},
	} {
		if err := s.take(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range [][2]int{{0, 0}, {80, 60}, {13, 60}} {
		for _, l := range s.lines(size[0], size[1]) {
			if err := obeyed(l.text); err != nil || strings.Contains(l.text, "\n") {
				t.Errorf("%q: %v", l.text, err)
			}
		}
	}
}

func documents(t *testing.T, objects ...map[string]any) []json.RawMessage {
	t.Helper()
	list := make([]json.RawMessage, len(objects))
	for i, o := range objects {
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = data
	}
	return list
}

// haproxy.cfg goes into a file byte for byte, and to a terminal in a form that it
// does not obey.
func TestConfigOnATerminal(t *testing.T) {
	config := "global\n\tdescription \x1b[2J\xff\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(config)) }))
	t.Cleanup(server.Close)
	s := &site{tb: t, env: map[string]string{"THALASSA_AGENT": server.URL}}
	s.does(config, "config")

	user, program := openPTY(t)
	var screen lockedBuffer
	go screen.collect(user)
	code := run(t.Context(), []string{"config", "--agent", server.URL}, environment{
		program: "thalassa", stdin: program, stdout: program, stderr: os.Stderr, getenv: func(string) string { return "" },
	})
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		if got := screen.String(); !strings.HasSuffix(got, "description \\u001b[2J\ufffd\r\n") {
			return fmt.Errorf("shown is %q", got)
		}
		return nil
	})
}

func FuzzPrintable(f *testing.F) {
	f.Add(evil)
	f.Add("plain äöü 日本\n\ttext")
	f.Add("\xff\xfe\xc2")
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		if n, err := printing(&b).Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("%d of %d bytes, %v", n, len(text), err)
		}
		if err := obeyed(b.String()); err != nil {
			t.Error(err)
		}
		if strings.ContainsFunc(oneLine(text), unicode.IsControl) {
			t.Errorf("%q is not one line", oneLine(text))
		}
		if once := printable(text, ""); printable(once, "") != once {
			t.Errorf("%q changes once more", once)
		}
	})
}
