package pacemaker

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// A haproxyStep is what a Step of cluster.Apply, Rollout or Destroy has beside its write.
type haproxyStep struct {
	// Nodes are those on which HAProxy restarts one after the other; the step changes the first of
	// them. Empty: there is no more than this step.
	Nodes []string
	// Changes of the configuration, one line each.
	Changes []string
	// Rollout is what is known of a rollout before its write; nil: it is none.
	Rollout *cluster.RolledOut

	plan  Plan     // of the first stage
	where []string // the nodes on which a rollout reloads
}

// PlanHAProxy shows what an action on the HAProxy of the cluster would change. It changes nothing.
// Errors: those of Plan, PlanDestroy and Rollout, and *cluster.PlanChangedError.
func (c *Cluster) PlanHAProxy(ctx context.Context, a cluster.Action) (cluster.HAProxyPlan, error) {
	var p Plan
	var err error
	switch a.Kind {
	case cluster.Apply:
		p, err = c.Plan(ctx, descriptionOf(a))
	case cluster.Destroy:
		p, err = c.PlanDestroy(ctx, a.Resource)
	default:
		var st Step
		st, err = Steps{c}.Plan(ctx, Stage{Action: a})
		p = st.plan
	}
	if err != nil {
		return p.HAProxyPlan, err
	}
	return p.HAProxyPlan, p.Meets(a.IfMatch, a.Object())
}

func descriptionOf(a cluster.Action) Description {
	if a.HAProxy == nil {
		return Description{Name: a.Resource}
	}
	return Description(*a.HAProxy)
}

// planHAProxy computes a stage of an action on HAProxy.
func (s Steps) planHAProxy(ctx context.Context, g Stage, st Step) (Step, error) {
	switch {
	case g.Undo:
		return s.planUndo(ctx, g, st)
	case g.Number > 0:
		if g.Number >= len(g.Nodes) && g.isUntouched(st.from) {
			return st.become(replaced(st.from, g.First.plan.to))
		}
		return st.become(nextNodes(st.from, g.Action.Resource, g.Nodes, g.Number))
	case g.Action.Kind == cluster.Rollout:
		return s.planRollout(ctx, g, st)
	}
	var err error
	if g.Action.Kind == cluster.Destroy {
		st.plan, err = planDestroyOn(ctx, s.cluster, st.from, g.Action.Resource)
	} else {
		st.plan, err = s.planApply(ctx, g.Action, st.from)
	}
	if err == nil {
		err = st.plan.Meets(g.Action.IfMatch, g.Action.Object())
	}
	if err != nil {
		return st, err
	}
	st.Changes, st.Predicted, st.Nodes = st.plan.Changes, st.plan.Consequences, st.plan.NodeByNode
	to := st.plan.to
	if len(st.Nodes) > 0 {
		to, err = st.plan.upTo(st.Nodes[:1])
	}
	return st.become(to, err)
}

// become makes the step one that writes a CIB; nil: there is nothing to write.
func (st Step) become(to *CIB, err error) (Step, error) {
	st.to, st.Nothing = to, to == nil
	return st, err
}

func (s Steps) planApply(ctx context.Context, a cluster.Action, cib *CIB) (Plan, error) {
	d, err := descriptionOf(a).Complete()
	if err == nil {
		err = checkParameters(s.cluster, d)
	}
	if err != nil {
		return Plan{}, err
	}
	p, err := planOn(ctx, s.cluster, cib, d)
	if err == nil && !a.Force {
		err = p.CheckAnswers()
	}
	return p, err
}

