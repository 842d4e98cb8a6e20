package pacemaker_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

// The tag of a plan stays while the plan does, whoever makes it, and is another one for another
// plan. A plan with another tag than the one that was shown is refused.
func TestPlansAreBound(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	s := pacemaker.NewSteps(c)
	a := described(t, map[string]string{"state": "/run/x"})
	a.HAProxy.Prefer = []string{"n3"}
	shown, err := c.PlanHAProxy(t.Context(), a)
	if err != nil || len(shown.Tag) != 16 || !cluster.IsPlanTag(strconv.Quote(shown.Tag)) {
		t.Fatalf("tag %q, %v", shown.Tag, err)
	}
	a.IfMatch = []string{strconv.Quote(shown.Tag)}
	g := pacemaker.Stage{Action: a, Mark: "job.0"}

	// What does not change the plan does not matter, as the mark of another job.
	tool(t, path, "crm_attribute", "-n", "note", "-v", "x", "-t", "nodes", "-N", "n1")
	if now, err := c.PlanHAProxy(t.Context(), a); err != nil || now.Tag != shown.Tag || now.Epoch == shown.Epoch {
		t.Errorf("after a change of something else: tag %q of %s, before %q of %s, %v", now.Tag, now.Epoch, shown.Tag, shown.Epoch, err)
	}
	if st, err := s.Plan(t.Context(), g); err != nil || st.Nothing {
		t.Errorf("after a change of something else: %v", err)
	}

	// What changes it does: here a node that runs nothing any more.
	tool(t, path, "crm_standby", "-N", "n1", "-v", "on")
	_, err = s.Plan(t.Context(), g)
	changed, ok := errors.AsType[*cluster.PlanChangedError](err)
	if !ok || changed.Tag == shown.Tag || changed.ID != "resource/haproxy" {
		t.Fatalf("after a change of the plan: %v", err)
	}
	difference := cluster.PlanDifference(shown.Lines(), changed.Lines)
	if !slices.ContainsFunc(difference, func(line string) bool { return strings.HasPrefix(line, "+ will stop haproxy on n1") }) {
		t.Errorf("difference %q", difference)
	}
	if _, err := c.PlanHAProxy(t.Context(), a); !errors.As(err, new(*cluster.PlanChangedError)) {
		t.Errorf("a preview under the same condition: %v", err)
	}
	a.IfMatch = []string{`"9:9"`, strconv.Quote(changed.Tag)}
	if _, err := s.Plan(t.Context(), pacemaker.Stage{Action: a, Mark: "job.0"}); err != nil {
		t.Errorf("with the tag that it has now: %v", err)
	}

	// The tag of the configuration is one as well.
	destroy := cluster.Action{Kind: cluster.Destroy, Resource: "haproxy", IfMatch: []string{strconv.Quote(shown.Epoch.Configuration())}}
	if _, err := s.Plan(t.Context(), pacemaker.Stage{Action: destroy}); !errors.As(err, new(*cluster.PlanChangedError)) {
		t.Errorf("of a former configuration: %v", err)
	}
	destroy.IfMatch = []string{"*"}
	st, err := s.Plan(t.Context(), pacemaker.Stage{Action: destroy})
	if err != nil {
		t.Fatal(err)
	}
	destroy.IfMatch = []string{strconv.Quote(st.Epoch.Configuration())}
	if _, err := s.Plan(t.Context(), pacemaker.Stage{Action: destroy}); err != nil {
		t.Errorf("of the configuration as it is: %v", err)
	}
}

// What is asked for is part of the tag, but for secrets: nobody may guess these from it.
func TestTagsHaveNoSecret(t *testing.T) {
	c, _ := onFile(t, "failed.xml")
	tagOf := func(parameters map[string]string) string {
		p, err := c.PlanHAProxy(t.Context(), described(t, parameters))
		if err != nil {
			t.Fatal(err)
		}
		return p.Tag
	}
	if a, b := tagOf(map[string]string{"passwd": "one"}), tagOf(map[string]string{"passwd": "two"}); a != b {
		t.Errorf("the tag %s becomes %s with another password", a, b)
	}
	if a, b := tagOf(map[string]string{"state": "/run/x"}), tagOf(map[string]string{"state": "/run/y"}); a == b {
		t.Error("the tag does not depend on what is asked for")
	}
}
