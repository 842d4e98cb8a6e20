package apitest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/internal/permit"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// A Cluster stands in for Pacemaker: it shows the view it was given, and what
// was asked of it.
type Cluster struct {
	changed wake.Signal

	mu            sync.Mutex
	view          cluster.Status
	cib           string
	trouble       error
	done          []cluster.Action
	jobs          []cluster.Job
	configuration *cibxml.Element
	behind        *cibxml.Element // the view, until a Refresh; nil: it is up to date
	behindEpoch   cluster.Epoch
	operations    []cluster.OperationResult
	bodies        map[string]string // of requests with an Idempotency-Key, by the ID of the job
	planning      func()
	ending        func(j *cluster.Job) error
}

// NewCluster makes one of two nodes, of which n1 has the floating IP.
func NewCluster() *Cluster {
	return &Cluster{
		cib:           `<cib epoch="12"/>`,
		configuration: exampleConfiguration(),
		view: cluster.Status{
			Epoch: cluster.Epoch{Epoch: 12, Updates: 34}, State: cluster.StateOK, Reasons: []string{}, Name: "lab", Version: "2.1.5",
			DC: "n1", Quorum: true, Fencing: cluster.Fencing{Enabled: true, Devices: []string{"fence"}}, Self: "n1", Role: "active",
			Nodes: []cluster.Node{
				{Name: "n1", State: "online", DC: true, Resources: []string{"haproxy", "vip"}, Attributes: map[string]string{}},
				{Name: "n2", State: "online", Resources: []string{"haproxy"}, Attributes: map[string]string{"load": "1"}},
			},
			Resources: []cluster.Resource{
				{ID: "haproxy", In: "haproxy-clone", Clone: true, Agent: "ocf:thalassa:haproxy", State: "started", Managed: true, Places: []cluster.Placement{{Node: "n1", State: "started"}, {Node: "n2", State: "started"}}},
				{ID: "vip", Agent: "ocf:heartbeat:IPaddr2", State: "started", Managed: true, Places: []cluster.Placement{{Node: "n1", State: "started"}}},
			},
			FloatingIPs: []cluster.FloatingIP{{Resource: "vip", Address: "192.0.2.10/24", Node: "n1", Nodes: []string{"n1"}, HAProxy: true}},
			Failures:    []cluster.Failure{{Node: "n2", Resource: "haproxy", Operation: "monitor", Interval: 2000, Code: 7, Status: "complete", Meaning: "not running", Call: 3}},
			Settled:     true,
		},
	}
}

// exampleConfiguration has the floating IP.
func exampleConfiguration() *cibxml.Element {
	vip := cibxml.New("primitive", "id", "vip", "class", "ocf", "provider", "heartbeat", "type", "IPaddr2")
	return cibxml.New("configuration").Add(
		cibxml.New("nodes").Add(cibxml.New("node", "id", "1", "uname", "n1"), cibxml.New("node", "id", "2", "uname", "n2")),
		cibxml.New("resources").Add(vip))
}

// Change makes the next view. What was shown before stays as it is.
func (c *Cluster) Change(change func(v *cluster.Status)) {
	c.mu.Lock()
	c.view.Nodes = slices.Clone(c.view.Nodes)
	c.view.Resources = slices.Clone(c.view.Resources)
	c.view.FloatingIPs = slices.Clone(c.view.FloatingIPs)
	c.view.Failures = slices.Clone(c.view.Failures)
	change(&c.view)
	c.mu.Unlock()
	c.changed.Broadcast()
}

// Fail makes every call answer with err, until nil.
func (c *Cluster) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble = err
}

// Done are the actions that were carried out.
func (c *Cluster) Done() []cluster.Action {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// View is what Change has made of it.
func (c *Cluster) View() cluster.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

// Changed closes with the next Change.
func (c *Cluster) Changed() <-chan struct{} { return c.changed.Next() }

// MaskedCIB is a CIB of one element.
func (c *Cluster) MaskedCIB() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []byte(c.cib), c.trouble
}

// SetOperations makes the results of operations that the cluster remembers, the latest last.
func (c *Cluster) SetOperations(list ...cluster.OperationResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.operations = list
}

