package api_test

import (
	"fmt"
	"strings"
	"testing"

	"thalassa/api/node"
)

const someEdits = `{"message":"two","edits":[
	{"method":"PUT","path":"/frontends/api","body":{"bind":"*:8081","backend":"more"}},
	{"method":"PUT","path":"/backends/more","body":{"type":"static"}},
	{"method":"POST","path":"/backends/live","body":{"version":"2.0.0"}}]}`

func TestAChangesetIsOneRevision(t *testing.T) {
	s := filledFixture(t)
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 2.0.0")
	var before, after []node.Revision
	s.get("/revisions").wants(t, 200, &before)
	var preview node.Preview
	s.do("POST", "/changes?dryRun=1", someEdits).wants(t, 200, &preview)
	if len(preview.Changes) != 3 || preview.Base != before[0].Number || preview.Path != "reload" || !strings.Contains(preview.Config, "+# after") {
		t.Errorf("preview %+v", preview)
	}
	if s.get("/frontends/api").status != 404 {
		t.Fatal("the preview has changed something")
	}
	var done struct {
		node.Applied
		Changes []node.Change
	}
	s.do("POST", "/changes", someEdits).wants(t, 200, &done)
	if len(done.Changes) != 3 || done.Revision != before[0].Number+1 {
		t.Errorf("answer %+v", done)
	}
	s.get("/revisions").wants(t, 200, &after)
	if len(after) != len(before)+1 || after[0].Message != "two" || after[0].Cause != "POST /changes" || len(after[0].Changes) != 3 {
		t.Errorf("revision %+v", after[0])
	}
	s.do("POST", "/changes", someEdits).wants(t, 200, &done)
	if len(done.Changes) != 0 || done.Revision != after[0].Number {
		t.Errorf("the same again: %+v", done)
	}
}

func TestABadChangesetIsRefusedWithTheEditNamed(t *testing.T) {
	s := filledFixture(t)
	for edits, want := range map[string]struct {
		status int
		code   string
		field  string
		says   string
	}{
		``: {400, "invalid", "edits", "is empty"},
		`{"method":"PUT","path":"/backends/x","body":{"type":"static","mode":"udp"}}`:                                {400, "invalid", "edits[0].body.mode", ""},
		`{"method":"PUT","path":"/backends/x","body":{"type":"static"},"odd":1}`:                                     {400, "invalid", "edits[0].odd", ""},
		`{"method":"PUT","path":"/backends/x","body":[]}`:                                                            {400, "invalid", "edits[0].body", ""},
		`{"method":"PUT","path":"/backends/x"}`:                                                                      {400, "invalid", "edits[0].body", "is missing"},
		`{"method":"DELETE","path":"/backends/files","body":{}}`:                                                     {400, "invalid", "edits[0].body", "does not belong"},
		`{"method":"PATCH","path":"/backends/files","body":{}}`:                                                      {400, "invalid", "edits[0].method", ""},
		`{"method":"POST","path":"/frontends/www","body":{}}`:                                                        {400, "invalid", "edits[0].method", ""},
		`{"method":"DELETE","path":"/services/shop"}`:                                                                {400, "invalid", "edits[0].path", ""},
		`{"method":"DELETE","path":"/backends/a/b"}`:                                                                 {400, "invalid", "edits[0].path", ""},
		`{"method":"DELETE","path":"/backends/a%20b"}`:                                                               {400, "invalid", "edits[0].path", ""},
		`{"method":"DELETE","path":"/backends/files?x=1"}`:                                                           {400, "invalid", "edits[0].path", ""},
		`{"method":"DELETE","path":"/backends/files","ifNoneMatch":"\"x\""}`:                                         {400, "invalid", "edits[0].ifNoneMatch", ""},
		`{"method":"DELETE","path":"/backends/files"},{"method":"DELETE","path":"/backends/nobody"}`:                 {404, "not_found", "", "edits[1]: backend/nobody does not exist"},
		`{"method":"DELETE","path":"/backends/files"},{"method":"DELETE","path":"/backends/live"}`:                   {409, "conflict", "", "edits[1]: backend/live: is still routed to"},
		`{"method":"DELETE","path":"/backends/files","ifMatch":"\"0\""},{"method":"DELETE","path":"/backends/live"}`: {412, "precondition_failed", "", "edits[0]: "},
		`{"method":"PUT","path":"/backends/x","body":{"type":"static"}},{"method":"PUT","path":"/frontends/y","body":{"bind":"*:99","backend":"none"}}`: {
			400, "invalid", "edits[1].body.backend", "",
		},
	} {
		for _, query := range []string{"", "?dryRun=1"} {
			f := s.do("POST", "/changes"+query, `{"edits":[`+edits+`]}`).refused(t, want.status, want.code)
			if want.field != "" && (len(f.Fields) == 0 || f.Fields[0].Path != want.field) || !strings.Contains(f.Error, want.says) {
				t.Errorf("%s: error %+v, want field %q and %q", edits, f, want.field, want.says)
			}
		}
	}
	s.do("POST", "/changes?dry=1", `{"edits":[]}`).refused(t, 400, "invalid")
	long := fmt.Sprintf(`{"message":%q,"edits":[{"method":"DELETE","path":"/backends/files"}]}`, strings.Repeat("x", 1001))
	if f := s.do("POST", "/changes", long).refused(t, 400, "invalid"); f.Fields[0].Path != "message" {
		t.Errorf("error %+v", f)
	}
	if s.get("/backends/files").status != 200 {
		t.Error("a part of a refused changeset has been carried out")
	}
}