// planRollout asks the agents of the nodes, and increases the generation.
func (s Steps) planRollout(ctx context.Context, g Stage, st Step) (Step, error) {
	r := rolloutOf(s.cluster, g.Action)
	from, err := st.from.generation(r.Resource)
	if err != nil {
		return st, err
	}
	number, _ := strconv.Atoi(from) // generation returns only numbers
	next := strconv.Itoa(number + 1)
	if st.where, err = r.predict(ctx, st.from, next); err != nil {
		return st, err
	}
	st.Was, st.Changes = from, []string{"set generation of " + r.Resource + " from " + from + " to " + next}
	st.Rollout = &cluster.RolledOut{From: from, To: from, Reloaded: []string{}}
	mayRun, err := s.cluster.mayRun(ctx, st.from, r.Resource)
	if err != nil {
		return st, err
	}
	q := question{ask: askAttribute, answer: answerAttribute, nodes: askable(st.Before, mayRun), within: r.Validate}
	defer s.cluster.forget(context.WithoutCancel(ctx), q)
	if st.Rollout.Nodes, err = s.cluster.askNodes(ctx, q); err != nil {
		return st, err
	}
	if err := refusal(*st.Rollout, next); err != nil {
		return st, err
	}
	if st, err = s.fill(ctx, st, []call{r.setGeneration(next)}); err != nil {
		return st, err
	}
	if st.Predicted, err = s.cluster.predict(ctx, cmp.Or(st.to, st.from)); err != nil {
		return st, err
	}
	st.plan = newPlan(st.from, r.Resource)
	st.plan.Changes, st.plan.Consequences, st.plan.Nodes = st.Changes, st.Predicted, st.Rollout.Nodes
	if err := st.plan.tag(g.Action); err != nil {
		return st, err
	}
	return st, st.plan.Meets(g.Action.IfMatch, g.Action.Object())
}

func rolloutOf(c *Cluster, a cluster.Action) reloading {
	r := Rollout{Resource: a.Resource, Validate: a.Validate, Wait: a.Wait, Restart: a.Restart}
	return reloading{cluster: c, Rollout: r.withDefaults()}
}

// nextNodes is a CIB in which the nodes up to one have the new parameters of HAProxy, after a step
// that has given them to those before: each set of parameters has a rule that names its nodes.
// After the last node, the new set is the only one. All of that is in the CIB, so that another
// agent can continue.
func nextNodes(cib *CIB, haproxy string, nodes []string, number int) (*CIB, error) {
	return cib.next(func(configuration *cibxml.Element) error {
		now, old, err := setsOf(configuration, haproxy)
		if err != nil {
			return err
		}
		is := configuration.Child("resources").ByID(haproxy)
		if number >= len(nodes) {
			joinSets(is, now, old)
			return nil
		}
		for set, rule := range map[*cibxml.Element]setRule{now: {"new", "eq"}, old: {"old", "ne"}} {
			*set = *setFor(haproxy, rule.name, rule.is, nodes[:number+1], valuesOf(set))
		}
		return nil
	})
}

// A setRule names a set of parameters and its rule, see setFor.
type setRule struct{ name, is string }

// setsOf are the new and the old parameters of HAProxy while it restarts node by node.
func setsOf(configuration *cibxml.Element, haproxy string) (now, old *cibxml.Element, err error) {
	p := configuration.Child("resources").ByID(haproxy)
	now, old = p.ByID(haproxy+"-thalassa-new"), p.ByID(haproxy+"-thalassa-old")
	if now == nil || old == nil {
		return nil, nil, &lb.ConflictError{ID: "resource/" + haproxy, Reason: "somebody else has changed its parameters meanwhile"}
	}
	return now, old, nil
}

func valuesOf(set *cibxml.Element) map[string]string {
	out := map[string]string{}
	for _, p := range set.Descendants("nvpair") {
		out[p.Attr("name")] = p.Attr("value")
	}
	return out
}

// joinSets makes one set of parameters, without a rule, of one that stays and one that goes.
func joinSets(primitive, stays, goes *cibxml.Element) {
	values := valuesOf(stays)
	names := make([]string, 0, 2*len(values))
	if g, ok := values["generation"]; ok { // the order of a Description
		names = append(names, "generation", g)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name != "generation" {
			names = append(names, name, values[name])
		}
	}
	id := primitive.Attr("id")
	primitive.Children = slices.DeleteFunc(primitive.Children, func(e *cibxml.Element) bool { return e == goes })
	*stays = *pairs("instance_attributes", id, names...)
}

