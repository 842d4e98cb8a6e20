package hrapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/api/hrapi"
	"thalassa/audit"
)

// A fixture is an API with the dialect over a node in memory.
type fixture struct {
	*apitest.Node
	t      *testing.T
	server *httptest.Server
}

func newFixture(t *testing.T, adjust ...func(*api.Config)) *fixture {
	t.Helper()
	node, cfg := apitest.Prepare(t, adjust...)
	server := httptest.NewServer(api.New(cfg))
	t.Cleanup(server.Close)
	return &fixture{node, t, server}
}

// do sends a request; headers are "Name: value".
func (f *fixture) do(method, path, body string, headers ...string) (status int, answer string, header http.Header) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return res.StatusCode, string(data), res.Header
}

// want checks an answer: want is JSON, or a part of the text where it is none.
func (f *fixture) want(method, path, body string, status int, want string) {
	f.t.Helper()
	got, answer, _ := f.do(method, path, body)
	isSame := strings.Contains(answer, want)
	var a, b any
	if strings.ContainsAny(want[:min(1, len(want))], "{[") && json.Unmarshal([]byte(want), &b) == nil {
		isSame = json.Unmarshal([]byte(answer), &a) == nil && reflect.DeepEqual(a, b)
	}
	if got != status || !isSame {
		f.t.Errorf("%s %s %s\n%d %s\nwant %d %s", method, path, body, got, answer, status, want)
	}
}