// Operations are those of SetOperations.
func (c *Cluster) Operations() ([]cluster.OperationResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.operations, c.trouble
}

// Predict predicts one move, and the view as it is.
func (c *Cluster) Predict(_ context.Context, a cluster.Action) (cluster.Consequences, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []cluster.Consequence{{Action: "move", Resource: "vip", From: "n1", Node: a.Node}}
	return cluster.Consequences{Actions: list, Text: cluster.Summarize(list), After: c.view}, c.trouble
}

// Do takes note of the action.
func (c *Cluster) Do(_ context.Context, a cluster.Action, o cluster.Order) (cluster.Status, cluster.Job, error) {
	if j, known, err := c.former(o); known {
		return c.View(), j, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble == nil && a.IsOfHAProxy() {
		if err := c.planHAProxy(a).Meets(a.IfMatch, a.Object()); err != nil {
			return cluster.Status{}, cluster.Job{}, err
		}
	}
	if c.trouble == nil {
		c.done = append(c.done, a)
	}
	return c.view, c.note(a, o), c.trouble
}

// note keeps a job that is done. The caller holds the mutex.
func (c *Cluster) note(a cluster.Action, o cluster.Order) cluster.Job {
	j := cluster.Job{
		ID: fmt.Sprintf("%020x", len(c.jobs)+1), Kind: a.Kind, Object: a.Object(), Nodes: a.Nodes, Author: o.Author, Node: "n1",
		State: cluster.JobDone, Result: "done", Changed: new(true), Commit: o.Commit, Attempts: 1,
	}.Bounded()
	if o.Key != "" {
		j.ID = o.JobID()
		if c.bodies == nil {
			c.bodies = map[string]string{}
		}
		c.bodies[j.ID] = string(o.Body)
	}
	c.keep(j)
	return j
}

// keep makes a job the last one, in place of a former one of its ID. The caller holds the mutex.
func (c *Cluster) keep(j cluster.Job) {
	c.jobs = append(slices.DeleteFunc(slices.Clone(c.jobs), func(o cluster.Job) bool { return o.ID == j.ID }), j)
}

// AddJob makes a job known, or one that is known another one.
func (c *Cluster) AddJob(j cluster.Job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(j.Bounded())
}

// Plan has a function called while the next change of the configuration is computed, before its job is
// known.
func (c *Cluster) Plan(planning func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planning = planning
}

// End has a function called with the job of the next change of the configuration, when the change is made
// and before the job is known. It may change how the job ends; the error is that of the change.
func (c *Cluster) End(ending func(j *cluster.Job) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = ending
}

// Former is Job without waiting.
func (c *Cluster) Former(ctx context.Context, id string) (cluster.Job, error) {
	now, end := context.WithTimeout(ctx, 0)
	defer end()
	return c.Job(now, id)
}

// former is the job of an order with an Idempotency-Key, if there was one.
func (c *Cluster) former(o cluster.Order) (j cluster.Job, known bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.jobs, func(j cluster.Job) bool {
		return o.Key != "" && j.ID == o.JobID() && j.Code != cluster.JobInterrupted
	})
	if i < 0 {
		return j, false, nil
	}
	if c.bodies[c.jobs[i].ID] != string(o.Body) {
		return j, true, &lb.ConflictError{ID: "Idempotency-Key", Reason: "job " + c.jobs[i].ID + " has had this key with another request"}
	}
	if j = c.jobs[i]; j.Over() && j.State != cluster.JobDone {
		err = &lb.ConflictError{ID: "job/" + j.ID, Reason: j.Result}
	}
	return j, true, err
}

// Begin is Do.
func (c *Cluster) Begin(ctx context.Context, a cluster.Action, o cluster.Order) (cluster.Job, error) {
	_, j, err := c.Do(ctx, a, o)
	return j, err
}

// Jobs are those of Do.
func (c *Cluster) Jobs(_ context.Context, q cluster.JobQuery) ([]cluster.Job, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.jobs), func(j cluster.Job) bool {
		return q.Author != "" && j.Author != q.Author || q.State != "" && j.State != q.State
	}), nil
}

