package api_test

import (
	"strings"
	"testing"
)

const oldFile = "defaults\n  mode http\nuserlist u\n  user ann password x\nfrontend old\n  bind *:8097\n  default_backend old\nbackend old\n  server one 10.0.0.1:80 check\n"

func TestImportOfAHAProxyFile(t *testing.T) {
	t.Parallel()
	s := filledFixture(t)
	const path, text = "/import/haproxy", "Content-Type: text/plain"
	for _, query := range []string{"?dryRun=1", ""} {
		r := s.do("POST", path+query, oldFile, text)
		if r.status != 200 || !strings.Contains(string(r.body), `"number":9,"text":"server one 10.0.0.1:80 check","outcome":"field","object":"backend/old","field":"members[0]"`) {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	if r := s.do("GET", "/frontends/old", ""); r.status != 200 || !strings.Contains(string(r.body), `"defaults":"imported"`) {
		t.Errorf("the frontend: %d %s", r.status, r.body)
	}
	if r := s.do("GET", "/revisions?limit=1", ""); !strings.Contains(string(r.body), `"key":"userlist/u"`) {
		t.Errorf("the history: %s", r.body)
	}
	r := s.do("POST", path, strings.ReplaceAll(oldFile, "10.0.0.1", "10.0.0.2"), text)
	if f := r.refused(t, 400, "invalid"); !strings.Contains(f.Error, "line 8: backend/old exists already") {
		t.Errorf("error %q", f.Error)
	}
	s.do("POST", path, oldFile, "Content-Type: application/json").refused(t, 415, "invalid")
}