// The requests in their order, and what they answer.
func TestRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Discover("shop", "10.1.0.1:8080 1.0.0")
	for _, q := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/gateways", "", 200, `{"Gateways":[]}`},
		{"GET", "/v1/pools", "", 200, `{"Pools":[]}`},
		{"GET", "/v1/gateways/g", "", 404, `{"No such gateway":"g"}`},
		{"GET", "/v1/pools/p", "", 404, `{"No such pool":"p"}`},
		{"POST", "/v1/controller/commit", "", 409, "no pool that is enabled"},
		{"PUT", "/v1/gateways/g", `{"gateway":"g","endpoints":{"e":"127.0.0.1:8081"}}`, 400, "protocol: is missing"},
		{"PUT", "/v1/gateways/g", `{"gateway":"g","protocol":"http"}`, 400, "endpoints: is missing"},
		{"PUT", "/v1/gateways/g", `{"gateway":"h","protocol":"http","endpoints":{}}`, 400, "gateway: is not the name in the path"},
		{"PUT", "/v1/gateways/g", `{"Gateway":"g","protocol":"http","endpoints":{}}`, 400, "Gateway: is not a field"},
		{"PUT", "/v1/gateways/g", `{"protocol":"http","endpoints":{"e":"*:8081 @key.pem"}}`, 404, `{"certificate error":"no such certificate"}`},
		{"PUT", "/v1/gateways/g", `{"protocol":"http","endpoints":{"e":"127.0.0.1"}}`, 400, "endpoints.e: "},
		{"PUT", "/v1/gateways/g", `{"protocol":"http","endpoints":{"e":"127.0.0.1:8081"},"pools":["none"]}`, 400, "pools.none: "},
		{"PUT", "/v1/gateways/g", `{"gateway":"g","protocol":"http","endpoints":{"e":"127.0.0.1:8081","f":"127.0.0.1:8082"},"pools":{"one":"10.0.0.9:80"},"enable":"True"}`, 200, `{"Added gateway":"g"}`},
		{"GET", "/v1/gateways/g", "", 200, `{"gateway":"g","protocol":"http","endpoints":{"e":"127.0.0.1:8081","f":"127.0.0.1:8082"},"pools":["one"],"enable":"True","defaultBack":"None"}`},
		{"GET", "/v1/pools/one", "", 200, `{"enabled":true,"targets":{"one":"10.0.0.9:80"}}`},
		{"PUT", "/v1/gateways/g", `{"endpoints":{"f":"127.0.0.1:8083"},"defaultBack":"one","enable":"False"}`, 200, `{"Modified":"g"}`},
		{"GET", "/v1/gateways/g", "", 200, `{"gateway":"g","protocol":"http","endpoints":{"e":"127.0.0.1:8081","f":"127.0.0.1:8083"},"pools":["one"],"enable":"False","defaultBack":"one"}`},
		{"PUT", "/v1/gateways/g", `{"endpoints":{},"enable":true}`, 200, `{"Modified":"g"}`},
		{"GET", "/v1/gateways/g/endpoints", "", 200, `{"Gateway":"g","Endpoints":["e","f"]}`},
		{"GET", "/v1/gateways/h/endpoints", "", 404, `{"Gateway Not Found":"h"}`},
		{"PUT", "/v1/gateways/g/endpoints/h", `{"address":"*:8084"}`, 200, `{"added endpoint":"h"}`},
		{"PUT", "/v1/gateways/g/endpoints/h", `{"address":"127.0.0.1:8084"}`, 200, `{"Modified":"h"}`},
		{"PUT", "/v1/gateways/g/endpoints/h", `{}`, 400, "address: is missing"},
		{"PUT", "/v1/gateways/none/endpoints/h", `{"address":"*:1"}`, 404, `{"No such gateway":"none"}`},
		{"GET", "/v1/gateways/g/endpoints/h", "", 200, `{"address":"127.0.0.1:8084"}`},
		{"GET", "/v1/gateways/g/endpoints/i", "", 404, `{"No such endpoint":"i"}`},
		{"DELETE", "/v1/gateways/g/endpoints/h", "", 200, `{"Delete Endpoint":"h"}`},
		{"DELETE", "/v1/gateways/g/endpoints/h", "", 404, `{"No such endpoint":"h"}`},
		{"PUT", "/v1/pools/p", `{"enabled":true}`, 400, "targets: is missing"},
		{"PUT", "/v1/pools/p", `{"enabled":"True","targets":{}}`, 400, "enabled: has another type"},
		{"PUT", "/v1/pools/p", `{"targets":{"a":"10.0.0.7:80"},"targets":{}}`, 400, "targets: is set twice"},
		{"PUT", "/v1/pools/p", `{"targets":{"t":"10.0.0.1:80","u":"10.0.0.2:80"}}`, 200, `{"Added pool":"p"}`},
		{"PUT", "/v1/pools/p", `{"enabled":false,"targets":{"u":"10.0.0.3:80"}}`, 200, `{"Modified":"p"}`},
		{"GET", "/v1/pools/p", "", 200, `{"enabled":false,"targets":{"t":"10.0.0.1:80","u":"10.0.0.3:80"}}`},
		{"PUT", "/v1/pools/p", `{"enabled":true,"targets":{"x":"10.0.0.7:80","y":"nowhere"}}`, 400, "targets.y: "},
		{"GET", "/v1/pools/p/targets", "", 200, `{"Targets":["t","u"]}`},
		{"GET", "/v1/pools/q/targets", "", 404, `{"No such pool":"q"}`},
		{"GET", "/v1/pools/p/targets/t", "", 200, `{"address":"10.0.0.1:80","weight":1,"enabled":true}`},
		{"GET", "/v1/pools/p/targets/x", "", 404, `{"No such target":"x"}`},
		{"PUT", "/v1/pools/p/targets/t", `{"address":"10.0.0.1:80","weight":200,"enabled":false}`, 200, `{"Modified":"t"}`},
		{"GET", "/v1/pools/p/targets/t", "", 200, `{"address":"10.0.0.1:80","weight":200,"enabled":false}`},
		{"PUT", "/v1/pools/p/targets/v", `{"address":"10.0.0.5:80","weight":0}`, 200, `{"Added Target":"v"}`},
		{"PUT", "/v1/pools/p/targets/v", `{"address":"10.0.0.5:80"}`, 400, "weight: is missing"},
		{"PUT", "/v1/pools/p/targets/v", `{"weight":1}`, 400, "address: is missing"},
		{"PUT", "/v1/pools/p/targets/v", `{"address":"10.0.0.5:80","weight":"1"}`, 400, "weight: has another type"},
		{"PUT", "/v1/pools/p/targets/v", `{"address":"10.0.0.5:80","weight":257}`, 400, "weight: 257"},
		{"PUT", "/v1/pools/p/targets/v", `{"address":"10.0.0.5:80","weight":1,"enabled":"no"}`, 400, "enabled: "},
		{"PUT", "/v1/pools/none/targets/v", `{"address":"10.0.0.5:80","weight":1}`, 404, `{"No such Pool":"none"}`},
		{"PUT", "/v1/pools/p/targets/v", `{"address":"10.0.0.5:80","weight":4,"pool":"one"}`, 200, `{"Modified":"v"}`},
		{"GET", "/v1/pools/one/targets", "", 200, `{"Targets":["one","v"]}`},
		{"DELETE", "/v1/pools/one/targets/v", "", 200, `{"Deleted target":"v"}`},
		{"DELETE", "/v1/pools/one/targets/v", "", 404, `{"No such target":"v"}`},
		{"GET", "/v1/pools/p/policy", "", 200, `{"policy":"roundrobin","weights":1.0}`},
		{"PUT", "/v1/pools/p/policy", `{"policy":"leastconn","weights":2.0}`, 200, `{"Modified policy":"p"}`},
		{"GET", "/v1/pools/p/policy", "", 200, `{"policy":"leastconn","weights":2.0}`},
		{"PUT", "/v1/pools/p/policy", `{"policy":"backfill","weights":1}`, 400, "is not a balance algorithm"},
		{"PUT", "/v1/pools/p/policy", `{"policy":"leastconn"}`, 400, "weights: is missing"},
		{"PUT", "/v1/pools/p/policy", `{"policy":"leastconn","weights":"x"}`, 400, "weights: "},
		{"PUT", "/v1/pools/none/policy", `null`, 404, `{"Pool Not found":"none"}`},
		{"PUT", "/v1/pools/p/policy", `null`, 200, `{"Reset policy for pool":"p"}`},
		{"DELETE", "/v1/pools/p/policy", "", 200, `{"Reset policy for pool":"p"}`},
		{"GET", "/v1/pools/p/policy", "", 200, `{"policy":"roundrobin","weights":1.0}`},
		{"PUT", "/v1/gateways/g/pools/p", "", 200, `{"Added pool":"p"}`},
		{"GET", "/v1/gateways/g/pools", "", 200, `{"Pools":["one","p"]}`},
		{"GET", "/v1/gateways/g/pools/p", "", 200, `{"pool":"p"}`},
		{"GET", "/v1/gateways/g/pools/q", "", 404, `{"No such pool":"q"}`},
		{"PUT", "/v1/gateways/g/pools/q", "", 404, `{"No such pool":"q"}`},
		{"DELETE", "/v1/gateways/g/pools/p", "", 200, `{"Delete pool":"p"}`},
		{"DELETE", "/v1/gateways/g/pools/p", "", 404, `{"No such pool":"p"}`},
		{"GET", "/v1/gateways/pools", "", 200, `{"Pools":["one","p"]}`},
		{"PUT", "/v1/gateways/pools/q", `{"targets":{"w":"10.0.0.8:80"}}`, 200, `{"Added pool":"q"}`},
		{"GET", "/v1/gateways/pools/q", "", 200, `{"enabled":true,"targets":{"w":"10.0.0.8:80"}}`},
		{"DELETE", "/v1/gateways/pools/q", "", 200, `{"Delete pool":"q"}`},
		{"DELETE", "/v1/pools/q", "", 404, `{"No such pool":"q"}`},
		{"GET", "/frontends", "", 200, `[]`}, // nothing is committed
		{"GET", "/backends", "", 200, `[]`},
		{"GET", "/v1/controller/__haproxy/dashboard", "", 404, `{"Dashboard status":"Offline"}`},
		{"GET", "/v1/haproxy/variables", "", 200, `{"certificates:store":"/tmp","gateway:endpoint:ip":"127.0.0.1","gateway:endpoint:port:min":"8000","gateway:endpoint:port:max":"8080"}`},
		{"GET", "/v1/haproxy/configuration/variables", "", 200, `{"certificates:store":"/tmp","gateway:endpoint:ip":"127.0.0.1","gateway:endpoint:port:min":"8000","gateway:endpoint:port:max":"8080"}`},
		{"GET", "/v1/haproxy/configuration/running", "", 404, `{"error":"no running config"}`},
		{"GET", "/v1/haproxy/configuration/pending", "", 404, `{"error":"no pending configuration"}`},
		{"GET", "/v1/haproxy/configuration/pending/expanded", "", 404, `{"error":"no pending configuration"}`},
		{"PUT", "/v1/haproxy/configuration/pending", "x", 415, "text/plain"},
		{"DELETE", "/v1/haproxy/configuration/pending", "", 404, `{"error":"no pending configuration"}`},
		{"POST", "/v1/haproxy/configuration/commit", "", 404, `{"exception":"no pending found"}`},
		{"GET", "/v1/controller/upload", "", 200, "multipart/form-data"},
		{"POST", "/v1/controller/upload", "", 415, "haproxy.cfg"},
		{"GET", "/v1/certificates", "", 200, `{"certificates":[]}`},
		{"GET", "/v1/certificates/c", "", 404, `{"no such certificate":"c"}`},
		{"PUT", "/v1/certificates/c", "", 415, "application/x-pem-file"},
		{"DELETE", "/v1/certificates/c", "", 404, `{"no such certificate":"c"}`},
		{"POST", "/v1/haproxy/control/start", "", 409, `{"exception":"haproxy is running already"}`},
		{"POST", "/v1/haproxy/control/restart", "", 200, `{"haproxy status":"restarted","pid":101}`},
		{"POST", "/v1/haproxy/control/stop", "", 409, "v1-stop"},
		{"GET", "/v1/controller/_export-cdb", "", 200, "gateway/g"},
		{"GET", "/v1/nothing", "", 404, "not found"},
		{"GET", "/v1/gateways/", "", 404, ""},
		{"POST", "/v1/pools", "", 405, "method not allowed"},
		{"DELETE", "/v1/gateway/g", "", 200, `{"Delete Gateway":"g"}`},
		{"DELETE", "/v1/gateways/g", "", 404, `{"Gateway Not Found":"g"}`},
	} {
		f.want(q.method, q.path, q.body, q.status, q.want)
	}
	if status, answer, _ := f.do("PUT", "/v1/pools/p", `{"targets":{}}`, "Content-Type: text/plain"); status != 400 || !strings.Contains(answer, "Content-Type") {
		t.Errorf("a text is taken for JSON: %d %s", status, answer)
	}
}

