package apitest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/wizard"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// Foresee makes the edits in a copy. It foretells the start of one resource, before which
// another one moves.
func (c *Cluster) Foresee(_ context.Context, q config.Question) (config.Foreseen, error) {
	before, epoch, err := c.Configuration()
	out := config.Foreseen{Changes: []string{}, Warnings: []string{}, Objects: []config.Difference{}}
	if err != nil {
		return out, err
	}
	if len(q.CIB) > 0 {
		cib, err := cibxml.Parse(q.CIB)
		if err != nil || cib.Child("configuration") == nil {
			var fe lb.FieldErrors
			fe.Add("cib", "is not a CIB", "a CIB as XML")
			return out, fe.Err()
		}
		before = cib.Child("configuration")
	}
	after := before.Clone()
	if err := config.Apply(after, epoch.Configuration(), q.Edits); err != nil {
		return out, err
	}
	out.Objects = config.Differences(before, after)
	for _, d := range out.Objects {
		out.Changes = append(out.Changes, "change "+d.Object)
	}
	list := []cluster.Consequence{
		{Action: "move", Resource: "vip", From: "n1", Node: "n2", Reason: "node availability"}, {Action: "start", Resource: "web", Node: "n1"},
	}
	out.Predicted = cluster.Prediction{
		Epoch: epoch, Supposed: []string{}, Consequences: cluster.Consequences{Actions: list, Text: cluster.Summarize(list), After: c.View()},
		Graph: cluster.Graph{
			Steps: []cluster.Step{
				{ID: 1, Kind: cluster.StepOperation, Operation: "stop", Resource: "vip", Node: "n1", Order: 1, Params: map[string]string{"ip": "192.0.2.10"}},
				{ID: 2, Kind: cluster.StepOperation, Operation: "start", Resource: "vip", Node: "n2", Order: 2},
				{ID: 3, Kind: cluster.StepOperation, Operation: "start", Resource: "web", Node: "n1", Order: 1},
				{ID: 4, Kind: cluster.StepPseudo, Operation: "stopped", Resource: "vip", Order: 1},
			},
			Edges: []cluster.Edge{{From: 1, To: 4}, {From: 4, To: 2}}, Depth: 2, Width: 2,
		},
		Scores:     []cluster.Score{{Resource: "vip", Node: "n1", Score: "-INFINITY"}, {Resource: "vip", Node: "n2", Score: "100"}},
		Capacities: []cluster.Capacity{{Node: "n1", Left: map[string]string{"cpu": "3"}}},
	}
	for _, i := range q.Inject {
		out.Predicted.Supposed = append(out.Predicted.Supposed, i.String())
	}
	return out, nil
}

// Losses are two: one that is survived, and one that is not.
func (c *Cluster) Losses() cluster.Losses {
	l := cluster.Losses{Epoch: c.View().Epoch, List: []cluster.Loss{
		{Nodes: []string{"n1"}, Known: true, Survives: true, Quorum: true, Lost: []string{}},
		{Nodes: []string{"n2"}, Known: true, Quorum: true, Lost: []string{"vip"}, Addresses: []string{"192.0.2.10/24"}},
	}}
	l.Summarize()
	return l
}

// Lose is survived by n1 alone.
func (c *Cluster) Lose(_ context.Context, nodes []string) (cluster.Loss, error) {
	for _, n := range nodes {
		if !slices.ContainsFunc(c.View().Nodes, func(o cluster.Node) bool { return o.Name == n }) {
			return cluster.Loss{}, &lb.NotFoundError{ID: "node/" + n}
		}
	}
	return cluster.Loss{Nodes: nodes, Known: true, Survives: slices.Equal(nodes, []string{"n1"}), Quorum: true, Lost: []string{}}, nil
}

// ClusterDrafts keeps drafts of the cluster's configuration in memory. The zero value is
// ready.
type ClusterDrafts struct {
	mu   sync.Mutex
	last int
	list []config.Draft
}

func (d *ClusterDrafts) index(id string) (int, error) {
	i := slices.IndexFunc(d.list, func(draft config.Draft) bool { return draft.ID == id })
	if i < 0 {
		return i, &lb.NotFoundError{ID: config.Draft{ID: id}.Name()}
	}
	return i, nil
}

// List lists all.
func (d *ClusterDrafts) List(context.Context) ([]config.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list), nil
}

// Draft is one of them.
func (d *ClusterDrafts) Draft(_ context.Context, id string) (config.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.index(id)
	if err != nil {
		return config.Draft{}, err
	}
	return d.list[i], nil
}

// Create gives a draft without an ID a number.
func (d *ClusterDrafts) Create(_ context.Context, draft config.Draft) (config.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if draft.ID == "" {
		d.last++
		draft.ID = strconv.Itoa(d.last)
	}
	if _, err := d.index(draft.ID); err == nil {
		return draft, &lb.ConflictError{ID: draft.Name(), Reason: "exists already"}
	}
	draft.Kept = []string{"n1", "n2"}
	d.list = append(d.list, draft)
	return draft, nil
}

// Update changes one.
func (d *ClusterDrafts) Update(_ context.Context, id string, change func(config.Draft) (config.Draft, error)) (config.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.index(id)
	if err != nil {
		return config.Draft{}, err
	}
	next, err := change(d.list[i])
	if err == nil {
		d.list[i] = next
	}
	return next, err
}

// Delete removes one.
func (d *ClusterDrafts) Delete(_ context.Context, id string, check func(config.Draft) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.index(id)
	if err == nil && check != nil {
		err = check(d.list[i])
	}
	if err != nil {
		return err
	}
	d.list = slices.Delete(d.list, i, i+1)
	return nil
}

// PlanHAProxy plans one change. Errors about what apply writes are real ones.
func (c *Cluster) PlanHAProxy(_ context.Context, a cluster.Action) (cluster.HAProxyPlan, error) {
	if a.HAProxy != nil {
		if _, err := pacemaker.Description(*a.HAProxy).Complete(); err != nil {
			return cluster.HAProxyPlan{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.planHAProxy(a)
	return p, cmp.Or(c.trouble, p.Meets(a.IfMatch, a.Object()))
}

// planHAProxy is a plan that another number of nodes changes. The caller holds the mutex.
func (c *Cluster) planHAProxy(a cluster.Action) cluster.HAProxyPlan {
	return cluster.HAProxyPlan{
		Changes: []string{a.Kind + " " + a.Resource + " on " + strconv.Itoa(len(c.view.Nodes)) + " nodes"}, Warnings: []string{}, Epoch: c.view.Epoch,
		Consequences: cluster.Consequences{Actions: []cluster.Consequence{}, Text: []string{}, After: c.view},
		Nodes:        []cluster.NodeAnswer{{Node: "n1", Valid: true}},
	}.Tagged([]byte(a.Kind))
}

// HAProxyEdits are those that a real cluster has.
func (c *Cluster) HAProxyEdits(configuration *cibxml.Element, h wizard.HAProxy) ([]config.Edit, error) {
	return pacemaker.New(pacemaker.Config{}).HAProxyEdits(configuration, h)
}
