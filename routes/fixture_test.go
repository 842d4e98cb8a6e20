package routes_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"thalassa/auth"
	"thalassa/routes"
)

// ours are the names of cookies that no application sees.
func ours() []string {
	return []string{"thalassa_session", "__Host-thalassa_session", "thalassa_login"}
}

// site serves entries to ann, over TLS with HTTP/1.1 and HTTP/2.
func site(t *testing.T, cfg routes.Config, entries ...routes.Entry) *httptest.Server {
	t.Helper()
	list, err := routes.Parse(entries, nil)
	if err != nil {
		t.Fatal(err)
	}
	router := routes.New(cfg, list)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := router.Find(r.URL.Path)
		if p == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		err := p.Serve(w, r, routes.Caller{Name: "ann", Role: auth.Operate, Cookies: ours()})
		if f, ok := errors.AsType[*routes.ServeError](err); ok {
			maps.Copy(w.Header(), f.Header)
			http.Error(w, f.Code+": "+f.Message, f.Status)
		} else if err != nil {
			t.Error(err)
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	t.Cleanup(func() { router.Replace(nil) })
	return s
}

// reply is an answer without its body.
type reply struct {
	StatusCode int
	Header     http.Header
	Trailer    http.Header
}

// get sends a request with headers "Name: value", and follows no redirect.
func get(t *testing.T, s *httptest.Server, path string, headers ...string) (r reply, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	res, err := s.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, res.Trailer}, string(data)
}