// TestALargeChangesetIsTaken sends more than other requests may have.
func TestALargeChangesetIsTaken(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of processor time")
	}
	s := filledFixture(t)
	edits := make([]string, 3000)
	for i := range edits {
		edits[i] = fmt.Sprintf(`{"method":"PUT","path":"/backends/b%d","body":{"type":"static","members":[{"host":"10.0.%d.%d","port":8080}],"natives":["# %s"]}}`, i, i/250, i%250+1, strings.Repeat("x", 300))
	}
	body := `{"edits":[` + strings.Join(edits, ",") + `]}`
	if len(body) < 1<<20 {
		t.Fatalf("the body has %d bytes only", len(body))
	}
	s.do("POST", "/changes", body).wants(t, 200, nil)
	s.do("POST", "/changes", `{"message":"`+strings.Repeat(" ", 4<<20)+`"}`).refused(t, 413, "too_large")
	s.do("PUT", "/backends/x", `{"type":"static","host":"`+strings.Repeat("x", 1<<20)+`"}`).refused(t, 413, "too_large")
}

func TestAFormerRevisionIsRestored(t *testing.T) {
	s := filledFixture(t)
	var former node.Definitions
	s.get("/definitions").wants(t, 200, &former)
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 2.0.0")
	s.do("POST", "/changes", someEdits).wants(t, 200, nil)
	s.do("DELETE", "/backends/files", "").wants(t, 200, nil)
	path := fmt.Sprintf("/revisions/%d/restore", former.Revision)
	var preview node.Preview
	s.do("POST", path+"?dryRun=1", "").wants(t, 200, &preview)
	if len(preview.Changes) != 4 {
		t.Errorf("preview %+v", preview)
	}
	s.do("POST", path, `{"message":"back"}`).wants(t, 200, nil)
	var now node.Definitions
	s.get("/definitions").wants(t, 200, &now)
	if now.Revision != former.Revision+3 || fmt.Sprint(now.Backends, now.Frontends) != fmt.Sprint(former.Backends, former.Frontends) {
		t.Errorf("restored %+v, want %+v", now, former)
	}
	var revision struct {
		node.Revision
		Config *node.Recorded
	}
	s.get(fmt.Sprintf("/revisions/%d", now.Revision)).wants(t, 200, &revision)
	if revision.Message != "back" || revision.Config == nil || len(revision.Changes) != 4 {
		t.Errorf("revision %+v", revision)
	}
	var difference node.Difference
	s.get(fmt.Sprintf("/revisions/%d..%d", former.Revision, now.Revision)).wants(t, 200, &difference)
	if len(difference.Changes) != 0 || difference.Config == nil {
		t.Errorf("difference %+v", difference)
	}
	s.get(fmt.Sprintf("/revisions/0..%d", former.Revision)).wants(t, 200, &difference)
	if len(difference.Changes) != 3 || difference.Config != nil {
		t.Errorf("difference from the beginning %+v", difference)
	}
}

func TestRestoreNeedsWhatADeployNeeds(t *testing.T) {
	s := filledFixture(t)
	var former node.Definitions
	s.get("/definitions").wants(t, 200, &former)
	s.Discover("shop", "10.1.0.2:8080 2.0.0")
	s.do("POST", "/backends/live", `{"version":"2.0.0"}`).wants(t, 200, nil)
	path := fmt.Sprintf("/revisions/%d/restore", former.Revision)
	s.do("POST", path, "").refused(t, 409, "conflict")
	s.do("POST", path, `{"force":true}`).wants(t, 200, nil)
	for bad, want := range map[string]string{`{"wait":"x"}`: "wait", `{"odd":1}`: "odd", `[]`: "body"} {
		if f := s.do("POST", path, bad).refused(t, 400, "invalid"); f.Fields[0].Path != want {
			t.Errorf("%s: %+v", bad, f)
		}
	}
	for _, number := range []string{"x", "-1", "1..", "..2", "1..x"} {
		s.get("/revisions/"+number).refused(t, 400, "invalid")
	}
	for _, number := range []string{"99", "1..99", "0"} {
		s.get("/revisions/"+number).refused(t, 404, "not_found")
	}
	s.do("POST", "/revisions/99/restore", "").refused(t, 404, "not_found")
}
