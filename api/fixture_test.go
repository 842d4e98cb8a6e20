package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
)

// A fixture is an API over a node in memory, reached over real HTTP. Every answer
// it gives is compared with openapi.json.
type fixture struct {
	*apitest.Node
	tb     testing.TB
	url    string
	server *api.Server

	unguarded http.Handler // the same node's, for put; nil: not needed so far
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// json decodes the body; nil when it is not JSON.
func (r reply) json() any {
	var v any
	if json.Unmarshal(r.body, &v) != nil {
		return nil
	}
	return v
}

// newFixture starts a fixture; adjust may change its configuration.
func newFixture(tb testing.TB, adjust ...func(*api.Config)) *fixture {
	tb.Helper()
	node, cfg := apitest.Prepare(tb, adjust...)
	handler := api.New(cfg)
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	f := &fixture{Node: node, tb: tb, url: server.URL, server: handler}
	if len(adjust) == 0 {
		f.unguarded = handler
	}
	return f
}

// filledFixture is a fixture with services, backends and frontends to look at.
func filledFixture(tb testing.TB, adjust ...func(*api.Config)) *fixture {
	tb.Helper()
	s := newFixture(tb, adjust...)
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 1.0.0", "10.1.0.3:8080 2.0.0")
	s.Discover("blog", "10.2.0.1:80 7")
	s.put("/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	s.put("/backends/files", `{"type":"static","members":[{"host":"10.10.10.10","port":8080},{"host":"::1","port":81}]}`)
	s.put("/frontends/www", `{"bind":"*:80","backend":"live"}`)
	return s
}

// put puts an object directly, past any guard.
func (f *fixture) put(path, body string) {
	f.tb.Helper()
	if f.unguarded == nil {
		f.unguarded = api.New(f.Config())
	}
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(f.tb.Context(), "PUT", path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1"
	f.unguarded.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		f.tb.Fatalf("PUT %s: %d %s", path, w.Code, w.Body)
	}
}

// do sends a request; headers are "Name: value".
func (f *fixture) do(method, path, body string, headers ...string) reply {
	f.tb.Helper()
	r := f.send(method, path, body, headers...)
	parsed, err := url.Parse(path)
	if err != nil {
		f.tb.Fatal(err)
	}
	if err := openDocument(f.tb).checkResponse(method, parsed.EscapedPath(), r); err != nil {
		f.tb.Errorf("%s %s answers %d %s\nagainst openapi.json: %v", method, path, r.status, r.body, err)
	}
	return r
}

// raw sends a request without a body whose answer openapi.json does not describe.
func (f *fixture) raw(method, path string, headers ...string) reply {
	f.tb.Helper()
	return f.send(method, path, "", headers...)
}

func (f *fixture) send(method, path, body string, headers ...string) reply {
	f.tb.Helper()
	req, err := http.NewRequestWithContext(f.tb.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.tb.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		} else {
			req.Header.Add(name, value)
		}
	}
	r, err := roundTrip(req)
	if err != nil {
		f.tb.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// roundTrip follows no redirect.
func roundTrip(req *http.Request) (reply, error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, data}, err
}

func (f *fixture) get(path string, headers ...string) reply {
	f.tb.Helper()
	return f.do("GET", path, "", headers...)
}

// wants checks the status and decodes the body into v, if there is one.
func (r reply) wants(tb testing.TB, status int, v any) {
	tb.Helper()
	if r.status != status {
		tb.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if v != nil {
		if err := json.Unmarshal(r.body, v); err != nil {
			tb.Fatalf("body %s: %v", r.body, err)
		}
	}
}

// errorBody is an error as a caller sees it.
type errorBody struct {
	Error, Code, Output, Incident string
	Fields                        []struct{ Path, Problem, Expected string }
	By                            []string
	Rollout                       *cluster.RolledOut
}

// refused checks that the answer is an error of this status and code.
func (r reply) refused(tb testing.TB, status int, code string) errorBody {
	tb.Helper()
	var f errorBody
	r.wants(tb, status, &f)
	if f.Code != code || f.Error == "" {
		tb.Fatalf("code %q and error %q, want code %q: %s", f.Code, f.Error, code, r.body)
	}
	return f
}

// same compares JSON by value.
func same(tb testing.TB, got []byte, want string) {
	tb.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		tb.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		tb.Fatalf("%s: %v", want, err)
	}
	gj, _ := json.Marshal(g)
	wj, _ := json.Marshal(w)
	if string(gj) != string(wj) {
		tb.Errorf("got  %s\nwant %s", gj, wj)
	}
}

func bearer(token string) string { return "Authorization: Bearer " + token }

func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}
