package api_test

import (
	"net/http"
	"slices"
	"testing"

	"thalassa/api/apitest"
	"thalassa/api/node"
)

func TestEditsOfADraftAreListedAndUndone(t *testing.T) {
	s := filledFixture(t)
	s.do("POST", "/drafts", `{"id":"d","message":"one"}`).wants(t, 201, nil)
	s.do("POST", "/drafts/d/undo", "").refused(t, 409, "conflict")
	s.do("PUT", "/backends/new?draft=d", `{"type":"static"}`).wants(t, 200, nil)
	s.do("PUT", "/haproxy/global?draft=d", `{"natives":["maxconn 100"]}`).wants(t, 200, nil)
	s.do("POST", "/changes?draft=d", `{"edits":[{"method":"DELETE","path":"/backends/new"},{"method":"PUT","path":"/backends/files","body":{"type":"static"}}]}`).wants(t, 200, nil)
	var edits []node.DraftEdit
	s.get("/drafts/d/edits").wants(t, 200, &edits)
	if len(edits) != 3 || edits[0].Number != 3 || edits[0].Method != http.MethodPost || edits[0].Path != "/changes" || edits[1].Path != "/haproxy/global" ||
		!slices.Equal(edits[0].Objects, []string{"backend/files", "backend/new"}) {
		t.Fatalf("edits %+v", edits)
	}
	var d node.Draft
	s.do("POST", "/drafts/d/undo", "").wants(t, 200, &d)
	if !slices.Equal(d.Objects, []string{"backend/new", "section/global"}) {
		t.Errorf("undone: %+v", d)
	}
	s.get("/backends/new?draft=d").wants(t, 200, nil)
	s.do("POST", "/drafts/d/drop", `{"objects":["backend/new"]}`).wants(t, 200, nil)
	s.do("POST", "/drafts/d/undo", "").wants(t, 200, &d)
	if !slices.Equal(d.Objects, []string{"backend/new", "section/global"}) {
		t.Errorf("what was dropped: %+v", d)
	}
	s.do("PATCH", "/drafts/d", `{"message":"two"}`).wants(t, 200, &d)
	if d.Message != "two" {
		t.Errorf("message %q", d.Message)
	}
	s.do("PATCH", "/drafts/d", `{}`).refused(t, 400, "invalid")
	s.do("PATCH", "/drafts/none", `{"message":""}`).refused(t, 404, "not_found")
	s.do("POST", "/drafts/d/commit", "").wants(t, 200, nil)
	var revisions []node.Revision
	s.get("/revisions?limit=1").wants(t, 200, &revisions)
	if revisions[0].Message != "two" {
		t.Errorf("revision %+v", revisions[0])
	}
	s.get("/drafts/d/edits").refused(t, 404, "not_found")
}

// Whoever is limited to objects undoes no edit of others, and does not see what it is about.
func TestEditsOfOthersStay(t *testing.T) {
	s := filledFixture(t, apitest.Limited(t))
	s.put("/backends/zebra", `{"type":"static"}`)
	if r := s.do("POST", "/drafts", `{"id":"d"}`, bearer(apitest.ShopAdminToken)); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	s.put("/haproxy/global?draft=d", `{"natives":["maxconn 100"]}`)
	s.do("POST", "/drafts/d/undo", "", bearer(apitest.ShopAdminToken)).refused(t, 403, "forbidden")
	s.get("/drafts/d/edits", bearer(apitest.BlindReadToken)).refused(t, 404, "not_found")
	s.put("/backends/shop-new?draft=d", `{"type":"static"}`) // of hidden objects alone, the draft is not there
	var edits []node.DraftEdit
	s.get("/drafts/d/edits", bearer(apitest.BlindReadToken)).wants(t, 200, &edits)
	if len(edits) != 1 || !slices.Equal(edits[0].Objects, []string{"backend/shop-new"}) {
		t.Errorf("a blind caller sees %+v", edits)
	}
}
