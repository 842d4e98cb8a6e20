package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"thalassa/api/node"
)

func TestADraftIsCarriedOutAsOne(t *testing.T) {
	s := filledFixture(t)
	var d node.Draft
	created := s.do("POST", "/drafts", `{"message":"next week"}`)
	created.wants(t, http.StatusCreated, &d)
	if d.ID != "1" || d.Message != "next week" || len(d.Objects) != 0 {
		t.Errorf("draft %+v", d)
	}
	var answer struct {
		node.Applied
		Balance string
	}
	s.do("PUT", "/backends/more?draft=1", `{"type":"static","balance":"source"}`).wants(t, 200, &answer)
	if answer.Applied.Applied || answer.Draft != "1" || answer.Balance != "source" {
		t.Errorf("answer %+v", answer)
	}
	s.do("PUT", "/frontends/api?draft=1", `{"bind":"*:8081","backend":"more"}`).wants(t, 200, nil)
	s.do("POST", "/backends/live?draft=1", `{"version":"2.0.0"}`).wants(t, 200, nil)
	s.do("DELETE", "/frontends/www?draft=1", "").wants(t, 200, nil)
	s.do("POST", "/changes?draft=1", `{"edits":[{"method":"DELETE","path":"/backends/files"}]}`).wants(t, 200, nil)

	for path, status := range map[string]int{"/frontends/api": 200, "/frontends/www": 404, "/backends/files": 404, "/backends/live": 200} {
		if r := s.get(path + "?draft=1"); r.status != status {
			t.Errorf("%s in the draft: %d, want %d", path, r.status, status)
		}
	}
	for path, status := range map[string]int{"/frontends/api": 404, "/frontends/www": 200, "/backends/files": 200} {
		if r := s.get(path); r.status != status {
			t.Errorf("%s outside of the draft: %d, want %d", path, r.status, status)
		}
	}
	var difference node.DraftDifference
	s.get("/drafts/1/diff").wants(t, 200, &difference)
	want := []string{"backend/files", "backend/live", "backend/more", "frontend/api", "frontend/www"}
	if len(difference.Preview.Changes) != 5 || !slices.Equal(difference.Draft.Objects, want) || difference.Preview.Path != "reload" {
		t.Errorf("difference %+v", difference)
	}
	s.Discover("shop", "10.1.0.1:8080 2.0.0")
	s.do("POST", "/drafts/1/commit", "").wants(t, 200, nil)
	var revisions []node.Revision
	s.get("/revisions?limit=1").wants(t, 200, &revisions)
	if len(revisions[0].Changes) != 5 || revisions[0].Message != "next week" || revisions[0].Cause != "POST /drafts/1/commit" {
		t.Errorf("revision %+v", revisions[0])
	}
	s.get("/drafts/1").refused(t, 404, "not_found")
}

func TestDraftsDoNotSeeEachOther(t *testing.T) {
	s := filledFixture(t)
	for range 2 {
		s.do("POST", "/drafts", "").wants(t, http.StatusCreated, nil)
	}
	s.do("PUT", "/backends/files?draft=1", `{"type":"static","balance":"source"}`).wants(t, 200, nil)
	s.do("PUT", "/backends/files?draft=2", `{"type":"static","balance":"first"}`).wants(t, 200, nil)
	for query, want := range map[string]string{"?draft=1": `"source"`, "?draft=2": `"first"`, "": `"roundrobin"`} {
		if body := string(s.get("/backends/files" + query).body); !strings.Contains(body, `"balance":`+want) {
			t.Errorf("%s: %s", query, body)
		}
	}
	s.do("POST", "/drafts/1/commit", "").wants(t, 200, nil)
	f := s.do("POST", "/drafts/2/commit", "").refused(t, 409, "conflict")
	if !slices.Equal(f.By, []string{"backend/files"}) {
		t.Errorf("error %+v", f)
	}
	var difference node.DraftDifference
	s.get("/drafts/2/diff").wants(t, 200, &difference)
	if !slices.Equal(difference.Draft.Conflicts, []string{"backend/files"}) || !strings.Contains(difference.Problem, "backend/files changed") || len(difference.Preview.Changes) != 1 {
		t.Errorf("difference %+v", difference)
	}
	s.do("POST", "/drafts/2/rebase", "").wants(t, 200, nil)
	s.do("POST", "/drafts/2/commit", `{"message":"mine"}`).wants(t, 200, nil)
	if body := string(s.get("/backends/files").body); !strings.Contains(body, `"balance":"first"`) {
		t.Errorf("after the commit of what was rebased: %s", body)
	}
	s.do("POST", "/drafts", "").wants(t, http.StatusCreated, nil)
	if r := s.do("DELETE", "/drafts/3", ""); r.status != http.StatusNoContent {
		t.Errorf("delete: %d", r.status)
	}
	same(t, s.get("/drafts").body, "[]")
}

