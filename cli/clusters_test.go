package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cli"
	"thalassa/cluster"
)

func TestClusters(t *testing.T) {
	others := apitest.NewClusters(t, "paris", "rome")
	others.Lose("rome")
	s := open(t, func(cfg *api.Config) { cfg.Clusters = others })
	r := s.run("clusters")
	lines := strings.Split(r.out, "\n")
	for i, want := range []string{
		"CLUSTER STATE NODES RESOURCES FAILURES QUORUM DC REPORTED BY AGE",
		"paris ok 2/2 2/2 1 yes n1 n1 -",
		"rome unreachable 0/0 0/0 0 no - - -",
		"",
		"paris:",
		"monitor of haproxy failed on n2: not running",
		"",
		"rome:",
		"https://rome.example: connection refused",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); r.code != cli.ExitOK || got != want {
			t.Errorf("line %d is %q, want %q; exit code %d %s", i+1, got, want, r.code, r.errors)
		}
	}
	var list []cluster.Summary
	if r := s.run("clusters", "-o", "json"); r.code != cli.ExitOK || json.Unmarshal([]byte(r.out), &list) != nil || len(list) != 2 || list[1].State != "unreachable" {
		t.Errorf("as JSON: exit code %d %s\n%s", r.code, r.errors, r.out)
	}
}
