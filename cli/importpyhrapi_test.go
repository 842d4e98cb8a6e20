package cli_test

import (
	"strings"
	"testing"

	"thalassa/cli"
	"thalassa/pyhrapi"
)

func TestADatabaseOfPyHrapiIsCarriedOver(t *testing.T) {
	t.Parallel()
	s := shop(t)
	data, err := pyhrapi.Write(pyhrapi.Database{
		Gateways:  []pyhrapi.Gateway{{Name: "gate", Protocol: "http", Default: "eta"}},
		Endpoints: []pyhrapi.Endpoint{{Name: "e1", Address: "127.0.0.1:8081", Gateway: "gate"}},
		Pools:     []pyhrapi.Pool{{Name: "eta", Policy: "backfill", Weights: 1, Enabled: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := write(t, dir, "default.db", string(data))
	for _, args := range [][]string{{"--dry-run"}, {"-m", "from pyHrapi"}} {
		out := s.run(append([]string{"import", "pyhrapi", file}, args...)...).out
		for _, want := range []string{`! pool "eta" gets the policy roundrobin: HAProxy has no policy "backfill"`, "+ backend/eta", "+ frontend/gate", "2 objects "} {
			if !strings.Contains(out, want) {
				t.Errorf("%q: the output lacks %q:\n%s", args, want, out)
			}
		}
	}
	if out := s.run("import", "pyhrapi", file).out; !strings.Contains(out, "no change") {
		t.Errorf("the second time: %s", out)
	}
	if out := s.run("revisions", "-n", "1").out; !strings.Contains(out, "from pyHrapi") {
		t.Errorf("revisions: %s", out)
	}
	s.fails(cli.ExitUsage, "is no SQLite database", "import", "pyhrapi", write(t, dir, "no.db", "x"))
	s.fails(cli.ExitUsage, "is larger than", "import", "pyhrapi", "/dev/zero")
	s.fails(cli.ExitUsage, "no such file", "import", "pyhrapi", dir+"/none.db")
}