// planUndo takes back what the stages before have changed: the generation, or the parameters of
// HAProxy. If nobody else has changed the configuration, and this agent has begun, all of it is as
// before.
func (s Steps) planUndo(ctx context.Context, g Stage, st Step) (Step, error) {
	if g.Action.Kind == cluster.Rollout {
		now, err := st.from.generation(g.Action.Resource)
		switch was, _ := strconv.Atoi(g.Was); {
		case err != nil:
			return st, err
		case now == g.Was:
			st.Nothing = true // it is taken back already
			return st, nil
		case now != strconv.Itoa(was+1):
			return st, &lb.ConflictError{ID: "resource/" + g.Action.Resource, Reason: "somebody has set generation " + now + " meanwhile, which stays"}
		}
		st.Was = g.Was
		return s.fill(ctx, st, []call{rolloutOf(s.cluster, g.Action).setGeneration(g.Was)})
	}
	if g.isUntouched(st.from) {
		return st.become(replaced(st.from, g.First.from))
	}
	return st.become(st.from.next(func(configuration *cibxml.Element) error {
		now, old, err := setsOf(configuration, g.Action.Resource)
		if err == nil {
			joinSets(configuration.Child("resources").ByID(g.Action.Resource), old, now)
		}
		return err
	}))
}

// isUntouched reports whether a CIB has the configuration that the stages so far have made of the
// one in which this agent has begun: nobody else has changed it.
func (g Stage) isUntouched(cib *CIB) bool {
	if g.First == nil {
		return false
	}
	for n := range g.Nodes {
		if made, err := g.First.plan.upTo(g.Nodes[:n+1]); err == nil && made != nil && sameButMarks(cib, made) {
			return true
		}
	}
	return false
}

// replaced is a CIB with the configuration of another one, and its own marks of jobs.
func replaced(cib, by *CIB) (*CIB, error) {
	return cib.next(func(configuration *cibxml.Element) error {
		marks := configuration.Child("crm_config").ByID(markSet)
		*configuration = *withoutMarks(by)
		if marks != nil {
			configuration.Ensure("crm_config").Add(marks)
		}
		return nil
	})
}

// sameButMarks compares configurations without the marks of jobs.
func sameButMarks(a, b *CIB) bool {
	return withoutMarks(a).Equal(withoutMarks(b))
}

func withoutMarks(c *CIB) *cibxml.Element {
	configuration := c.root.Child("configuration").Clone()
	if options := configuration.Child("crm_config"); options != nil {
		options.Children = slices.DeleteFunc(options.Children, func(e *cibxml.Element) bool { return e.Attr("id") == markSet })
	}
	return configuration
}

// Vacate moves the floating IPs away from a node before HAProxy restarts there, as a node after
// the first one of an Apply that goes node by node.
func (s Steps) Vacate(ctx context.Context, g Stage) error {
	if g.Number == 0 || g.Number >= len(g.Nodes) {
		return nil
	}
	node := g.Nodes[g.Number]
	v, err := s.cluster.Now(ctx)
	if err != nil {
		return err
	}
	for _, home := range homesOf(v, g.Action.Resource) {
		if slices.ContainsFunc(v.Resources, func(r cluster.Resource) bool {
			return (r.ID == home || r.In == home) && slices.Contains(r.Nodes(), node)
		}) {
			if _, err := s.cluster.Do(ctx, cluster.Action{Kind: cluster.Move, Node: g.Nodes[0], Resource: home, Wait: g.Action.Wait}); err != nil {
				return err
			}
		}
	}
	return nil
}

// homesOf are the resources that have the floating IPs of a HAProxy, by its name.
func homesOf(v cluster.Status, haproxy string) []string {
	vip := Description{Name: haproxy}.vip(0)
	var out []string
	for _, r := range v.Resources {
		for _, id := range []string{r.ID, r.In} {
			if (id == vip || id == vip+"s") && !slices.Contains(out, id) && (id != r.ID || r.In == "") {
				out = append(out, id)
			}
		}
	}
	return out
}