func TestCommit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("PUT", "/v1/pools/p", `{"targets":{"t":"10.0.0.1:80"}}`, 200, `{"Added pool":"p"}`)
	f.want("PUT", "/v1/gateways/g", `{"protocol":"http","endpoints":{"e":"127.0.0.1:8081"},"defaultBack":"p"}`, 200, `{"Added gateway":"g"}`)
	status, answer, _ := f.do("POST", "/v1/controller/commit", "")
	var done map[string]any
	if err := json.Unmarshal([]byte(answer), &done); err != nil || status != 200 {
		t.Fatal(status, answer, err)
	}
	port, _ := done["Listen Port"].(string)
	if done["HaProxy Status"] != "Started" || done["Haproxy Status"] != "Started" || len(port) != 4 || !strings.HasPrefix(port, "90") {
		t.Errorf("commit answers %s", answer)
	}
	f.want("GET", "/v1/gateways", "", 200, `{"Gateways":["g"]}`) // without the dashboard
	f.want("PUT", "/v1/gateways/v1-dashboard", `{"protocol":"http","endpoints":{}}`, 400, "dashboard")
	f.want("GET", "/v1/haproxy/configuration/running", "", 200, "revision-1")
	f.want("GET", "/v1/haproxy/configuration/running/expanded", "", 200, "frontend g")
	// What others define shows, and what the dialect does not know of it stays.
	f.want("PUT", "/frontends/g", `{"bind":"127.0.0.1:8081,127.0.0.1:8085","backend":"p","natives":["maxconn 5"]}`, 200, "8085")
	f.want("GET", "/v1/gateways/g/endpoints", "", 200, `{"Gateway":"g","Endpoints":["e","127.0.0.1:8085"]}`)
	f.want("PUT", "/v1/gateways/g", `{"endpoints":{"z":"127.0.0.1:8085"},"defaultBack":"p"}`, 200, `{"Modified":"g"}`)
	f.want("POST", "/v1/controller/commit", "", 200, port)
	f.want("GET", "/frontends/g", "", 200, "maxconn 5")
	f.want("GET", "/backends/p", "", 200, `"target":"t"`)
	f.want("POST", "/v1/controller/commit", "", 200, port)
	if revisions, err := f.Revisions(t.Context(), 0, 10); err != nil || len(revisions) != 3 {
		t.Errorf("%d revisions, %v, want 3", len(revisions), err)
	}
	// Somebody else changes what the draft has changed.
	f.want("PUT", "/v1/pools/p/targets/t", `{"address":"10.0.0.1:80","weight":9}`, 200, `{"Modified":"t"}`)
	f.want("PUT", "/backends/p", `{"type":"static","balance":"leastconn"}`, 200, "leastconn")
	f.want("POST", "/v1/controller/commit", "", 409, "backend/p")
}

