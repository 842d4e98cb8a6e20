package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"thalassa/activity"
	"thalassa/api/apitest"
	"thalassa/audit"
)

// state is all that requests can change of a node, as one text.
func (z *zoo) state(t *testing.T) string {
	t.Helper()
	in, err := z.Intent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	events, err := z.Log.Events(t.Context(), activity.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	records, err := z.Audited.Records(t.Context(), audit.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	records = slices.DeleteFunc(records, func(r audit.Record) bool { return r.Refusal != "" || r.Action == audit.Export })
	sessions := asked(z.handler, "GET", "/sessions", "", apitest.AdminToken).Body.String()
	text, err := json.Marshal([]any{in, z.Snapshot(), z.Snapshot().Overrides.All(), z.Canaries.Canaries(), events, records, sessions, z.pacemaker.Done()})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// No request with a safe method changes anything, whoever sends it and whatever it has.
func TestSafeMethodsChangeNothing(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	before := z.state(t)
	for _, r := range routesOf(t) {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			path := r.path(false)
			for _, query := range []string{"", "?force=1&action=cleanup&version=2.0.0&state=drain", "?_method=DELETE"} {
				if path == "/streams" || strings.HasPrefix(path, "/monitor") { // which wait
					continue
				}
				q := httptest.NewRequest(method, path+query, strings.NewReader(r.body(path)))
				q.Header.Set("Authorization", "Bearer "+apitest.AdminToken)
				q.Header.Set("X-HTTP-Method-Override", r.Method)
				q.Header.Set("Content-Type", "application/json")
				z.handler.ServeHTTP(httptest.NewRecorder(), q)
			}
		}
	}
	if after := z.state(t); after != before {
		t.Errorf("a safe method has changed\n%s\nto\n%s", before, after)
	}
}

// Every unsafe request of a browser comes from a page of the agent.
func TestOnlyOwnPagesChangeAnything(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	before := z.state(t)
	unsafe := 0
	for _, r := range routesOf(t) {
		if r.Method == http.MethodGet {
			continue
		}
		unsafe++
		path := r.path(false)
		for _, header := range [][2]string{
			{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
			{"Sec-Fetch-Site", "nonsense"},
			{"Origin", "http://evil.example"},
			{"Origin", "null"},
			{"Origin", "http://example.com:1"},
			{"Origin", "http://example.com.evil.example"},
		} {
			q := httptest.NewRequest(r.Method, path, strings.NewReader(r.body(path))) // to example.com
			q.Header.Set("Authorization", "Bearer "+apitest.AdminToken)
			q.Header.Set(header[0], header[1])
			w := httptest.NewRecorder()
			z.handler.ServeHTTP(w, q)
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "another site") {
				t.Errorf("%s with %s: %d %s", r, header, w.Code, w.Body)
			}
		}
	}
	if unsafe < 10 {
		t.Errorf("%d unsafe routes", unsafe)
	}
	if after := z.state(t); after != before {
		t.Errorf("a page of another site has changed\n%s\nto\n%s", before, after)
	}
}

// No request that changes something takes a body of a type that a page of another site may send,
// also where no body is read.
func TestFormsChangeNothing(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	configured := func() string {
		in, err := z.Intent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal([]any{in, z.Snapshot(), z.Canaries.Canaries(), z.pacemaker.Done()})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := configured()
	for _, r := range append(routesOf(t), routesOfV1()...) {
		if r.Method == http.MethodGet {
			continue
		}
		path := r.path(false)
		for _, media := range []string{
			"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/plain; charset=utf-16", "application/xml", "nonsense",
		} {
			isText := strings.HasPrefix(media, "text/plain") || strings.HasPrefix(media, "multipart/")
			if isText && (path == "/import/haproxy" || path == "/v1/controller/upload" || path == "/v1/haproxy/configuration/pending") ||
				media == "application/xml" && strings.HasPrefix(path, "/cluster/config/") && r.Method == http.MethodPut {
				continue // it is the type of what they take
			}
			body := r.body(path)
			if body == "" && strings.HasPrefix(path, "/v1/") {
				body = "field=" // clients of pyHrapi send nothing, of any type
			}
			q := httptest.NewRequest(r.Method, path, strings.NewReader(body))
			q.Header.Set("Authorization", "Bearer "+apitest.AdminToken)
			q.Header.Set("Content-Type", media)
			w := httptest.NewRecorder()
			z.handler.ServeHTTP(w, q)
			isNoKind := strings.HasPrefix(path, "/cluster/config/") && w.Code == http.StatusNotFound
			if w.Code != http.StatusUnsupportedMediaType && !isNoKind && (w.Code != http.StatusBadRequest || !strings.HasPrefix(path, "/v1/")) {
				t.Errorf("%s %s with %s: %d %s", r.Method, path, media, w.Code, w.Body)
			}
		}
	}
	if after := configured(); after != before {
		t.Errorf("a form has changed\n%s\nto\n%s", before, after)
	}
}
