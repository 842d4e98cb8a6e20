package pacemaker

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
)

const (
	// lookWithin limits what only explains a status.
	lookWithin = 5 * time.Second
	// planWithin limits it in the largest cluster.
	planWithin = 15 * time.Second
)

// planned is what the scheduler has yet to do in a CIB. Reloads are none of it: nothing
// stops.
type planned []cluster.Consequence

// planned asks the scheduler, without simulating that anything is done. late: it has not
// answered in time.
func (t *tools) planned(ctx context.Context, cib *CIB, path string) (next planned, late bool) {
	var s simulationXML
	within := min(cib.schedulerTime(lookWithin), planWithin)
	out, err := t.run(ctx, call{tool: "crm_simulate", args: []string{"-x", path, "-R"}, file: path, within: within})
	if err != nil || xml.Unmarshal(out, &s) != nil {
		return nil, cluster.IsKind(err, cluster.KindTimedOut)
	}
	return slices.DeleteFunc(s.consequences(), func(c cluster.Consequence) bool { return c.Action == "reload" }), false
}

// cannot begins what the scheduler would do, but cannot.
const cannot = "not be able to "

// possible is what will be done, in sentences without a subject: "will start vip on n1".
func (p planned) possible() []string {
	return cluster.Summarize(slices.DeleteFunc(slices.Clone(p), func(c cluster.Consequence) bool { return strings.HasPrefix(c.Action, cannot) }))
}

// impossible is what will not: "will not be able to start vip on n1". Resources that are
// withheld are none of it.
func (p planned) impossible(withheld map[string]bool) []string {
	return cluster.Summarize(slices.DeleteFunc(slices.Clone(p), func(c cluster.Consequence) bool {
		return !strings.HasPrefix(c.Action, cannot) || withheld[c.Resource]
	}))
}

// starts reports whether a resource will run that may not run now.
func (p planned) starts(resource string) bool {
	return slices.ContainsFunc(p, func(c cluster.Consequence) bool {
		return c.Resource == resource && slices.Contains([]string{"start", "recover", "restart", "move", "migrate", "promote"}, c.Action)
	})
}
