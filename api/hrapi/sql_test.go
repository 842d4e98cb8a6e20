package hrapi_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/api/hrapi"
	"thalassa/audit"
	"thalassa/internal/testkit"
	"thalassa/pyhrapi"
)

const databaseType = "Content-Type: application/x-sqlite2"

// database is a file of pyHrapi.
func database(t *testing.T, db pyhrapi.Database) string {
	t.Helper()
	data, err := pyhrapi.Write(db)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestADatabaseGoesIntoTheDraft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("PUT", "/v1/pools/own", `{"targets":{"o":"10.0.0.9:80"}}`, 200, `{"Added pool":"own"}`)
	sound := pyhrapi.Database{
		Gateways:  []pyhrapi.Gateway{{Name: "g", Protocol: "http", Default: "eta"}},
		Endpoints: []pyhrapi.Endpoint{{Name: "e", Address: "127.0.0.1:8081", Gateway: "g"}},
		Pools:     []pyhrapi.Pool{{Name: "eta", Policy: "leastconn", Weights: 1, Enabled: true}},
		Targets:   []pyhrapi.Target{{Name: "t", Address: "10.0.0.1:80", Weight: "200", Enabled: true, Pool: "eta"}},
	}
	file := database(t, sound)
	many := sound
	many.Targets = make([]pyhrapi.Target, pyhrapi.MaxImport+1)
	for i := range many.Targets {
		many.Targets[i] = pyhrapi.Target{Name: "t" + strconv.Itoa(i), Address: "10.0.0.1:" + strconv.Itoa(i+1), Pool: "eta"}
	}
	for _, q := range []struct{ body, contentType, want string }{
		{file, "Content-Type: application/json", `"Import error": "Content-Type is`},
		{file, "Content-Type: application/x-sqlite3", `"Import error": "Content-Type is`},
		{file, databaseType + "; charset=utf-8", `"Import error": "Content-Type is`},
		{"", databaseType, `"Import error": "the file is no SQLite database`},
		{"text", databaseType, `"Import error": "the file is no SQLite database`},
		{file[:len(file)/2], databaseType, `"Import error": "the file is incomplete`},
		{database(t, many), databaseType, `"Import error": "the file has 2001 gateways`},
	} {
		if status, answer, _ := f.do("PUT", "/v1/controller/_import-sql", q.body, q.contentType); status != 400 || !strings.Contains(answer, q.want) {
			t.Errorf("%.20q as %s: %d %s, want %s", q.body, q.contentType, status, answer, q.want)
		}
	}
	f.want("GET", "/v1/pools", "", 200, `{"Pools":["own"]}`)
	if status, answer, _ := f.do("PUT", "/v1/controller/_import-sql", file, databaseType); status != 200 || strings.Join(strings.Fields(answer), "") != `{"DBimport":"Done"}` {
		t.Errorf("%d %s", status, answer)
	}
	f.want("GET", "/v1/pools", "", 200, `{"Pools":["eta","own"]}`)
	f.want("GET", "/v1/pools/eta/targets/t", "", 200, `{"address":"10.0.0.1:80","weight":200,"enabled":true}`)
	f.want("GET", "/backends", "", 200, `[]`) // nothing is live
	sound.Endpoints = append(sound.Endpoints, pyhrapi.Endpoint{Name: "tls", Address: "*:8443 @key.pem", Gateway: "g"})
	if status, answer, _ := f.do("PUT", "/v1/controller/_import-sql", database(t, sound), databaseType); status != 200 || !strings.Contains(answer, `endpoint \"tls\" is left out`) {
		t.Errorf("%d %s", status, answer)
	}
}

func TestADatabaseIsExported(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("PUT", "/v1/pools/p", `{"targets":{"t":"10.0.0.1:80"}}`, 200, `{"Added pool":"p"}`)
	f.want("PUT", "/v1/gateways/g", `{"protocol":"tcp","endpoints":{"e":"127.0.0.1:8081"},"defaultBack":"p"}`, 200, `{"Added gateway":"g"}`)
	status, file, header := f.do("GET", "/v1/controller/_export-sql", "")
	if status != 200 || header.Get("Content-Type") != "application/x-sqlite2" || header.Get("Content-Disposition") != `attachment; filename="default.db"` {
		t.Fatalf("%d %v", status, header)
	}
	db, err := pyhrapi.Read(t.Context(), []byte(file))
	want := []pyhrapi.Target{{Name: "t", Address: "10.0.0.1:80", Weight: "1", Enabled: true, Pool: "p"}}
	if err != nil || !reflect.DeepEqual(db.Targets, want) || len(db.Gateways) != 1 || len(db.Certificates) != 0 {
		t.Errorf("%+v, %v", db, err)
	}
	f.want("PUT", "/v1/pools/q", `{"targets":{"u":"10.0.0.1:80"}}`, 200, `{"Added pool":"q"}`)
	f.want("GET", "/v1/controller/_export-sql", "", 409, "has the address 10.0.0.1:80 already")
	f.want("GET", "/v1/controller/_export-sql?force=1", "", 200, "SQLite format 3")
}

