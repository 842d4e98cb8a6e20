package api_test

import (
	"slices"
	"strings"
	"testing"

	"thalassa/api/apitest"
	"thalassa/api/node"
	"thalassa/internal/testkit"
)

func TestSectionsArePutAndRead(t *testing.T) {
	s := filledFixture(t)
	r := s.do("PUT", "/haproxy/sections/userlist/staff", staff)
	var done struct {
		node.Section
		node.Applied
	}
	r.wants(t, 200, &done)
	if tag := r.header.Get("Etag"); tag == "" || done.ID != "section/userlist/staff" || done.Key != "userlist/staff" || !done.Applied.Applied {
		t.Errorf("answer %+v with the tag %q", done, tag)
	}
	read := s.get("/haproxy/sections/userlist/staff")
	if read.header.Get("Etag") != r.header.Get("Etag") {
		t.Errorf("tags %q and %q", read.header.Get("Etag"), r.header.Get("Etag"))
	}
	s.do("PUT", "/haproxy/sections/userlist/staff", string(read.body)).wants(t, 200, &done)
	s.get("/haproxy/sections/userlist/staff", "If-None-Match: "+read.header.Get("Etag")).wants(t, 304, nil)
	s.do("PUT", "/haproxy/sections/userlist/staff", staff, "If-None-Match: *").refused(t, 412, "precondition_failed")
	s.do("DELETE", "/haproxy/sections/userlist/staff", "", `If-Match: "0"`).refused(t, 412, "precondition_failed")
	s.do("PUT", "/haproxy/sections/defaults/tcp", `{"natives":["mode tcp"]}`).wants(t, 200, nil)
	s.do("PUT", "/haproxy/sections/listen/l", `{"defaults":"tcp","natives":["bind 127.0.0.1:7000"]}`).wants(t, 200, nil)
	s.do("PUT", "/haproxy/global", `{"natives":["maxconn 100"]}`).wants(t, 200, nil)
	var all, some []node.Section
	s.get("/haproxy/sections").wants(t, 200, &all)
	s.get("/haproxy/sections/defaults").wants(t, 200, &some)
	var keys []string
	for _, one := range all {
		keys = append(keys, one.Key)
	}
	if !slices.Equal(keys, []string{"defaults/tcp", "global", "listen/l", "userlist/staff"}) || len(some) != 1 || some[0].Key != "defaults/tcp" {
		t.Errorf("sections %q, of defaults %+v", keys, some)
	}
}

func TestBadSectionsAreRefused(t *testing.T) {
	s := filledFixture(t)
	for path, c := range map[string]struct{ body, field, says string }{
		"/haproxy/sections/frontend/x":     {`{"natives":[]}`, "kind", "not a kind"},
		"/haproxy/sections/global/x":       {`{"natives":[]}`, "kind", "/haproxy/global"},
		"/haproxy/sections/cache/a%20b":    {`{"natives":[]}`, "name", ""},
		"/haproxy/sections/peers/thalassa": {`{"natives":[]}`, "name", "Thalassa's own"},
		"/haproxy/sections/cache/a":        {`{}`, "natives", "is missing"},
		"/haproxy/sections/cache/b":        {`{"natives":["x"],"id":"section/cache/a"}`, "id", ""},
		"/haproxy/sections/cache/c":        {`{"natives":["x\nbackend y"]}`, "natives[0]", "line break"},
		"/haproxy/sections/cache/d":        {`{"natives":["listen y"]}`, "natives[0]", "opens a section"},
		"/haproxy/sections/cache/e":        {`{"natives":[],"defaults":"x"}`, "defaults", "does not belong"},
		"/haproxy/sections/listen/f":       {`{"natives":[],"defaults":"nobody"}`, "defaults", "not a section of defaults"},
		"/haproxy/global":                  {`{"natives":["stats socket /tmp/x"]}`, "natives[0]", "Thalassa itself"},
		"/haproxy/defaults":                {`{"natives":["no load-server-state-from-file"]}`, "natives[0]", "Thalassa itself"},
	} {
		f := s.do("PUT", path, c.body).refused(t, 400, "invalid")
		if len(f.Fields) == 0 || f.Fields[0].Path != c.field || !strings.Contains(f.Error, c.says) {
			t.Errorf("PUT %s %s: %+v", path, c.body, f)
		}
	}
	s.do("PUT", "/haproxy/sections/listen/web", `{"natives":["bind *:80"]}`).refused(t, 409, "conflict")
	s.get("/haproxy/sections/cache/none").refused(t, 404, "not_found")
	s.do("DELETE", "/haproxy/sections/cache/none", "").refused(t, 404, "not_found")
	s.do("DELETE", "/haproxy/global", "").refused(t, 404, "not_found")
	var own node.Section
	s.get("/haproxy/global").wants(t, 200, &own)
	if own.ID != "section/global" || own.Natives == nil || len(own.Natives) > 0 {
		t.Errorf("no lines of global: %+v", own)
	}
}

