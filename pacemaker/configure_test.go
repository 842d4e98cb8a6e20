package pacemaker_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"thalassa/cluster/config"
	"thalassa/pacemaker"
)

func put(k config.Kind, id, body string) config.Edit {
	return config.Edit{Op: config.Put, Kind: k, ID: id, Body: []byte(body)}
}

// Edits are foretold, and change the CIB only when they are made.
func TestConfigure(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	edits := []config.Edit{
		put(config.Primitives, "web", `{"agent":"ocf:pacemaker:Dummy","ops":[{"name":"monitor","interval":"10s"}]}`),
		put(config.Locations, "web-n3", `{"rsc":"web","node":"n3","score":"INFINITY"}`),
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := c.PlanEdits(t.Context(), edits)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(plan.Changes, []string{"add primitives/web", "add locations/web-n3"}) || !slices.Contains(plan.Predicted.Text, "will start web on n3") || plan.Cluster != nil {
		t.Errorf("plan %q, %q", plan.Changes, plan.Predicted.Text)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Error("the plan has changed the CIB")
	}
	steps := pacemaker.NewSteps(c)
	step, _, err := steps.PlanEdits(t.Context(), edits, "")
	if err != nil {
		t.Fatal(err)
	}
	// Meanwhile the status changes, which counts updates.
	updated := regexp.MustCompile(`num_updates="\d+"`).ReplaceAll(before, []byte(`num_updates="987"`))
	if err := os.WriteFile(path, updated, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := steps.Write(t.Context(), step, ""); err != nil {
		t.Fatal(err)
	}
	cib, err := c.Query(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if config.Find(cib.Configuration(), config.Primitives, "web") == nil || config.Find(cib.Configuration(), config.Locations, "web-n3") == nil {
		t.Error("the CIB does not have the objects")
	}
	if err := steps.Write(t.Context(), step, ""); !pacemaker.IsStale(err) {
		t.Errorf("the same step a second time: %v", err)
	}
	again, err := c.PlanEdits(t.Context(), edits)
	if err != nil || len(again.Changes) != 0 {
		t.Errorf("a second time: %q, %v", again.Changes, err)
	}
}

// What Pacemaker does not accept changes nothing, and says what.
func TestConfigureRefuses(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		edit config.Edit
		want string
	}{
		"a field of the schema": {put(config.Orders, "o", `{"first":"vip","then":"haproxy-clone","kind":"Sometimes"}`), "crm_verify"},
		"an old version":        {config.Edit{Op: config.Delete, Kind: config.Primitives, ID: "vip", IfMatch: []string{`"0:1"`}}, "has changed"},
		"what does not exist":   {config.Edit{Op: config.Delete, Kind: config.Primitives, ID: "nothing"}, "does not exist"},
	} {
		if _, err := c.PlanEdits(t.Context(), []config.Edit{tc.edit}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Error("a refused edit has changed the CIB")
	}
}