// Certificates with their keys come from a database, and go into one again where an admin
// asks for the keys.
func TestCertificatesOfADatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t, apitest.Limited(t))
	as := func(token string) string { return "Authorization: Bearer " + token }
	pair := testkit.NewAuthority(t).Issue(t, "shop.example")
	file := database(t, pyhrapi.Database{
		Gateways:     []pyhrapi.Gateway{{Name: "g", Protocol: "http", Default: "None"}},
		Endpoints:    []pyhrapi.Endpoint{{Name: "raw", Address: "*:8443 @key.pem", Gateway: "g"}, {Name: "made", Address: "*:9443  ssl crt /var/tmp/x/key.pem", Gateway: "g"}, {Name: "bad", Address: "*:9444 @bad.pem", Gateway: "g"}},
		Certificates: []pyhrapi.Certificate{{Name: "key", PEM: pair.Chain + pair.Key}, {Name: "bad", PEM: "nothing"}},
	})
	status, answer, _ := f.do("PUT", "/v1/controller/_import-sql", file, databaseType, as(apitest.AdminToken))
	if status != 200 || !strings.Contains(answer, `endpoint \"bad\" is left out: it needs the certificate \"bad\", which is left out`) ||
		!strings.Contains(answer, `certificate \"bad\" is left out: chain: has no block in PEM`) {
		t.Errorf("%d %s", status, answer)
	}
	_, answer, _ = f.do("GET", "/v1/gateways/g", "", as(apitest.AdminToken))
	if !strings.Contains(answer, `"raw": "*:8443 @key.pem"`) || !strings.Contains(answer, `"made": "*:9443 @key.pem"`) {
		t.Errorf("gateway %s", answer)
	}
	for _, q := range []struct {
		query, token string
		status       int
		withKey      bool
	}{
		{"", apitest.AdminToken, 200, false}, {"?keys=1", apitest.AdminToken, 200, true}, {"?keys=1", apitest.ReadToken, 403, false}, {"?keys=1", apitest.ShopAdminToken, 403, false},
	} {
		status, file, _ := f.do("GET", "/v1/controller/_export-sql"+q.query, "", as(q.token))
		if status != q.status {
			t.Errorf("%s: %d", q.query, status)
		}
		if status != 200 {
			continue
		}
		db, err := pyhrapi.Read(t.Context(), []byte(file))
		if err != nil || len(db.Certificates) != 1 || db.Certificates[0].Name != "key" {
			t.Fatalf("%+v, %v", db, err)
		}
		if got := db.Certificates[0].PEM; !strings.Contains(got, "BEGIN CERTIFICATE") || strings.Contains(got, "PRIVATE KEY") != q.withKey {
			t.Errorf("%q: %s", q.query, got)
		}
		if got := db.Endpoints[0].Address; got != "*:8443  ssl crt /tmp/key.pem" {
			t.Errorf("the endpoint is %q", got)
		}
	}
	exports := 0
	records, err := f.Audited.Records(t.Context(), audit.Query{Limit: 100})
	for _, r := range records {
		if r.Action == audit.Export {
			exports++
		}
	}
	if exports != 1 || err != nil {
		t.Errorf("the audit log has %d exports, want 1, %v", exports, err)
	}
}

// withBackups has the dialect with a folder that does not exist yet.
func withBackups(t *testing.T) (dir string, adjust func(*api.Config)) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "v1-backups")
	return dir, func(c *api.Config) { c.Dialects = []api.Dialect{hrapi.New(hrapi.Config{Backups: dir})} }
}

