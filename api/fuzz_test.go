package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
)

// Whatever is asked, the answer is one that openapi.json describes, and none
// says that something broke inside.
func FuzzRequests(f *testing.F) {
	for _, q := range requests {
		f.Add(q.method, q.path, q.body, "")
	}
	f.Add("GET", "/activity?since=2006-01-02T15:04:05Z&wait=1ms&filter=x&limit=1", "", `"a", W/"b"`)
	f.Add("GET", "/revisions?before=2&limit=1", "", "*")
	f.Add("PUT", "/frontends/a%2Fb", `{"bind":"*:80,[::1]:81","rules":[{"type":"header","header":"host","operation":"hdr_dom","value":"x","backend":"live"}]}`, "*")
	f.Add("POST", "/backends/%00", `{"name":"blog","version":"7","wait":"1ms","force":true}`, `"`)
	f.Add("BREW", "//%2e%2e//", `{"type":"static","members":[{"host":"::1","port":1}],"health":{"interval":1}}`, "W/")
	f.Add("GEt", "/", "", "") // methods are told apart by case, RFC 9110 section 9.1
	f.Fuzz(func(t *testing.T, method, target, body, tags string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || !strings.HasPrefix(target, "/") || !isToken(method) {
			return // net/http would not have let it through
		}
		node, cfg := apitest.Prepare(t)
		node.Discover("shop", "10.1.0.1:8080 1.0.0")
		server := api.New(cfg)
		ask(t, server, "PUT", &url.URL{Path: "/backends/live"}, `{"type":"dynamic","name":"shop","version":"1.0.0"}`, "")
		ask(t, server, method, u, body, tags)
	})
}

func ask(t *testing.T, h http.Handler, method string, u *url.URL, body, tags string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, "GET", "/", strings.NewReader(body))
	req.Method, req.URL = method, u
	if tags != "" {
		req.Header.Set("If-Match", tags)
		req.Header.Set("If-None-Match", tags)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	r := reply{w.Code, w.Result().Header, w.Body.Bytes()}
	if method == http.MethodHead {
		r.body = nil // net/http drops it
	}
	if r.status >= 500 && r.status != http.StatusServiceUnavailable {
		t.Errorf("%s %s %s: %d %s", method, u, body, r.status, r.body)
	}
	if err := openDocument(t).checkResponse(method, u.EscapedPath(), r); err != nil {
		t.Errorf("%s %s %s answers %d %s\nagainst openapi.json: %v", method, u, body, r.status, r.body, err)
	}
}

// isToken reports whether net/http takes s as a method.
func isToken(s string) bool {
	_, err := http.NewRequestWithContext(context.Background(), s, "http://localhost/", http.NoBody)
	return s != "" && err == nil
}