func TestChecks(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := newFixture(t)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	f.want("PUT", "/v1/pools/p", `{"targets":{"on":"`+l.Addr().String()+`","off":"127.0.0.1:1"}}`, 200, `{"Added pool":"p"}`)
	f.want("GET", "/v1/pools/p/targets/on/check", "", 200, `{"Target":"on","Host":"127.0.0.1","Port":`+port+`,"Status":"Online"}`)
	f.want("POST", "/v1/pools/p/targets/off/check", "", 200, `{"Target":"off","Host":"127.0.0.1","Port":1,"Status":"Offline"}`)
	f.want("GET", "/v1/pools/p/targets/none/check", "", 404, `{"No such target":"none"}`)
	f.want("GET", "/v1/pools/p/targets/on", "", 200, `{"address":"127.0.0.1:`+port+`","weight":1,"enabled":true}`)
	f.want("GET", "/v1/pools/p/targets/off", "", 200, `{"address":"127.0.0.1:1","weight":1,"enabled":false}`)
	if status, _, _ := f.do("GET", "/v1/pools/p/targets/on/check", "", "Sec-Fetch-Site: cross-site"); status != 403 {
		t.Errorf("a page of another site may check: %d", status)
	}
}

// Every route takes its role, and a GET that changes something takes a token in a header.
func TestRoles(t *testing.T) {
	t.Parallel()
	f := newFixture(t, apitest.Guarded(t))
	need := map[string]int{"read": 1, "deploy": 2, "operate": 3, "admin": 4}
	for _, r := range hrapi.New(hrapi.Config{}).Routes(nil) {
		path := strings.NewReplacer("{gateway}", "g", "{endpoint}", "e", "{pool}", "p", "{target}", "t", "{certificate}", "c", "{db}", "d", "{version}", "1").Replace(r.Path)
		if status, _, _ := f.do(r.Method, path, ""); status != 401 {
			t.Errorf("%s %s without a token: %d", r.Method, path, status)
		}
		for i, token := range []string{apitest.ReadToken, apitest.DeployToken, apitest.OperateToken, apitest.AdminToken} {
			status, answer, _ := f.do(r.Method, path, "", "Authorization: Bearer "+token)
			if isRefused := status == 403; isRefused != (i+1 < need[r.Need.String()]) {
				t.Errorf("%s %s with role %d: %d %s", r.Method, path, i+1, status, answer)
			}
		}
	}
	_, _, header := f.do("POST", "/session", `{"token":"`+apitest.AdminToken+`"}`)
	cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	if cookie == "" {
		t.Fatal("no session")
	}
	for _, path := range []string{"/v1/pools/p/targets/t/check", "/v1/controller/restore/d/1"} {
		if status, _, _ := f.do("GET", path, "", "Cookie: "+cookie); status != 403 {
			t.Errorf("GET %s with a cookie may change something: %d", path, status)
		}
	}
	if status, _, _ := f.do("GET", "/v1/pools", "", "Cookie: "+cookie); status != 200 {
		t.Errorf("a GET with a cookie may not read: %d", status)
	}
}