func TestBackups(t *testing.T) {
	t.Parallel()
	dir, adjust := withBackups(t)
	f := newFixture(t, adjust)
	f.want("PUT", "/v1/pools/p", `{"targets":{"t":"10.0.0.1:80","u":"10.0.0.3:80"}}`, 200, `{"Added pool":"p"}`)
	f.want("PUT", "/v1/gateways/g", `{"protocol":"http","endpoints":{"e":"127.0.0.1:8081"},"pools":["p"],"enable":"False"}`, 200, `{"Added gateway":"g"}`)
	f.want("PUT", "/backends/raw?draft=v1", `{"type":"static","natives":["timeout server 7s"]}`, 200, "7s")
	for path, want := range map[string]int{"/v1/controller/backup/.hidden": 400, "/v1/controller/backup/a%2Fb": 400, "/v1/controller/backup/" + strings.Repeat("x", 65): 400} {
		f.want("POST", path, "", want, "")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a refused backup leaves something: %v", err)
	}
	f.want("POST", "/v1/controller/backup/db", "", 200, `{"success":"uploaded db.db","version":1}`)
	f.want("PUT", "/v1/pools/later", `{"targets":{}}`, 200, `{"Added pool":"later"}`)
	f.want("POST", "/v1/controller/backup/db", "", 200, `{"success":"uploaded db.db","version":2}`)
	f.want("POST", "/v1/controller/backup/db.2", "", 200, `{"success":"uploaded db.2.db","version":1}`)
	f.want("DELETE", "/v1/gateways/g", "", 200, `{"Delete Gateway":"g"}`)
	f.want("DELETE", "/v1/pools/p", "", 200, `{"Delete pool":"p"}`)

	list := `{"error":"not found","db list":["db/1","db/2","db.2/1"]}`
	f.want("GET", "/v1/controller/restore/db/3", "", 404, list)
	f.want("POST", "/v1/controller/restore/none/1", "", 404, list)
	f.want("GET", "/v1/controller/restore/db/0", "", 400, "version: ")
	f.want("GET", "/v1/controller/restore/db/x", "", 400, "version: ")
	f.want("GET", "/v1/controller/restore/..%2Fdb/1", "", 400, "db: ")
	f.want("GET", "/v1/controller/restore/db/1", "", 200, `{"success":"restored database"}`)
	f.want("GET", "/v1/pools", "", 200, `{"Pools":["p","raw"]}`) // without what came later
	f.want("GET", "/v1/pools/p", "", 200, `{"enabled":true,"targets":{"t":"10.0.0.1:80","u":"10.0.0.3:80"}}`)
	f.want("GET", "/v1/gateways/g", "", 200, `{"gateway":"g","protocol":"http","endpoints":{"e":"127.0.0.1:8081"},"pools":["p"],"enable":"False","defaultBack":"None"}`)
	f.want("GET", "/backends/raw?draft=v1", "", 200, "7s")
	f.want("GET", "/backends", "", 200, `[]`) // nothing is live
	f.want("POST", "/v1/controller/commit", "", 200, "Started")
	f.want("POST", "/v1/controller/restore/db/2", "", 200, "restored")
	f.want("GET", "/backends/later", "", 404, "later")
	f.want("POST", "/v1/controller/commit", "", 200, "Started")
	f.want("GET", "/backends/later", "", 200, "later")
	f.want("POST", "/v1/controller/restore/db/1", "", 200, "restored")
	f.want("GET", "/backends/later", "", 200, "later") // until the commit
	f.want("POST", "/v1/controller/commit", "", 200, "Started")
	f.want("GET", "/backends/later", "", 404, "later")

	file := filepath.Join(dir, "db.1")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "10.0.0.1", "10.0.0.2", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	f.want("POST", "/v1/controller/restore/db/1", "", 409, "not usable")
	f.want("GET", "/v1/pools/p/targets/t", "", 200, `{"address":"10.0.0.1:80","weight":1,"enabled":true}`)
}

// TestBackupsAreBounded: the oldest version makes room for the newest, and a further name
// is refused.
func TestBackupsAreBounded(t *testing.T) {
	t.Parallel()
	dir, adjust := withBackups(t)
	f := newFixture(t, adjust)
	for i := 1; i <= 22; i++ {
		f.want("POST", "/v1/controller/backup/db", "", 200, `{"success":"uploaded db.db","version":`+strconv.Itoa(i)+`}`)
	}
	f.want("GET", "/v1/controller/restore/db/2", "", 404, `"db/3"`)
	f.want("GET", "/v1/controller/restore/db/3", "", 200, "restored")
	for i := 1; i < 20; i++ {
		f.want("POST", "/v1/controller/backup/n"+strconv.Itoa(i), "", 200, "uploaded")
	}
	f.want("POST", "/v1/controller/backup/more", "", 409, "20 names")
	if files, err := os.ReadDir(dir); err != nil || len(files) != 20+19 {
		t.Errorf("%d files, %v", len(files), err)
	}
	// A name whose own versions cannot make the room is refused.
	if err := os.Truncate(filepath.Join(dir, "n1.1"), 128<<20); err != nil {
		t.Fatal(err)
	}
	f.want("POST", "/v1/controller/backup/db", "", 409, "bytes")
	f.want("GET", "/v1/controller/restore/db/3", "", 200, "restored")
}

func TestNoFolderForBackups(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("POST", "/v1/controller/backup/db", "", 503, "no folder for backups")
	f.want("GET", "/v1/controller/restore/db/1", "", 503, "no folder for backups")
}

// TestWholeNode: whoever is limited to some objects takes no part of the node with a file.
func TestWholeNode(t *testing.T) {
	t.Parallel()
	dir, adjust := withBackups(t)
	f := newFixture(t, apitest.Limited(t), adjust)
	for _, q := range [][2]string{{"PUT", "/v1/controller/_import-sql"}, {"POST", "/v1/controller/backup/db"}, {"GET", "/v1/controller/restore/db/1"}, {"POST", "/v1/controller/restore/db/1"}} {
		if status, _, _ := f.do(q[0], q[1], "", "Authorization: Bearer "+apitest.ShopAdminToken); status != 403 {
			t.Errorf("%s %s: %d", q[0], q[1], status)
		}
	}
	if status, _, _ := f.do("GET", "/v1/controller/_export-sql", "", "Authorization: Bearer "+apitest.BlindReadToken); status != 403 {
		t.Errorf("whoever does not see everything exports it: %d", status)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a refused backup leaves something: %v", err)
	}
}
