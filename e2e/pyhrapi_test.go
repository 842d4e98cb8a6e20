package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"thalassa/internal/testkit"
	"thalassa/pyhrapi"
)

// TestADatabaseOfPyHrapiIsServed: a file with the shape of pyHrapi's own example (a
// gateway, two endpoints, two pools, nine targets) is imported, in the old schema and in
// the new one, and HAProxy answers at its endpoints, at the weights of its targets.
func TestADatabaseOfPyHrapiIsServed(t *testing.T) {
	for i, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			n, f := sailingOn(t, binary.Path, "1-a", "1-b")
			ports := testkit.Ports(t, 2)
			db := pyhrapi.Database{
				Gateways: []pyhrapi.Gateway{{Name: "gateHTTP", Protocol: "http", Default: "eta"}},
				Pools:    []pyhrapi.Pool{{Name: "eta", Policy: "roundrobin", Weights: 1, Enabled: true}, {Name: "theta", Policy: "leastconn", Weights: 1, Enabled: true}},
			}
			for j, port := range ports {
				db.Endpoints = append(db.Endpoints, pyhrapi.Endpoint{Name: fmt.Sprintf("e%d", j+1), Address: fmt.Sprintf("127.0.0.1:%d", port), Gateway: "gateHTTP"})
			}
			for j := range 9 {
				target := pyhrapi.Target{Name: fmt.Sprintf("targetS%d", j+1), Address: fmt.Sprintf("127.0.0.1:%d", j+1), Weight: "1", Pool: "eta"}
				if j > 5 {
					target.Pool = "theta"
				}
				db.Targets = append(db.Targets, target)
			}
			a, b := &db.Targets[0], &db.Targets[1] // the others are disabled
			a.Address, a.Weight, a.Enabled = f.address["1-a"], "200", true
			b.Address, b.Weight, b.Enabled = f.address["1-b"], "0", true
			file := n.path("default.db")
			if err := os.WriteFile(file, ofSchema(t, db, i%2 == 0), 0o600); err != nil {
				t.Fatal(err)
			}
			out, _ := n.shell("").run(0, "", "import", "pyhrapi", file)
			holds(t, "the import", out, "+ frontend/gateHTTP", "+ backend/eta", "+ backend/theta", "3 objects changed and in effect")
			if strings.Contains(out, "!") {
				t.Errorf("something was left out: %s", out)
			}
			for range 10 {
				for _, port := range ports {
					if got, err := getAt(fmt.Sprintf("127.0.0.1:%d", port)); err != nil || got != "1-a" {
						t.Fatalf("port %d answers %q, %v", port, got, err)
					}
				}
			}
			n.answers("1-a", "1-b") // what was there is served as before
		})
	}
}

// ofSchema is a file of the newest schema, or of the one before.
func ofSchema(t *testing.T, db pyhrapi.Database, isOld bool) []byte {
	t.Helper()
	data, err := pyhrapi.Write(db)
	if err != nil || !isOld {
		return data
	}
	c, err := sqlite.OpenConn(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Deserialize("main", data); err != nil {
		t.Fatal(err)
	}
	if err := sqlitex.ExecuteScript(c, `DROP TABLE Uploads; DROP TABLE Certificates`, nil); err != nil {
		t.Fatal(err)
	}
	if data, err = c.Serialize("main"); err != nil {
		t.Fatal(err)
	}
	return data
}