// No page of another site changes anything, whatever it sends.
func TestOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("PUT", "/v1/pools/p", `{"targets":{"t":"127.0.0.1:1"}}`, 200, "Added")
	path := strings.NewReplacer("{gateway}", "g", "{endpoint}", "e", "{pool}", "p", "{target}", "t", "{certificate}", "c", "{db}", "d", "{version}", "1")
	for _, r := range hrapi.New(hrapi.Config{}).Routes(nil) {
		if r.Method == http.MethodGet && r.Need.String() == "read" {
			continue // which the page cannot read
		}
		for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: http://evil.example", "Origin: null"} {
			for _, contentType := range []string{"application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"} {
				status, answer, _ := f.do(r.Method, path.Replace(r.Path), `{}`, header, "Content-Type: "+contentType)
				if status != 403 || !strings.Contains(answer, "another site") {
					t.Errorf("%s %s with %s: %d %s", r.Method, r.Path, header, status, answer)
				}
			}
		}
	}
	f.want("GET", "/v1/pools/p", "", 200, `{"enabled":true,"targets":{"t":"127.0.0.1:1"}}`)
	f.want("GET", "/revisions", "", 200, "[]")
}

// Whoever is limited to objects changes no others.
func TestLimitsHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, apitest.Limited(t))
	put := func(path, body, token string) int {
		status, _, _ := f.do("PUT", path, body, "Authorization: Bearer "+token)
		return status
	}
	if got := put("/v1/pools/shop-a", `{"targets":{"t":"10.0.0.1:80"}}`, apitest.ShopAdminToken); got != 200 {
		t.Errorf("an own pool: %d", got)
	}
	if got := put("/v1/pools/other", `{"targets":{}}`, apitest.ShopAdminToken); got != 403 {
		t.Errorf("another pool: %d", got)
	}
	if got := put("/v1/pools/other", `{"targets":{"x":"10.0.0.2:80"}}`, apitest.AdminToken); got != 200 {
		t.Errorf("an admin: %d", got)
	}
	if got := put("/v1/pools/shop-a/targets/x", `{"address":"10.0.0.2:80","weight":1}`, apitest.ShopAdminToken); got != 403 {
		t.Errorf("a target taken from another pool: %d", got)
	}
	if _, answer, _ := f.do("GET", "/v1/pools", "", "Authorization: Bearer "+apitest.BlindReadToken); strings.Contains(answer, "other") {
		t.Errorf("another pool shows: %s", answer)
	}
}

