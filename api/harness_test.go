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
)

// A site is an API over a node in memory, reached over real HTTP. Every answer
// it gives is compared with openapi.json.
type site struct {
	*apitest.Node
	tb  testing.TB
	url string
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

// open starts a site; adjust may change its configuration.
func open(tb testing.TB, adjust ...func(*api.Config)) *site {
	tb.Helper()
	node, err := apitest.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	cfg := node.Config()
	for _, a := range adjust {
		a(&cfg)
	}
	server := httptest.NewServer(api.New(cfg))
	tb.Cleanup(server.Close)
	return &site{Node: node, tb: tb, url: server.URL}
}

// filled is a site with services, backends and frontends to look at.
func filled(tb testing.TB, adjust ...func(*api.Config)) *site {
	tb.Helper()
	s := open(tb, adjust...)
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 1.0.0", "10.1.0.3:8080 2.0.0")
	s.Discover("blog", "10.2.0.1:80 7")
	s.put("/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	s.put("/backends/files", `{"type":"static","members":[{"host":"10.10.10.10","port":8080},{"host":"::1","port":81}]}`)
	s.put("/frontends/www", `{"bind":"*:80","backend":"live"}`)
	return s
}

// put puts an object directly, past any guard.
func (s *site) put(path, body string) {
	s.tb.Helper()
	direct := httptest.NewServer(api.New(s.Config()))
	defer direct.Close()
	plain := &site{Node: s.Node, tb: s.tb, url: direct.URL}
	if r := plain.do("PUT", path, body); r.status != http.StatusOK {
		s.tb.Fatalf("PUT %s: %d %s", path, r.status, r.body)
	}
}

// do sends a request; headers are "Name: value".
func (s *site) do(method, path, body string, headers ...string) reply {
	s.tb.Helper()
	r := s.send(method, path, body, headers...)
	parsed, err := url.Parse(path)
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := openDocument(s.tb).checkResponse(method, parsed.EscapedPath(), r); err != nil {
		s.tb.Errorf("%s %s answers %d %s\nagainst openapi.json: %v", method, path, r.status, r.body, err)
	}
	return r
}

// raw sends a request without a body whose answer openapi.json does not describe.
func (s *site) raw(method, path string, headers ...string) reply {
	s.tb.Helper()
	return s.send(method, path, "", headers...)
}

func (s *site) send(method, path, body string, headers ...string) reply {
	s.tb.Helper()
	req, err := http.NewRequestWithContext(s.tb.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.tb.Fatal(err)
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
		s.tb.Fatalf("%s %s: %v", method, path, err)
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

func (s *site) get(path string, headers ...string) reply {
	s.tb.Helper()
	return s.do("GET", path, "", headers...)
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

// fault is an error as a caller sees it.
type fault struct {
	Error, Code, Output, Incident string
	Fields                        []struct{ Path, Problem, Expected string }
	By                            []string
}

// refused checks that the answer is an error of this status and code.
func (r reply) refused(tb testing.TB, status int, code string) fault {
	tb.Helper()
	var f fault
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