// SetJobs gives all jobs a state, without a change of the cluster.
func (c *Cluster) SetJobs(state cluster.JobState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.jobs {
		c.jobs[i].State, c.jobs[i].Result = state, string(state)
	}
}

// Job is one of them.
func (c *Cluster) Job(ctx context.Context, id string) (cluster.Job, error) {
	list, _ := c.Jobs(ctx, cluster.JobQuery{}) // never fails
	for _, j := range list {
		if j.ID == id {
			return j, nil
		}
	}
	return cluster.Job{}, &lb.NotFoundError{ID: "job/" + id}
}

// Cancel refuses: all jobs are over.
func (c *Cluster) Cancel(ctx context.Context, id, _ string) (cluster.Job, error) {
	j, err := c.Job(ctx, id)
	if err == nil {
		err = &lb.ConflictError{ID: "job/" + id, Reason: "it is over: done"}
	}
	return j, err
}

// SetConfiguration makes the configuration that the cluster has, as XML.
func (c *Cluster) SetConfiguration(text string) error {
	e, err := cibxml.Parse([]byte(text))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.configuration = e
	return nil
}

// Lag keeps the configuration in the view as it is, until a Refresh.
func (c *Cluster) Lag() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind, c.behindEpoch = c.configuration, c.view.Epoch
}

// Refresh ends a Lag.
func (c *Cluster) Refresh(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind = nil
	return c.trouble
}

// Configuration is what SetConfiguration and Configure have made of it.
func (c *Cluster) Configuration() (*cibxml.Element, cluster.Epoch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble != nil {
		return nil, cluster.Epoch{}, c.trouble
	}
	if c.behind != nil {
		return c.behind, c.behindEpoch, nil
	}
	return c.configuration, c.view.Epoch, nil
}

// PlanEdits makes the edits in a copy. It foretells nothing.
func (c *Cluster) PlanEdits(_ context.Context, edits []config.Edit) (config.Outcome, error) {
	_, out, err := c.edited(edits)
	return out, err
}

// Configure makes the edits, and the next version of the CIB. It heeds the key of an order.
func (c *Cluster) Configure(ctx context.Context, edits []config.Edit, _ time.Duration, o cluster.Order) (config.Outcome, cluster.Job, error) {
	if j, known, err := c.former(o); known {
		return config.Outcome{Changes: []string{}, Warnings: []string{}, Predicted: cluster.Consequences{Actions: []cluster.Consequence{}, Text: []string{}}}, j, err
	}
	c.mu.Lock()
	planning, ending := c.planning, c.ending
	c.planning, c.ending = nil, nil
	c.mu.Unlock()
	next, out, err := c.edited(edits)
	if err != nil {
		return out, cluster.Job{}, err
	}
	if planning != nil {
		planning()
	}
	if err := permit.Check(ctx); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		j := c.note(cluster.Action{Kind: cluster.JobConfigure}, o)
		j.State, j.Changed, j.Result = cluster.JobFailed, new(false), err.Error()+"; nothing was changed"
		c.keep(j)
		return out, j, err
	}
	c.mu.Lock()
	c.configuration = next
	c.view.Epoch.Epoch++
	after := c.view
	c.mu.Unlock()
	end := cluster.Job{}
	if ending != nil {
		err = ending(&end)
	}
	if err == nil {
		out.Cluster = &after
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	j := c.note(cluster.Action{Kind: cluster.JobConfigure}, o)
	if end.State != "" {
		j.State, j.Changed, j.Result = end.State, end.Changed, end.Result
	}
	c.keep(j)
	return out, j, err
}

func (c *Cluster) edited(edits []config.Edit) (*cibxml.Element, config.Outcome, error) {
	c.mu.Lock()
	configuration, epoch, err := c.configuration, c.view.Epoch, c.trouble
	c.mu.Unlock()
	out := config.Outcome{Epoch: epoch, Changes: []string{}, Warnings: []string{}, Predicted: cluster.Consequences{Actions: []cluster.Consequence{}, Text: []string{}, After: c.View()}}
	if err != nil {
		return nil, out, err
	}
	next := configuration.Clone()
	return next, out, config.Apply(next, epoch.Configuration(), edits)
}