// An answer does not tell whether there is what the caller does not see.
func TestHiddenNamesAreLikeOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, apitest.Limited(t))
	for path, body := range map[string]string{
		"/v1/pools/hidden": `{"targets":{"t":"10.0.0.2:80"}}`, "/v1/gateways/www": `{"protocol":"http","endpoints":{"e":"127.0.0.1:8081"}}`,
	} {
		if status, answer, _ := f.do("PUT", path, body, "Authorization: Bearer "+apitest.AdminToken); status != 200 {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
	}
	for _, r := range [][3]string{
		{"PUT", "/v1/gateways/www", `{"endpoints":{},"pools":["%s"]}`},
		{"PUT", "/v1/gateways/www", `{"endpoints":{},"pools":{"%s":"127.0.0.9:99"}}`},
		{"PUT", "/v1/gateways/www", `{"endpoints":{},"defaultBack":"%s"}`},
		{"PUT", "/v1/gateways/www", `{"endpoints":{"a":"127.0.0.1:8082 @%s"}}`},
		{"PUT", "/v1/gateways/www/endpoints/a", `{"address":"127.0.0.1:8082 @%s.pem"}`},
		{"POST", "/drafts/v1/drop", `{"objects":["backend/%s"]}`},
	} {
		var answers [2]string
		for i, name := range []string{"hidden", "nobody"} {
			status, answer, _ := f.do(r[0], r[1], fmt.Sprintf(r[2], name), "Authorization: Bearer "+apitest.BlindAdminToken)
			answers[i] = fmt.Sprint(status, strings.ReplaceAll(answer, name, "NAME"))
		}
		if answers[0] != answers[1] || strings.HasPrefix(answers[0], "2") {
			t.Errorf("%v: %q, and if there is none %q", r, answers[0], answers[1])
		}
	}
}

// A GET that may change the draft is in the audit log as a change, like the POST that does the same.
func TestChangesByGETAreAudited(t *testing.T) {
	t.Parallel()
	f := newFixture(t, apitest.Guarded(t))
	admin := "Authorization: Bearer " + apitest.AdminToken
	f.do("PUT", "/v1/pools/p", `{"targets":{"off":"127.0.0.1:1"}}`, admin)
	for _, path := range []string{"/v1/pools/p/targets/off/check", "/v1/controller/restore/d/1"} {
		for _, method := range []string{"POST", "GET", "HEAD"} {
			f.do(method, path, "", admin)
			list, err := f.Audited.Records(t.Context(), audit.Query{Limit: 1})
			if err != nil || list[0].Action != audit.Change || list[0].Method != method || list[0].Path != path || list[0].Name != "boss" {
				t.Errorf("%s %s: %+v, %v", method, path, list, err)
			}
		}
	}
}

