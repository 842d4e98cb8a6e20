package cli_test

import (
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
	return open(t, func(cfg *api.Config) { cfg.Cluster, cfg.ClusterHistory = c, apitest.ClusterHistory{Cluster: c} })
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
		for _, want := range []string{"The monitor of vip failed on n1", "It took ", "PHASE", "detection", "scheduler", "transition (between records)", "address", "vip n1", "slow-start, 3s", "monitor-interval, at most 5s", "the logs of n2 are on those nodes"} {
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
