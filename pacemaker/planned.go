package pacemaker

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
)

// lookWithin limits what only explains a status. In a very large cluster the scheduler
// takes longer; then the status is what crm_mon says.
const lookWithin = 3 * time.Second

// planned is what the scheduler has yet to do in a CIB. Reloads are none of it: nothing
// stops.
type planned []cluster.Consequence

// planned asks the scheduler, without simulating that anything is done.
func (t *tools) planned(ctx context.Context, path string) planned {
	var s simulationXML
	out, err := t.run(ctx, call{tool: "crm_simulate", args: []string{"-x", path, "-R"}, file: path, within: lookWithin})
	if err != nil || xml.Unmarshal(out, &s) != nil {
		return nil
	}
	return slices.DeleteFunc(s.consequences(), func(c cluster.Consequence) bool { return c.Action == "reload" })
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