// A change with a parameter that it would ignore is refused: what was to be a dry run is not carried
// out.
func TestUnknownParametersChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("PUT", "/v1/pools/p", `{"targets":{"t":"127.0.0.1:1"}}`, 200, "Added")
	path := strings.NewReplacer("{gateway}", "g", "{endpoint}", "e", "{pool}", "p", "{target}", "t", "{certificate}", "c", "{db}", "d", "{version}", "1")
	for _, r := range hrapi.New(hrapi.Config{}).Routes(nil) {
		if r.Method == http.MethodGet && r.Need.String() == "read" {
			continue
		}
		for _, query := range []string{"dryRun=1", "dryRun", "a=b;c"} {
			if status, answer, _ := f.do(r.Method, path.Replace(r.Path)+"?"+query, "{}"); status != 400 || !strings.Contains(answer, `"code": "invalid"`) {
				t.Errorf("%s %s?%s: %d %s", r.Method, r.Path, query, status, answer)
			}
		}
	}
	f.want("GET", "/v1/pools/p/targets/t", "", 200, `{"address":"127.0.0.1:1","weight":1,"enabled":true}`)
	f.want("GET", "/revisions", "", 200, "[]")
}

// An answer does not tell whether a target or an endpoint has a name in a pool or a gateway that the
// caller does not see, and takes neither from there.
func TestNamesInHiddenPoolsAreFree(t *testing.T) {
	t.Parallel()
	f := newFixture(t, apitest.Limited(t))
	ask := func(method, path, body, token string) (int, string) {
		status, answer, _ := f.do(method, path, body, "Authorization: Bearer "+token)
		return status, answer
	}
	for path, body := range map[string]string{
		"/v1/pools/hidden": `{"targets":{"taken":"10.0.0.2:80"}}`, "/v1/pools/shop-a": `{"targets":{"own":"10.0.0.1:80"}}`,
		"/v1/gateways/hidden": `{"protocol":"http","endpoints":{"taken":"127.0.0.1:8081"}}`, "/v1/gateways/www": `{"protocol":"http","endpoints":{"own":"127.0.0.1:8082"}}`,
	} {
		if status, answer := ask("PUT", path, body, apitest.AdminToken); status != 200 {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
	}
	var answers [2][]string
	for i, name := range []string{"never", "taken"} {
		for _, r := range [][3]string{
			{"DELETE", "/v1/pools/shop-a/targets/NAME", ""},
			{"POST", "/v1/pools/shop-a/targets/NAME/check", ""},
			{"PUT", "/v1/pools/shop-a/targets/NAME", `{"address":"10.0.0.3:80","weight":1}`},
			{"DELETE", "/v1/pools/shop-a/targets/NAME", ""},
			{"PUT", "/v1/pools/shop-a", `{"targets":{"NAME":"10.0.0.3:80"}}`},
			{"DELETE", "/v1/pools/shop-a/targets/NAME", ""},
			{"DELETE", "/v1/gateways/www/endpoints/NAME", ""},
			{"PUT", "/v1/gateways/www/endpoints/NAME", `{"address":"127.0.0.1:8083"}`},
			{"DELETE", "/v1/gateways/www/endpoints/NAME", ""},
			{"PUT", "/v1/gateways/www", `{"endpoints":{"NAME":"127.0.0.1:8083"}}`},
			{"DELETE", "/v1/gateways/www/endpoints/NAME", ""},
		} {
			status, answer := ask(r[0], strings.ReplaceAll(r[1], "NAME", name), strings.ReplaceAll(r[2], "NAME", name), apitest.BlindAdminToken)
			answers[i] = append(answers[i], fmt.Sprint(r[0], " ", r[1], " ", status, " ", strings.ReplaceAll(answer, name, "NAME")))
			if r[0] == "PUT" && status != 200 {
				t.Errorf("%s %s: %d %s", r[0], r[1], status, answer)
			}
		}
	}
	if !slices.Equal(answers[0], answers[1]) {
		t.Errorf("%q, and where the names are taken %q", answers[0], answers[1])
	}
	for path, want := range map[string]string{"/v1/pools/hidden/targets/taken": "10.0.0.2:80", "/v1/gateways/hidden/endpoints/taken": "127.0.0.1:8081"} {
		if status, answer := ask("GET", path, "", apitest.AdminToken); status != 200 || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}
