package cli_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cli"
	"thalassa/cluster"
)

// A lateHistory has a transition after the others of which it is not known yet what was decided.
type lateHistory struct {
	apitest.ClusterHistory

	only bool // there is no other one
}

const lateTransition = "20261129T121000Z-warning-2-00000003"

func (h lateHistory) Find(f cluster.HistoryFilter, limit int) (list []cluster.Transition, more bool) {
	list, more = h.ClusterHistory.Find(f, limit)
	if h.only {
		list = nil
	}
	return slices.Insert(list, 0, cluster.Transition{ID: lateTransition, Time: time.Date(2026, 11, 29, 12, 10, 0, 0, time.UTC), Tag: "warning"}), more
}

// That a later transition may have been a failover is said, also when there is no other one.
func TestExplainNamesWhatIsNotKnownYet(t *testing.T) {
	explain := func(only bool, args ...string) result {
		c := apitest.NewCluster()
		s := open(t, func(cfg *api.Config) {
			cfg.Cluster, cfg.ClusterHistory = c, lateHistory{apitest.ClusterHistory{Cluster: c}, only}
		})
		return s.execute("", append([]string{"cluster", "explain"}, args...)...)
	}
	for _, args := range [][]string{nil, {"last"}, {"-o", "json"}} {
		r := explain(false, args...)
		if r.code != cli.ExitOK || !strings.Contains(r.out, "The monitor of vip failed on n1") || strings.Contains(r.out, lateTransition) ||
			!strings.Contains(r.errors, "1 later transition") || !strings.Contains(r.errors, lateTransition) {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := explain(false, apitest.SecondTransition); r.code != cli.ExitOK || r.errors != "" {
		t.Errorf("one by its ID: %+v", r)
	}
	if r := explain(true); r.code == cli.ExitOK || !strings.Contains(r.errors, "there is no failover") || !strings.Contains(r.errors, lateTransition) {
		t.Errorf("no other: %+v", r)
	}
	if r := inCluster(t).run("cluster", "explain"); r.code != cli.ExitOK || r.errors != "" {
		t.Errorf("nothing is later: %+v", r)
	}
}
