package pacemaker_test

import (
	"slices"
	"strings"
	"testing"

	"thalassa/cluster"
)

// What no constraint with a node, ticket or dependency explains, the scheduler's scores do.
func TestScoresExplainTheRest(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	with(t, path, "resources", `<primitive id="lonely" class="ocf" provider="heartbeat" type="Dummy"/>`)
	with(t, path, "constraints", `<rsc_colocation id="apart" rsc="lonely" with-rsc="haproxy-clone" score="-INFINITY"/>`)
	v, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(v.Resources, func(r cluster.Resource) bool { return r.ID == "lonely" })
	if i < 0 {
		t.Fatal("the resource is missing")
	}
	for _, node := range []string{"n1", "n2", "n3"} {
		if want := "its score on " + node + " is -INFINITY"; !slices.Contains(v.Resources[i].Why, want) {
			t.Errorf("%q is not in %q", want, v.Resources[i].Why)
		}
	}
	if text := strings.Join(v.Reasons, "\n"); !strings.Contains(text, "resource lonely is stopped: its score on n1 is -INFINITY") {
		t.Errorf("reasons %q", v.Reasons)
	}
}
