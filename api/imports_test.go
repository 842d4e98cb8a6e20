package api_test

import (
	"strings"
	"testing"

	"thalassa/api/node"
	"thalassa/pyhrapi"
)

// database is a file of pyHrapi.
func database(db pyhrapi.Database) string {
	data, err := pyhrapi.Write(db)
	if err != nil {
		panic(err) // a mistake of the test
	}
	return string(data)
}

// pools is a database of a gateway and a pool.
func pools(targets ...pyhrapi.Target) string {
	return database(pyhrapi.Database{
		Gateways:  []pyhrapi.Gateway{{Name: "gateHTTP", Protocol: "http", Default: "eta"}},
		Endpoints: []pyhrapi.Endpoint{{Name: "e1", Address: "127.0.0.1:8081", Gateway: "gateHTTP"}, {Name: "tls", Address: "*:8443 @key.pem", Gateway: "gateHTTP"}},
		Pools:     []pyhrapi.Pool{{Name: "eta", Policy: "leastconn", Weights: 1, Enabled: true}},
		Targets:   targets,
	})
}

const databaseType = "Content-Type: application/vnd.sqlite3"

func TestADatabaseOfPyHrapiIsImported(t *testing.T) {
	t.Parallel()
	s := filledFixture(t)
	file := pools(pyhrapi.Target{Name: "s1", Address: "10.0.0.1:80", Weight: "200", Enabled: true, Pool: "eta"})
	var preview struct {
		node.Preview
		node.Imported
	}
	s.do("POST", "/import/pyhrapi?dryRun=1", file, databaseType).wants(t, 200, &preview)
	if len(preview.Changes) != 2 || len(preview.Left) != 1 || !strings.HasPrefix(preview.Left[0], `endpoint "tls" is left out`) {
		t.Errorf("preview %+v", preview)
	}
	s.get("/backends/eta").refused(t, 404, "not_found")
	s.do("POST", "/drafts", `{"id":"move"}`).wants(t, 201, nil)
	s.do("POST", "/import/pyhrapi?draft=move", file, "Content-Type: application/x-sqlite2").wants(t, 200, nil)
	s.get("/backends/eta").refused(t, 404, "not_found")
	s.get("/backends/eta?draft=move").wants(t, 200, nil)
	var done struct {
		node.Applied
		node.Imported
		Changes []node.Change
	}
	s.do("POST", "/import/pyhrapi", file, databaseType).wants(t, 200, &done)
	if done.Revision != 4 || len(done.Changes) != 2 || len(done.Left) != 1 {
		t.Errorf("answer %+v", done)
	}
	for path, want := range map[string]string{"/backends/eta": `"weight":200`, "/frontends/gateHTTP": `"bind":"127.0.0.1:8081"`, "/frontends/www": `"backend":"live"`} {
		if body := string(s.get(path).body); !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
	if rev, err := s.Revision(t.Context(), 4); err != nil || rev.Message != "import of a database of pyHrapi" {
		t.Errorf("revision %+v, %v", rev, err)
	}
}

func TestABadDatabaseChangesNothing(t *testing.T) {
	t.Parallel()
	s := filledFixture(t)
	sound := pools()
	for text, want := range map[string]string{
		"":                   "is no SQLite database",
		"global\n":           "is no SQLite database",
		sound[:len(sound)/2]: "is incomplete",
		sound[:60]:           "is incomplete",
		strings.ReplaceAll(sound, "Targets", "Tragets"): "has no table Targets",
	} {
		if f := s.do("POST", "/import/pyhrapi", text, databaseType).refused(t, 400, "invalid"); !strings.Contains(f.Error, want) {
			t.Errorf("%.20q: %s, want %s", text, f.Error, want)
		}
	}
	s.do("POST", "/import/pyhrapi", sound, "Content-Type: text/plain").refused(t, 415, "invalid")
	if list, err := s.Revisions(t.Context(), 0, 9); err != nil || len(list) != 3 {
		t.Errorf("%d revisions, %v", len(list), err)
	}
}

// TestWhatIsExportedForPyHrapiIsNoChange: what its database cannot hold has to be left out
// on purpose.
func TestWhatIsExportedForPyHrapiIsNoChange(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.do("POST", "/import/pyhrapi", pools(pyhrapi.Target{Name: "s1", Address: "10.0.0.1:80", Weight: "200", Pool: "eta"}), databaseType).wants(t, 200, nil)
	file := s.get("/export/pyhrapi")
	file.wants(t, 200, nil)
	var done struct {
		node.Imported
		Changes []node.Change
	}
	s.do("POST", "/import/pyhrapi", string(file.body), databaseType).wants(t, 200, &done)
	if len(done.Changes) > 0 || len(done.Left) > 0 {
		t.Errorf("changes %+v", done)
	}
	s.put("/backends/other", `{"type":"static","members":[{"host":"10.0.0.1","port":80}]}`)
	if f := s.get("/export/pyhrapi").refused(t, 409, "conflict"); !strings.Contains(f.Error, `has the address 10.0.0.1:80 already`) {
		t.Errorf("error %q", f.Error)
	}
	s.get("/export/pyhrapi?force=1").wants(t, 200, nil)
}
