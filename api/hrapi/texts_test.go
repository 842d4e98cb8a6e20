package hrapi_test

import (
	"path/filepath"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/api/hrapi"
)

const plainText = "Content-Type: text/plain"

const oneSite = `frontend web
  bind @{gateway:endpoint:ip}:@{gateway:endpoint:port:1}
  mode http
  default_backend shop
backend shop
  mode http
  server s1 10.0.0.1:80
`

func TestUpload(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("PUT", "/v1/pools/old", `{"targets":{"t":"10.0.0.9:80"}}`, 200, "Added")
	f.want("PUT", "/v1/gateways/g", `{"protocol":"http","endpoints":{"e":"127.0.0.1:8099"},"defaultBack":"old"}`, 200, "Added")
	f.want("POST", "/v1/controller/commit", "", 200, "Started")
	f.want("PUT", "/v1/pools/later", `{"targets":{}}`, 200, "Added") // in the draft
	status, answer, _ := f.do("POST", "/v1/controller/upload", oneSite, plainText)
	if status != 200 || !strings.Contains(answer, `"HaProxy Status": "Started"`) || !strings.Contains(answer, `"revision": 2`) {
		t.Fatalf("%d %s", status, answer)
	}
	// It has replaced everything but the statistics page, and the draft is what it was.
	f.want("GET", "/frontends/web", "", 200, "127.0.0.1:8001")
	f.want("GET", "/frontends/g", "", 404, "")
	f.want("GET", "/backends/old", "", 404, "")
	f.want("GET", "/frontends/v1-dashboard", "", 200, "stats")
	f.want("GET", "/v1/pools", "", 200, `{"Pools":["later","shop"]}`)
	f.want("GET", "/v1/haproxy/configuration/running", "", 200, "revision-2")

	form := "--x\r\nContent-Disposition: form-data; name=\"test\"; filename=\"h.cfg\"\r\n\r\n" + strings.ReplaceAll(oneSite, "shop", "form") + "\r\n--x--\r\n"
	if status, answer, _ := f.do("POST", "/v1/controller/upload", form, "Content-Type: multipart/form-data; boundary=x"); status != 200 {
		t.Errorf("a form: %d %s", status, answer)
	}
	f.want("GET", "/backends/form", "", 200, "10.0.0.1")
}

// What cannot be taken names the lines, and changes nothing.
func TestWrongUploads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const form = "Content-Type: multipart/form-data; boundary=x"
	for _, q := range []struct {
		body, contentType string
		status            int
		want              string
	}{
		{"frontend web\n  bind :80\n  timeout client \"${T}\"\n  default_backend b\nbackend b\n", plainText, 400, `"path": "line 3"`},
		{"frontend web\n  bind :80\n  bind :80\n  default_backend b\nbackend b\n.if 1\n.endif\n", plainText, 400, `"path": "line 6"`},
		{"frontend web\n  bind :@{port}\n", plainText, 400, `"path": "line 2"`},
		{"frontend web\n  bind :@{gateway:endpoint:port:81}\n", plainText, 409, "line 2: there is no port 81"},
		{"", plainText, 400, "is empty"},
		{strings.Repeat("#", 3<<20), plainText, 413, "larger than"},
		{oneSite, "Content-Type: application/json", 415, "text/plain"},
		{oneSite, "Content-Type: text/plain; charset=utf-16", 415, "text/plain"},
		{oneSite, "Content-Type: text/html", 415, "text/plain"},
		{"--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--\r\n", form, 400, "second field"},
		{"--x--\r\n", form, 400, "has no file"},
		{"--x\r\n\r\nab", form, 400, "incomplete"},
		{"--x\r\n\r\n" + strings.Repeat("#", 3<<20), form, 413, "larger than"},
	} {
		if status, answer, _ := f.do("POST", "/v1/controller/upload", q.body, q.contentType); status != q.status || !strings.Contains(answer, q.want) {
			t.Errorf("%.60q as %s: %d %s, want %d %s", q.body, q.contentType, status, answer, q.status, q.want)
		}
	}
	f.want("GET", "/revisions", "", 200, "[]")
}