// What is dropped is as it is configured again, and nothing else of the draft is.
func TestDropTakesObjectsOutOfADraft(t *testing.T) {
	s := filledFixture(t)
	s.do("POST", "/drafts", "").wants(t, http.StatusCreated, nil)
	s.do("PUT", "/backends/files?draft=1", `{"type":"static","balance":"source"}`).wants(t, 200, nil)
	s.do("PUT", "/backends/more?draft=1", `{"type":"static"}`).wants(t, 200, nil)
	s.do("DELETE", "/frontends/www?draft=1", "").wants(t, 200, nil)
	s.put("/backends/files", `{"type":"static","balance":"first"}`)

	for _, body := range []string{"", "{}", `{"objects":[]}`, `{"objects":["backend/none"]}`, `{"objects":["frontend/www","x"]}`} {
		s.do("POST", "/drafts/1/drop", body).refused(t, 400, "invalid")
	}
	s.do("POST", "/drafts/9/drop", `{"objects":["backend/files"]}`).refused(t, 404, "not_found")
	var d node.Draft
	s.get("/drafts/1").wants(t, 200, &d)
	if len(d.Objects) != 3 {
		t.Errorf("a refused drop left %v", d.Objects)
	}
	d = node.Draft{}
	s.do("POST", "/drafts/1/drop", `{"objects":["backend/files","frontend/www"]}`).wants(t, 200, &d)
	if !slices.Equal(d.Objects, []string{"backend/more"}) || len(d.Conflicts) != 0 {
		t.Errorf("draft %+v", d)
	}
	s.get("/frontends/www?draft=1").wants(t, 200, nil)
	if body := string(s.get("/backends/files?draft=1").body); !strings.Contains(body, `"balance":"first"`) {
		t.Errorf("dropped: %s", body)
	}
	s.do("POST", "/drafts/1/commit", "").wants(t, 200, nil)
	s.get("/backends/more").wants(t, 200, nil)
}

func TestRequestsThatDoNotGoWithADraft(t *testing.T) {
	s := filledFixture(t)
	s.do("POST", "/drafts", "").wants(t, http.StatusCreated, nil)
	for _, path := range []string{"/status", "/services", "/backends/live/members", "/activity", "/revisions"} {
		if f := s.get(path+"?draft=1").refused(t, 400, "invalid"); f.Fields[0].Path != "draft" {
			t.Errorf("%s: %+v", path, f)
		}
	}
	s.get("/backends?draft=x%20y").refused(t, 400, "invalid")
	s.get("/backends?draft=").refused(t, 400, "invalid")
	s.do("POST", "/drafts", `{"id":"a b"}`).refused(t, 400, "invalid")
	s.do("POST", "/drafts", `{"id":"mine"}`).wants(t, http.StatusCreated, nil)
	s.do("POST", "/drafts", `{"id":"mine"}`).refused(t, 409, "conflict")
	s.get("/backends?draft=mine").wants(t, 200, nil)
	if f := s.get("/backends?draft=1&draft=2").refused(t, 400, "invalid"); f.Fields[0].Problem != "is given more than once" {
		t.Errorf("two drafts: %+v", f.Fields)
	}
	s.get("/backends?draft=9").refused(t, 404, "not_found")
	s.do("PUT", "/backends/x?draft=9", `{"type":"static"}`).refused(t, 404, "not_found")
	s.do("POST", "/changes?draft=1&dryRun=1", `{"edits":[{"method":"DELETE","path":"/backends/files"}]}`).refused(t, 400, "invalid")
	if f := s.do("PUT", "/frontends/x?draft=1", `{"bind":"*:9","backend":"none"}`).refused(t, 400, "invalid"); f.Fields[0].Path != "backend" {
		t.Errorf("an error about a request, which is no list of edits: %+v", f.Fields)
	}
	s.do("PUT", "/backends/files?draft=1", `{"type":"static"}`, `If-Match: "0"`).refused(t, 412, "precondition_failed")
	s.do("POST", "/drafts", `{"message":"`+strings.Repeat("x", 1001)+`"}`).refused(t, 400, "invalid")
	s.do("POST", "/drafts/9/commit", "").refused(t, 404, "not_found")
	s.do("POST", "/drafts/9/rebase", "").refused(t, 404, "not_found")
	s.do("DELETE", "/drafts/9", "").refused(t, 404, "not_found")
	s.get("/drafts/9/diff").refused(t, 404, "not_found")
}