func TestASectionInUseIsNotDeleted(t *testing.T) {
	s := filledFixture(t)
	s.put("/haproxy/sections/userlist/staff", staff)
	s.put("/frontends/www", `{"bind":"*:80","backend":"live","natives":["http-request auth unless { http_auth(staff) }"]}`)
	for _, query := range []string{"", "?draft=d"} {
		if query != "" {
			s.do("POST", "/drafts", `{"id":"d"}`).wants(t, 201, nil)
		}
		f := s.do("DELETE", "/haproxy/sections/userlist/staff"+query, "").refused(t, 409, "conflict")
		if !slices.Equal(f.By, []string{"frontend/www"}) {
			t.Errorf("error %+v", f)
		}
	}
	s.put("/frontends/www", `{"bind":"*:80","backend":"live"}`)
	s.do("DELETE", "/haproxy/sections/userlist/staff", "").wants(t, 200, nil)
	s.get("/haproxy/sections/userlist/staff").refused(t, 404, "not_found")
}

func TestSectionsOfDrafts(t *testing.T) {
	s := filledFixture(t)
	s.do("POST", "/drafts", `{"id":"d"}`).wants(t, 201, nil)
	s.do("PUT", "/haproxy/sections/userlist/staff?draft=d", staff).wants(t, 200, nil)
	s.do("PUT", "/haproxy/global?draft=d", `{"natives":["maxconn 100"]}`).wants(t, 200, nil)
	s.get("/haproxy/sections/userlist/staff?draft=d").wants(t, 200, nil)
	s.get("/haproxy/sections/userlist/staff").refused(t, 404, "not_found")
	var list []node.Section
	s.get("/haproxy/sections/userlist?draft=d").wants(t, 200, &list)
	if len(list) != 1 {
		t.Errorf("the draft has %+v", list)
	}
	var diff node.DraftDifference
	s.get("/drafts/d/diff").wants(t, 200, &diff)
	if !slices.Equal(diff.Draft.Objects, []string{"section/global", "section/userlist/staff"}) || len(diff.Preview.Changes) != 2 {
		t.Errorf("difference %+v", diff)
	}
	s.do("POST", "/drafts/d/commit", "").wants(t, 200, nil)
	s.get("/haproxy/sections/userlist/staff").wants(t, 200, nil)
	var revisions []node.Revision
	s.get("/revisions?limit=1").wants(t, 200, &revisions)
	if len(revisions) != 1 || len(revisions[0].Changes) != 2 || !strings.Contains(string(revisions[0].Changes[1].After), "ann") {
		t.Errorf("revision %+v", revisions)
	}
}

