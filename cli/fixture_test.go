package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cli"
)

// run runs a command of a program that has no agent to start.
func run(ctx context.Context, args []string, env cli.Environment) int {
	return cli.Run(ctx, args, env, cli.Parts{
		Version: "1.2.3", CIBProgram: "thalassa-cib",
		Agent: func(context.Context, cli.Node) error { return errors.New("there is no agent to start") },
	})
}

// patience is how long anything may take on a slow, busy machine.
const patience = 30 * time.Second

// A fixture is an agent's API over a node in memory, reached over real HTTP, and a
// shell from which the command line is used.
type fixture struct {
	*apitest.Node
	tb  testing.TB
	url string
	env map[string]string
	// certificate is that of the installed agent on this node; empty: there is none.
	certificate string

	asked func() // runs when a request comes in; may be nil

	mu   sync.Mutex
	last []byte // the newest answer of the API
}

// open starts a fixture; adjust may change the API's configuration.
func open(tb testing.TB, adjust ...func(*api.Config)) *fixture {
	tb.Helper()
	node, cfg := apitest.Prepare(tb, adjust...)
	s := &fixture{Node: node, tb: tb}
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	go func() { _ = node.Run(ctx) }()
	server := httptest.NewServer(s.watched(api.New(cfg)))
	tb.Cleanup(server.Close)
	s.url = server.URL
	s.env = map[string]string{"THALASSA_AGENT": server.URL}
	return s
}

// shop is a fixture with a service in two versions, two backends and a frontend.
func shop(tb testing.TB, adjust ...func(*api.Config)) *fixture {
	tb.Helper()
	s := open(tb, adjust...)
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 1.0.0", "10.1.0.3:8080 2.0.0")
	server := httptest.NewServer(api.New(s.Config())) // past any guard
	defer server.Close()
	for _, args := range [][]string{
		{"backends", "put", "live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`},
		{"backends", "put", "files", `{"type":"static","members":[{"host":"10.10.10.10","port":8080}],"balance":"leastconn","mode":"http","host":"files.example","health":{"uri":"/up"}}`},
		{"frontends", "put", "www", `{"bind":"*:80,[::1]:8080","backend":"live","rules":[{"type":"path","operation":"path_beg","value":"/files","backend":"files"}],"natives":["option forwardfor"],"register":{"name":"front"}}`},
	} {
		if r := s.runWith(args[3], "--agent", server.URL, args[0], args[1], args[2], "-"); r.code != cli.ExitOK {
			tb.Fatalf("%v: %+v", args, r)
		}
	}
	return s
}

// watched keeps the newest answer.
func (s *fixture) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.asked != nil {
			s.asked()
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		s.mu.Lock()
		s.last = answer.Body.Bytes()
		s.mu.Unlock()
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		if _, err := w.Write(answer.Body.Bytes()); err != nil && r.Context().Err() == nil {
			s.tb.Error(err)
		}
	})
}

// answered is the newest answer of the API.
func (s *fixture) answered() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// result is what a command left behind.
type result struct {
	code        int
	out, errors string
}

// run runs a command in its shell.
func (s *fixture) run(args ...string) result {
	s.tb.Helper()
	return s.runWith("", args...)
}

// runWith is run with something on standard input. Only a command that fails may
// say something on stderr, and has to.
func (s *fixture) runWith(stdin string, args ...string) result {
	s.tb.Helper()
	r := s.execute(stdin, args...)
	if (r.code == cli.ExitOK) != (r.errors == "") {
		s.tb.Errorf("%v: exit code %d with %q on stderr", args, r.code, r.errors)
	}
	return r
}

func (s *fixture) execute(stdin string, args ...string) result {
	s.tb.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(s.tb.Context(), patience)
	defer cancel()
	code := run(ctx, args, cli.Environment{
		Program: "thalassa", Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return s.env[name] }, Certificate: s.certificate,
	})
	r := result{code, out.String(), errs.String()}
	if ctx.Err() != nil && s.tb.Context().Err() == nil {
		s.tb.Errorf("%v takes too long: %+v", args, r)
	}
	return r
}

// does demands that the command succeeds and prints exactly these lines.
func (s *fixture) does(lines string, args ...string) {
	s.tb.Helper()
	if r := s.run(args...); r.code != cli.ExitOK || r.out != lines {
		s.tb.Errorf("%v: exit code %d %s\ngot\n%s\nwant\n%s", args, r.code, r.errors, r.out, lines)
	}
}

// fails demands that the command ends with the code, says this on stderr and
// nothing on stdout.
func (s *fixture) fails(code int, says string, args ...string) {
	s.tb.Helper()
	s.failsWith("", code, says, args...)
}

func (s *fixture) failsWith(stdin string, code int, says string, args ...string) {
	s.tb.Helper()
	r := s.runWith(stdin, args...)
	if r.code != code || r.out != "" || !strings.HasPrefix(r.errors, "thalassa: ") || !strings.Contains(r.errors, says) {
		s.tb.Errorf("%v: exit code %d, want %d; stdout %q; stderr %q, want it to say %q", args, r.code, code, r.out, r.errors, says)
	}
}

// sameJSON demands that two documents are equal by value.
func sameJSON(tb testing.TB, what, got, want string) {
	tb.Helper()
	var g, w any
	if err := errors.Join(json.Unmarshal([]byte(got), &g), json.Unmarshal([]byte(want), &w)); err != nil {
		tb.Errorf("%s: %v\ngot  %s\nwant %s", what, err, got, want)
	} else if !reflect.DeepEqual(g, w) {
		tb.Errorf("%s:\ngot  %s\nwant %s", what, got, want)
	}
}
