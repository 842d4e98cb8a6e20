package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cli"
)

// inCluster is a fixture whose node is one of a cluster with a past.
func inCluster(t *testing.T) *fixture {
	t.Helper()
	c := apitest.NewCluster()
	return open(t, func(cfg *api.Config) { cfg.Cluster, cfg.ClusterHistory = c, apitest.ClusterHistory{Cluster: c} }, apitest.Importing(t))
}

func TestTheClusterAtAnInstant(t *testing.T) {
	s := inCluster(t)
	r := s.run("cluster", "history", "at", "2026-11-29T12:00:30Z")
	for _, want := range []string{"the past", apitest.FirstTransition + ", 30s before", "next", apitest.SecondTransition, "changed since", "ann: configure primitives/vip", "floating IP", "RESOURCE"} {
		if r.code != cli.ExitOK || !strings.Contains(r.out, want) {
			t.Errorf("the output lacks %q: %+v", want, r)
		}
	}
	if r := s.run("cluster", "history", "at", "2026-11-29T12:05:00Z"); !strings.Contains(r.out, "nothing is known of what was done since") {
		t.Errorf("after the latest: %+v", r)
	}
	for at, says := range map[string]string{"noon": "expected RFC 3339", "2026-11-29T11:00:00Z": "the history begins at 2026-11-29T12:00:00Z", "2999-01-01T00:00:00Z": "is in the future"} {
		if r := s.run("cluster", "history", "at", at); r.code == cli.ExitOK || !strings.Contains(r.errors, says) {
			t.Errorf("%s: %+v", at, r)
		}
	}
}

func TestExplainAFailover(t *testing.T) {
	s := inCluster(t)
	for _, args := range [][]string{{}, {"last"}, {apitest.SecondTransition}} {
		r := s.run(append([]string{"cluster", "explain"}, args...)...)
		for _, want := range []string{"The monitor of vip failed on n1", "It took ", "PHASE", "detection", "scheduler", "transition (between records)", "address", "vip n1", "slow-start, 3s", "monitor-interval, at most 5s", "agents have not sent them: n2"} {
			if r.code != cli.ExitOK || !strings.Contains(r.out, want) {
				t.Errorf("%v: the output lacks %q: %+v", args, want, r)
			}
		}
	}
	if r := s.run("cluster", "explain", apitest.FirstTransition); !strings.Contains(r.out, "Nothing was lost, failed or moved") {
		t.Errorf("nothing happened: %+v", r)
	}
	if r := s.run("cluster", "explain", "x"); r.code == cli.ExitOK || !strings.Contains(r.errors, "does not exist") {
		t.Errorf("one that there is not: %+v", r)
	}
}

// What would have happened in a transition is asked of the same simulator.
func TestSupposeOfThePast(t *testing.T) {
	c := apitest.NewCluster()
	s := open(t, func(cfg *api.Config) {
		cfg.Cluster, cfg.ClusterHistory, cfg.ClusterForesight = c, apitest.ClusterHistory{Cluster: c}, c
	})
	r := s.run("cluster", "simulate", "--transition", apitest.SecondTransition, "--node", "n2=online")
	if r.code != cli.ExitOK || !strings.Contains(r.out, "suppose that node n2 ") || !strings.Contains(r.out, "move vip from n1 to n2") {
		t.Errorf("supposed: %+v", r)
	}
	if r := s.run("cluster", "simulate", "--transition", "x"); r.code != cli.ExitNotFound || !strings.Contains(r.errors, "does not exist") {
		t.Errorf("one that there is not: %+v", r)
	}
	if r := s.run("cluster", "simulate", "--import", "0123456789ab"); r.code == cli.ExitOK || !strings.Contains(r.errors, "is given without a transition") {
		t.Errorf("an import alone: %+v", r)
	}
}

// The past of a cluster goes into a file, and from there to another agent.
func TestFilesOfTheHistory(t *testing.T) {
	s := inCluster(t)
	path := filepath.Join(t.TempDir(), "incident.tar.gz")
	if r := s.run("cluster", "history", "export", path, "--from", "2027-01-01T00:00:00Z"); r.code == cli.ExitOK || !strings.Contains(r.errors, "nothing is known of it") {
		t.Errorf("of nothing: %+v", r)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file of nothing was written")
	}
	if r := s.run("cluster", "history", "export", path); r.code != cli.ExitOK || !strings.Contains(r.out, "incident.tar.gz saved: 2 transitions") {
		t.Errorf("saved: %+v", r)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	r := s.run("cluster", "history", "import", path)
	if r.code != cli.ExitOK || !strings.Contains(r.out, "thalassa-history of ") {
		t.Fatalf("imported: %+v", r)
	}
	lines := strings.Split(r.out, "\n")
	id, _, _ := strings.Cut(lines[1], " ")
	for want, args := range map[string][]string{
		"n1,n2":                          {"cluster", "history", "import", "list"},
		"recover vip on n1":              {"cluster", "history", "--import", id},
		"primitives/vip":                 {"cluster", "history", apitest.SecondTransition, "--import", id},
		"Unexpected result of monitor":   {"cluster", "history", apitest.SecondTransition, "--log", "--import", id},
		apitest.FirstTransition + ", 30": {"cluster", "history", "at", "2026-11-29T12:00:30Z", "--import", id},
		"Resources were moved off n1":    {"cluster", "explain", "--import", id},
	} {
		if r := s.run(args...); r.code != cli.ExitOK || !strings.Contains(r.out, want) {
			t.Errorf("%v: the output lacks %q: %+v", args, want, r)
		}
	}
	if r := s.run("cluster", "history", "import", "remove", id); r.code != cli.ExitOK || !strings.Contains(r.out, id+" removed") {
		t.Errorf("removed: %+v", r)
	}
	for says, args := range map[string][]string{
		"does not exist":        {"cluster", "history", "--import", id},
		"no such file":          {"cluster", "history", "import", path + "x"},
		"is not a regular file": {"cluster", "history", "import", t.TempDir()},
		"is no tar archive":     {"cluster", "history", "import", "clusterhistory_test.go"},
	} {
		if r := s.run(args...); r.code == cli.ExitOK || !strings.Contains(r.errors, says) {
			t.Errorf("%v: %+v", args, r)
		}
	}
}