func TestChangesetsPutSectionsAndCertificates(t *testing.T) {
	s := filledFixture(t)
	pair := testkit.NewAuthority(t).Issue(t, "shop.example")
	edits := `{"edits":[
		{"method":"PUT","path":"/haproxy/sections/userlist/staff","body":` + staff + `},
		{"method":"PUT","path":"/haproxy/global","body":{"natives":["maxconn 100"]}},
		{"method":"PUT","path":"/certificates/shop","body":` + pair.Body() + `},
		{"method":"PUT","path":"/frontends/api","body":{"bind":"*:81","backend":"live","natives":["http-request auth unless { http_auth(staff) }"]}}]}`
	var preview node.Preview
	s.do("POST", "/changes?dryRun=1", edits).wants(t, 200, &preview)
	if len(preview.Changes) != 4 {
		t.Errorf("preview %+v", preview)
	}
	s.get("/certificates/shop").refused(t, 404, "not_found")
	var done struct{ Changes []node.Change }
	s.do("POST", "/changes", edits).wants(t, 200, &done)
	if len(done.Changes) != 4 {
		t.Errorf("answer %+v", done)
	}
	var cert node.Certificate
	s.get("/certificates/shop").wants(t, 200, &cert)
	if !slices.Contains(cert.Names, "shop.example") || s.Config().Keys == nil || strings.Contains(string(s.get("/revisions").body), "PRIVATE") {
		t.Errorf("certificate %+v", cert)
	}
	var definitions node.Definitions
	s.get("/definitions").wants(t, 200, &definitions)
	if len(definitions.Sections) != 2 || definitions.Sections["userlist/staff"].Natives[0] != "user ann insecure-password a" {
		t.Errorf("definitions %+v", definitions.Sections)
	}
	for edit, field := range map[string]string{
		`{"method":"PUT","path":"/certificates/x","body":{"chain":"no PEM"}}`:             "edits[0].body.chain",
		`{"method":"PUT","path":"/certificates/x","body":{"chian":"x"}}`:                  "edits[0].body.chian",
		`{"method":"POST","path":"/certificates/x","body":{"chain":"x"}}`:                 "edits[0].method",
		`{"method":"PUT","path":"/haproxy/global","body":{"natives":["daemon"]}}`:         "edits[0].body.natives[0]",
		`{"method":"PUT","path":"/haproxy/sections/odd/x","body":{"natives":["daemon"]}}`: "edits[0].body.kind",
		`{"method":"DELETE","path":"/haproxy/sections/cache"}`:                            "edits[0].path",
	} {
		f := s.do("POST", "/changes", `{"edits":[`+edit+`]}`).refused(t, 400, "invalid")
		if len(f.Fields) == 0 || f.Fields[0].Path != field {
			t.Errorf("%s: %+v, want the field %s", edit, f, field)
		}
	}
	if f := s.do("POST", "/changes", `{"edits":[{"method":"DELETE","path":"/haproxy/sections/userlist/staff"}]}`).refused(t, 409, "conflict"); !slices.Equal(f.By, []string{"frontend/api"}) {
		t.Errorf("in use: %+v", f)
	}
	s.do("POST", "/changes", `{"edits":[{"method":"DELETE","path":"/frontends/api"},{"method":"DELETE","path":"/haproxy/sections/userlist/staff"},{"method":"DELETE","path":"/haproxy/global"}]}`).wants(t, 200, nil)
}

// Whoever is limited to some objects changes no sections, by whichever request.
func TestSectionsNeedTheWholeNode(t *testing.T) {
	s := filledFixture(t, apitest.Limited(t))
	s.put("/haproxy/sections/userlist/staff", staff)
	admin := bearer(apitest.ShopAdminToken)
	for _, q := range [][3]string{
		{"PUT", "/haproxy/sections/userlist/staff", staff},
		{"PUT", "/haproxy/global", `{"natives":[]}`},
		{"DELETE", "/haproxy/sections/userlist/staff", ""},
		{"POST", "/changes", `{"edits":[{"method":"PUT","path":"/haproxy/sections/userlist/other","body":` + staff + `}]}`},
		{"POST", "/changes", `{"edits":[{"method":"DELETE","path":"/haproxy/sections/userlist/staff"}]}`},
	} {
		s.do(q[0], q[1], q[2], admin).refused(t, 403, "forbidden")
	}
	if blind := s.get("/haproxy/sections", bearer(apitest.BlindAdminToken)); blind.status != 403 {
		t.Errorf("whoever does not see the rest reads sections: %d", blind.status)
	}
	var definitions node.Definitions
	s.get("/definitions", bearer(apitest.BlindReadToken)).wants(t, 200, &definitions)
	if len(definitions.Sections) > 0 {
		t.Errorf("and by definitions: %+v", definitions)
	}
}