// SettleHAProxy waits until the cluster has settled after a stage of an action on HAProxy, and
// checks what has come of it. begun is when the job began. Without a step, somebody else has made
// the write. done is what a rollout has done; nil: it is none, or it is not known.
func (s Steps) SettleHAProxy(ctx context.Context, g Stage, st *Step, begun time.Time) (v cluster.Status, done *cluster.RolledOut, err error) {
	if g.Action.Kind == cluster.Rollout {
		return s.settleRollout(ctx, g, st, begun)
	}
	if v, err = s.Settled(ctx, g.Action.Wait); err != nil || g.Undo || !s.cluster.isLive() {
		return v, nil, err
	}
	last := g.Number >= len(g.Nodes)
	switch {
	case g.Action.Kind == cluster.Destroy:
		d := Description{Name: g.Action.Resource}
		return v, nil, leftRunning(v, []string{d.Name, d.cloneID(), d.groupID(), d.vip(0), d.vip(0) + "s"})
	case last && g.First != nil:
		return v, nil, inService(v, g.First.Predicted.After)
	case len(g.Nodes) == 0: // another agent has made the write
		if bad := failedSince(failedBefore(v, begun), v, g.Action.Resource); len(bad) > 0 {
			return v, nil, &lb.ConflictError{ID: "resource/" + g.Action.Resource, Reason: strings.Join(bad, "; ")}
		}
		return v, nil, nil
	}
	before := failedBefore(v, begun)
	if st != nil {
		before = st.Before
	}
	return v, nil, hasRestarted(before, v, g.Action.Resource, g.Nodes[min(g.Number, len(g.Nodes)-1)])
}

// settleRollout waits for the reloads, and reports those that have failed.
func (s Steps) settleRollout(ctx context.Context, g Stage, st *Step, begun time.Time) (v cluster.Status, done *cluster.RolledOut, err error) {
	r := rolloutOf(s.cluster, g.Action)
	var before cluster.Status
	if st == nil || g.Undo {
		r.awaitMonitors(ctx)
		if v, err = s.Settled(ctx, r.Wait); err != nil || g.Undo {
			return v, nil, err
		}
		before = failedBefore(v, begun)
	} else {
		done, r.where, before = st.Rollout, st.where, st.Before
		v, err = r.awaitReload(ctx, operationsOf(st.from, r.Resource).newestCalls(), done)
	}
	if bad := failedSince(before, v, r.Resource); len(bad) > 0 {
		return v, done, &lb.ConflictError{ID: "resource/" + r.Resource, Reason: "the reload failed: " + strings.Join(bad, "; ")}
	}
	if done == nil && err == nil && g.Was != "" { // another agent has begun: when HAProxy has reloaded is not known
		done = &cluster.RolledOut{From: g.Was}
	}
	if err == nil && done != nil {
		number, _ := strconv.Atoi(done.From) // generation returns only numbers
		done.To = strconv.Itoa(number + 1)
	}
	return v, done, err
}

// failedBefore is a status with the failures that are older than a time.
func failedBefore(v cluster.Status, begun time.Time) cluster.Status {
	var out cluster.Status
	for _, f := range v.Failures {
		if f.Time.Before(begun.Truncate(time.Second)) {
			out.Failures = append(out.Failures, f)
		}
	}
	return out
}

// FloatingIPsOf are those resources among ids that have the floating IPs of a HAProxy, by its name.
func FloatingIPsOf(haproxy string, ids iter.Seq[string]) []string {
	d := Description{Name: haproxy}
	var out []string
	for id := range ids {
		rest, is := strings.CutPrefix(id, d.vip(0))
		number, numbered := strings.CutPrefix(rest, "-")
		_, err := strconv.Atoi(number)
		if is && (rest == "" || rest == "s" || numbered && err == nil) {
			out = append(out, id)
		}
	}
	return out
}
