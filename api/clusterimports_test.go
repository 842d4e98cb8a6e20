package api_test

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/audit"
	"thalassa/cluster"
	"thalassa/cluster/failover"
	"thalassa/pacemaker/history"
)

const octets = "Content-Type: application/octet-stream"

func TestExportOfTheHistory(t *testing.T) {
	s, _ := clustered(t)
	r := s.get("/cluster/history/export?from=2026-11-29T12:00:30Z")
	if r.status != 200 || r.header.Get("Content-Type") != "application/gzip" || !strings.Contains(r.header.Get("Content-Disposition"), "thalassa-history-") {
		t.Fatalf("answered %d %v", r.status, r.header)
	}
	m, err := history.CheckExport(t.Context(), bytes.NewReader(r.body))
	if err != nil || m.Transitions != 1 || m.Node != "n1" || len(m.Nodes) != 2 || m.Program == "" {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
	if list, err := s.Audited.Records(t.Context(), audit.Query{Limit: 1}); err != nil || len(list) != 1 || list[0].Action != audit.Export {
		t.Errorf("the audit log has %+v, %v", list, err)
	}
	for query, status := range map[string]int{"?from=2027-01-01T00:00:00Z": 404, "?from=yesterday": 400, "?tag=warning": 400, "?from=2026-11-29T12:00:00Z&to=2026-11-28T12:00:00Z": 400, "?import=x": 400} {
		if r := s.get("/cluster/history/export" + query); r.status != status || r.header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %d %v %s", query, r.status, r.header, r.body)
		}
	}
}

func TestImportsOfHistories(t *testing.T) {
	s, c := clustered(t, apitest.Importing(t))
	file := string(apitest.HistoryFile(t, apitest.ClusterHistory{Cluster: c}))
	var about, again cluster.ImportedHistory
	s.do("POST", "/cluster/history/imports", file, octets).wants(t, 201, &about)
	if about.Cluster != "berlin" || about.Transitions != 2 || about.LogLines != 1 || !strings.HasPrefix(about.By, "anonymous@") {
		t.Errorf("imported is %+v", about)
	}
	s.do("POST", "/cluster/history/imports", file, "Content-Type: application/gzip").wants(t, 200, &again)
	var list struct{ Imports []cluster.ImportedHistory }
	s.get("/cluster/history/imports").wants(t, 200, &list)
	if len(list.Imports) != 1 || list.Imports[0].ID != about.ID || again.ID != about.ID {
		t.Errorf("the imports are %+v", list)
	}
	of := "import=" + about.ID
	path := "/cluster/history/" + apitest.SecondTransition
	// Of another cluster is told what was told there, whatever becomes of this one.
	c.Change(func(v *cluster.Status) { v.DC, v.Nodes = "n9", nil })
	var found struct{ Transitions []cluster.Transition }
	s.get("/cluster/history?"+of).wants(t, 200, &found)
	if len(found.Transitions) != 2 || found.Transitions[0].ID != apitest.SecondTransition || len(found.Transitions[0].Authors) != 2 || found.Transitions[0].Authors[0].Name != "ann" {
		t.Errorf("the transitions are %+v", found)
	}
	var v cluster.Status
	s.get(path+"/state?"+of).wants(t, 200, &v)
	if v.DC != "n1" || len(v.Nodes) != 2 {
		t.Errorf("the state is %+v", v)
	}
	var p cluster.Prediction
	s.get(path+"/decisions?"+of).wants(t, 200, &p)
	if len(p.Actions) != 2 || len(p.Graph.Steps) != 4 {
		t.Errorf("the decisions are %+v", p)
	}
	for _, path := range []string{path + "/log?" + of, "/cluster/history/log?from=2026-11-29T12:00:00Z&to=2026-11-29T12:05:00Z&" + of} {
		var log cluster.Logged
		s.get(path).wants(t, 200, &log)
		if len(log.Lines) != 1 || log.Lines[0].Node != "n1" || log.Node != "" || log.Missing == nil || len(log.Missing) > 0 {
			t.Errorf("%s: %+v", path, log)
		}
	}
	var e failover.Explanation
	s.get(path+"/explanation?"+of).wants(t, 200, &e)
	if e.Kind != failover.KindMove || e.Node != "n1" || len(e.Missing) > 0 {
		t.Errorf("explained: %+v", e)
	}
	for _, q := range []string{path + "?" + of, path + "/cib.xml?" + of, "/cluster/history/operations?" + of, "/cluster/history/at?time=2026-11-29T12:00:30Z&" + of, path + "/file?" + of} {
		if r := s.get(q); r.status != 200 {
			t.Errorf("%s: %d %s", q, r.status, r.body)
		}
	}
	for _, q := range []string{"/cluster/history?import=0123456789ab", path + "/state?import=../x", path + "?import="} {
		s.get(q).refused(t, 404, "not_found")
	}
	if r := s.do("DELETE", "/cluster/history/imports/"+about.ID, ""); r.status != 204 {
		t.Errorf("removed: %d %s", r.status, r.body)
	}
	s.do("DELETE", "/cluster/history/imports/"+about.ID, "").refused(t, 404, "not_found")
	s.get("/cluster/history?"+of).refused(t, 404, "not_found")
}

func TestImportsThatAreRefused(t *testing.T) {
	s, _ := clustered(t, apitest.Importing(t))
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "report/n1/cib.xml", Linkname: "/etc/shadow"}); err != nil {
		t.Fatal(err)
	}
	f := s.do("POST", "/cluster/history/imports", b.String()+strings.Repeat("\x00", 1024), octets).refused(t, 400, "invalid")
	if len(f.Fields) != 1 || f.Fields[0].Path != "report/n1/cib.xml" || !strings.Contains(f.Error, "is a link") {
		t.Errorf("refused with %+v", f)
	}
	s.do("POST", "/cluster/history/imports", "x", octets).refused(t, 400, "invalid")
	s.do("POST", "/cluster/history/imports", "{}").refused(t, 400, "invalid")
	s.do("POST", "/cluster/history/imports", "x", "Content-Type: text/plain").refused(t, 415, "invalid")
	s.do("POST", "/cluster/history/imports?wait=1", "x", octets).refused(t, 400, "invalid")
	var list struct{ Imports []cluster.ImportedHistory }
	if s.get("/cluster/history/imports").wants(t, 200, &list); list.Imports == nil || len(list.Imports) > 0 {
		t.Errorf("imported is %+v", list)
	}
	without, _ := clustered(t, func(cfg *api.Config) {})
	without.get("/cluster/history/imports").refused(t, 503, "unavailable")
	without.get("/cluster/history?import=0123456789ab").refused(t, 503, "unavailable")
	without.do("POST", "/cluster/history/imports", "x", octets).refused(t, 503, "unavailable")
}
