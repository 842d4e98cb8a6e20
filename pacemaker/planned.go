package pacemaker

import (
	"context"
	"encoding/xml"
	"slices"
	"time"

	"thalassa/cluster"
)

// lookWithin limits what only explains a status. In a very large cluster the scheduler
// takes longer; then the status is what crm_mon says.
const lookWithin = 3 * time.Second

// planned is what the scheduler has yet to do in a CIB, in sentences without a subject:
// "will start vip on n1". Reloads are none of it: nothing stops.
type planned []string

// planned asks the scheduler, without simulating that anything is done.
func (t *tools) planned(ctx context.Context, path string) planned {
	var s simulationXML
	out, err := t.run(ctx, call{tool: "crm_simulate", args: []string{"-x", path, "-R"}, file: path, within: lookWithin})
	if err != nil || xml.Unmarshal(out, &s) != nil {
		return nil
	}
	list := slices.DeleteFunc(s.consequences(), func(c cluster.Consequence) bool { return c.Action == "reload" })
	return cluster.Summarize(list)
}
