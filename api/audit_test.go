package api_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/audit"
)

// audited is the records of GET /audit, newest first.
func (f *fixture) audited(t *testing.T, query string) []audit.Record {
	t.Helper()
	var list []audit.Record
	f.get("/audit"+query, bearer(apitest.AdminToken)).wants(t, 200, &list)
	return list
}

func TestChangesAndRefusalsAreAudited(t *testing.T) {
	f := filledFixture(t, apitest.Guarded(t))
	for _, tt := range []struct {
		method, path, body, token string
		want                      audit.Record
	}{
		{"POST", "/backends/live", `{"version":"2.0.0"}`, apitest.DeployToken, audit.Record{
			Name: "deployer", How: "token", Action: audit.Change, Object: "backend/live", Status: 200, Revision: 4,
		}},
		{"POST", "/backends/live", `{"version":"9.9.9"}`, apitest.DeployToken, audit.Record{
			Name: "deployer", How: "token", Action: audit.Change, Object: "backend/live", Status: 409, Refusal: "conflict",
		}},
		{"DELETE", "/backends/files", "", apitest.ReadToken, audit.Record{
			Name: "reader", How: "token", Action: audit.Change, Object: "backend/files", Status: 403, Refusal: "forbidden",
		}},
		{"DELETE", "/frontends/www", "", apitest.AdminToken, audit.Record{
			Name: "boss", How: "token", Action: audit.Change, Object: "frontend/www", Status: 200, Revision: 5,
		}},
		{"POST", "/haproxy/reload", "", apitest.OperateToken, audit.Record{Name: "operator", How: "token", Action: audit.Change, Status: 200, Revision: 5}},
		{"GET", "/audit", "", apitest.OperateToken, audit.Record{Name: "operator", How: "token", Action: audit.Refused, Status: 403, Refusal: "forbidden"}},
		{"GET", "/status", "", "x" + apitest.AdminToken, audit.Record{How: "token", Action: audit.Refused, Status: 401, Refusal: "unauthorized"}},
		{"PUT", "/backends/x", "{", "", audit.Record{Action: audit.Change, Status: 401, Refusal: "unauthorized"}},
	} {
		var headers []string
		if tt.token != "" {
			headers = []string{bearer(tt.token)}
		}
		f.do(tt.method, tt.path, tt.body, headers...)
		tt.want.Method, tt.want.Path, tt.want.From = tt.method, tt.path, "127.0.0.1"
		got := f.audited(t, "?limit=1")[0]
		got.Seq, got.Time = 0, time.Time{}
		if got != tt.want {
			t.Errorf("%s %s: %+v, want %+v", tt.method, tt.path, got, tt.want)
		}
	}
	before := len(f.audited(t, ""))
	f.get("/status", bearer(apitest.ReadToken))
	f.get("/session")
	f.get("/healthz")
	if now := len(f.audited(t, "")); now != before {
		t.Errorf("reading is audited: %+v", f.audited(t, "?limit=1"))
	}
	if list := f.audited(t, "?name=deployer"); len(list) != 2 {
		t.Errorf("%+v", list)
	}
	for _, q := range []string{"?limit=0", "?limit=1001", "?since=yesterday", "?before=x", "?who=ann", "?since=5"} {
		f.get("/audit"+q, bearer(apitest.AdminToken)).refused(t, 400, "invalid")
	}
	newFixture(t, func(c *api.Config) { c.Audit = nil }).get("/audit").refused(t, 503, "unavailable")
}