// A browser sends plain text and forms to any site: with a cookie they need to say where
// they come from.
func TestUploadsOfOtherSites(t *testing.T) {
	t.Parallel()
	f := newFixture(t, apitest.Guarded(t))
	_, _, header := f.do("POST", "/session", `{"token":"`+apitest.AdminToken+`"}`)
	cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	for _, path := range []string{"POST /v1/controller/upload", "PUT /v1/haproxy/configuration/pending"} {
		method, path, _ := strings.Cut(path, " ")
		for _, q := range []struct {
			headers []string
			status  int
		}{
			{[]string{"Cookie: " + cookie}, 403},
			{[]string{"Cookie: " + cookie, "Sec-Fetch-Site: cross-site"}, 403},
			{[]string{"Cookie: " + cookie, "Origin: http://evil.example"}, 403},
			{[]string{"Cookie: " + cookie, "Sec-Fetch-Site: same-origin"}, 200},
			{[]string{"Authorization: Bearer " + apitest.AdminToken}, 200},
			{[]string{"Authorization: Bearer " + apitest.OperateToken}, 403},
		} {
			if status, answer, _ := f.do(method, path, oneSite, append(q.headers, plainText)...); status != q.status {
				t.Errorf("%s with %.60q: %d %s, want %d", path, q.headers, status, answer, q.status)
			}
		}
	}
}

func TestPending(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pending")
	adjust := func(c *api.Config) {
		c.Dialects = []api.Dialect{hrapi.New(hrapi.Config{Pending: file, Variables: hrapi.Variables{IP: "127.0.0.1", PortMin: 8000, PortMax: 8080}, HAProxyConfig: c.HAProxyConfig})}
	}
	f := newFixture(t, adjust)
	f.want("PUT", "/backends/first", `{"type":"static","members":[{"host":"10.0.0.9","port":80}]}`, 200, "first")
	pend := func(text string, status int, want string) {
		t.Helper()
		if got, answer, _ := f.do("PUT", "/v1/haproxy/configuration/pending", text, plainText); got != status || !strings.Contains(answer, want) {
			t.Errorf("%d %s, want %d %s", got, answer, status, want)
		}
	}
	pend("frontend web\n  bind \"${IP}:80\"\n", 400, `"error": "invalid configuration"`)
	pend("frontend web\n  bind \"${IP}:80\"\n", 400, `"path": "line 2"`)
	f.want("GET", "/v1/haproxy/configuration/pending", "", 404, "no pending")
	pend(oneSite, 200, `"updated": "pending"`)
	f.want("GET", "/v1/haproxy/configuration/pending", "", 200, "text-1")
	f.want("GET", "/v1/haproxy/configuration/pending/expanded", "", 200, "bind 127.0.0.1:8001")
	f.want("GET", "/frontends", "", 200, "[]") // nothing is live
	pend(strings.ReplaceAll(oneSite, "shop", "second"), 200, `"updated": "pending"`)
	f.want("GET", "/v1/haproxy/configuration/pending", "", 200, "text-2")
	f.want("DELETE", "/v1/haproxy/configuration/pending", "", 200, "pending")
	f.want("POST", "/v1/haproxy/configuration/commit", "", 404, `{"exception":"no pending found"}`)
	pend(oneSite, 200, `"updated": "pending"`)
	f.want("GET", "/v1/haproxy/configuration/pending", "", 200, "text-3")

	// The commit swaps them, and another one swaps them back.
	f.want("POST", "/v1/haproxy/configuration/commit", "", 200, `"status": "pending is now running"`)
	f.want("GET", "/backends/shop", "", 200, "10.0.0.1")
	f.want("GET", "/backends/first", "", 404, "")
	f.want("GET", "/v1/haproxy/configuration/running", "", 200, "revision-2")
	f.want("GET", "/v1/haproxy/configuration/pending", "", 200, "revision-1")
	f.want("GET", "/v1/haproxy/configuration/pending/expanded", "", 200, "PUT /backends/first") // the test node's text of it
	f.want("POST", "/v1/haproxy/configuration/commit", "", 200, `"status": "pending is now running"`)
	f.want("GET", "/backends/first", "", 200, "10.0.0.9")
	f.want("GET", "/backends/shop", "", 404, "")
	f.want("GET", "/v1/haproxy/configuration/pending", "", 200, "revision-2")

	// It outlives the agent.
	again := newFixture(t, adjust)
	again.want("GET", "/v1/haproxy/configuration/pending", "", 200, "revision-2")
}