func TestLoginsAreAudited(t *testing.T) {
	f := filledFixture(t, func(c *api.Config) { c.Authority = apitest.User(t) })
	last := func() audit.Record {
		t.Helper()
		list, err := f.Audited.Records(t.Context(), audit.Query{Limit: 1})
		if err != nil || len(list) == 0 {
			t.Fatal("nothing is audited")
		}
		return list[0]
	}
	f.do("POST", "/session", `{"user":"ann","password":"wrong password"}`).refused(t, 401, "unauthorized")
	if r := last(); r.Name != "ann" || r.Proven || r.Action != audit.Login || r.Refusal != "unauthorized" || r.How != "password" {
		t.Errorf("%+v", r)
	}
	f.do("POST", "/session", `{"user":"`+apitest.Password+`","password":"ann"}`).refused(t, 401, "unauthorized")
	if r := last(); r.Name != "" || r.Refusal != "unauthorized" {
		t.Errorf("a password in the field of the user: %+v", r)
	}
	r := f.do("POST", "/session", `{"user":"ann","password":"`+apitest.Password+`"}`)
	r.wants(t, 200, nil)
	cookie, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	begun := last()
	if begun.Name != "ann" || !begun.Proven || begun.How != "password" || begun.Session == "" || begun.Action != audit.Login {
		t.Errorf("%+v", begun)
	}
	f.do("POST", "/haproxy/reload", "", "Cookie: "+cookie).wants(t, 200, nil)
	if r := last(); r.Session != begun.Session || r.How != "password" || r.Action != audit.Change {
		t.Errorf("%+v", r)
	}
	f.do("POST", "/haproxy/reload", "", "Cookie: "+cookie, "Origin: https://evil.example").refused(t, 403, "forbidden")
	if r := last(); r.Name != "ann" || !r.Proven || r.Session != begun.Session || r.How != "password" || r.Refusal != "forbidden" {
		t.Errorf("a request of another site: %+v", r)
	}
	f.do("DELETE", "/session", "", "Cookie: "+cookie).wants(t, 200, nil)
	if r := last(); r.Name != "ann" || r.Session != begun.Session || r.Action != audit.Logout {
		t.Errorf("%+v", r)
	}
	f.get("/status", "Cookie: "+cookie).refused(t, 401, "unauthorized")
	if r := last(); r.How != "session" || r.Name != "" || r.Action != audit.Refused {
		t.Errorf("%+v", r)
	}
}

// Whatever is sent, no record has a secret.
func TestNoSecretIsAudited(t *testing.T) {
	f := filledFixture(t, apitest.Guarded(t))
	const secret = "s3cr3t-s3cr3t-s3cr3t"
	for _, q := range requests {
		for _, header := range []string{bearer(secret), "Authorization: Basic " + secret, "Authorization: " + secret + " x", "Cookie: thalassa_session=" + secret} {
			f.raw(q.method, q.path+"?token="+secret, header)
			f.send(q.method, q.path, `{"token":"`+secret+`","user":"`+secret+`","password":"`+secret+`","natives":["`+secret+`"]}`, header)
		}
	}
	f.send("POST", "/session", `{"token":"`+secret+`"}`)
	f.send("POST", "/session", `{"user":"`+secret+`","password":"`+secret+`"}`)
	f.send("PUT", "/backends/live", `{"type":"static","natives":["`+secret+`"],"x":"`+secret+`"}`, bearer(apitest.AdminToken))
	list, err := f.Audited.Records(t.Context(), audit.Query{Limit: 1000})
	if err != nil || len(list) < len(requests) {
		t.Fatalf("%d records, %v", len(list), err)
	}
	if data, _ := json.Marshal(list); strings.Contains(string(data), "s3cr3t") {
		t.Errorf("%s", data)
	}
}

// A real log behind the API: what is answered is in the file.
func TestAuditReadsTheFile(t *testing.T) {
	log, err := audit.Open(audit.Config{Path: filepath.Join(t.TempDir(), "audit.jsonl")})
	if err != nil {
		t.Fatal(err)
	}
	f := filledFixture(t, apitest.Guarded(t), func(c *api.Config) { c.Audit = log })
	for range 5 {
		f.do("DELETE", "/backends/none", "", bearer(apitest.AdminToken)).refused(t, http.StatusNotFound, "not_found")
	}
	if list := f.audited(t, "?limit=2&before=4"); len(list) != 2 || list[0].Seq != 3 || list[1].Seq != 2 {
		t.Errorf("%+v", list)
	}
	if err := log.Close(time.Second); err != nil {
		t.Error(err)
	}
}
