package pacemaker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// A Plan is what a Description changes in the cluster. It is bound to the CIB from
// which it was made. Its Nodes say whether they have what it needs.
type Plan struct {
	cluster.HAProxyPlan

	from, to   *CIB // to is nil if there is nothing to do
	haproxy    string
	removed    []string // by PlanDestroy
	isThalassa bool     // HAProxy has Thalassa's resource agent
	home       string   // of the floating IPs
}

// newPlan is a plan that changes nothing yet.
func newPlan(cib *CIB, haproxy string) Plan {
	return Plan{HAProxyPlan: cluster.HAProxyPlan{Epoch: cib.Epoch, Changes: []string{}, Warnings: []string{}}, from: cib, haproxy: haproxy}
}

// Plan computes the changes for a Description, validates the result with Pacemaker,
// and simulates it. It does not change the cluster. Errors: *lb.InvalidError,
// *lb.ConflictError, *cluster.Error.
func (c *Cluster) Plan(ctx context.Context, d Description) (Plan, error) {
	d, err := d.Complete()
	if err != nil {
		return Plan{}, err
	}
	if err := checkParameters(c, d); err != nil {
		return Plan{}, err
	}
	cib, err := c.Query(ctx)
	if err != nil {
		return Plan{}, err
	}
	return planOn(ctx, c, cib, d)
}

// planOn is Plan for a complete Description, and a CIB that was read.
func planOn(ctx context.Context, c *Cluster, cib *CIB, d Description) (Plan, error) {
	p, err := planUntagged(ctx, c, cib, d)
	if err != nil {
		return p, err
	}
	described := cluster.HAProxy(d)
	return p, p.tag(cluster.Action{Kind: cluster.Apply, Resource: d.Name, HAProxy: &described})
}

// planUntagged is planOn without the tag.
func planUntagged(ctx context.Context, c *Cluster, cib *CIB, d Description) (Plan, error) {
	if err := checkNodes(d, cib); err != nil {
		return Plan{}, err
	}
	if err := d.clash(cib.root.Child("configuration", "resources"), c.cfg.Defaults); err != nil {
		return Plan{}, err
	}
	p := newPlan(cib, d.Name)
	p.home, p.isThalassa = d.home(), d.Agent == thalassaAgent
	var err error
	p.to, err = cib.next(func(configuration *cibxml.Element) error {
		var err error
		p.Changes, err = d.edit(configuration)
		return err
	})
	if err != nil {
		return p, err
	}
	after := p.to
	if after == nil {
		after = cib
	} else if found, err := c.verify(ctx, cib, after); err != nil {
		return p, err
	} else {
		p.Warnings = append(p.Warnings, found...)
	}
	if p.Consequences, err = c.predict(ctx, after); err != nil {
		return p, err
	}
	p.Warnings = append(warnings(ctx, c, cib, p.Consequences.After, d), p.Warnings...)
	if err := placed(d, p.Consequences.After, after); err != nil {
		return p, err
	}
	if p.to == nil {
		return p, nil
	}
	if err := c.planNodeByNode(ctx, &p); err != nil {
		return p, err
	}
	return p, c.checkNeeds(ctx, d, cib, after, &p)
}

// warnings returns what makes a failover slow or dangerous.
func warnings(ctx context.Context, c *Cluster, cib *CIB, predicted cluster.Status, d Description) []string {
	out := []string{}
	if f := predicted.Fencing; !f.Works() {
		out = append(out, "NO FENCING: "+NoFencing(f)+". Configure a fence device before production use")
		if f.Enabled && len(f.Devices) == 0 {
			out = append(out, "Pacemaker starts no resources while stonith-enabled is true without a fence device")
		}
	}
	totem, err := TotemIn(ctx, c)
	switch {
	case err == nil:
		out = append(out, totem.Warnings()...)
	case !cluster.IsKind(err, cluster.KindNotInstalled):
		out = append(out, "reading corosync's token failed: "+err.Error())
	}
	nodes := cib.root.Child("configuration", "nodes").Descendants("node")
	for _, name := range d.Prefer {
		if !slices.ContainsFunc(nodes, func(n *cibxml.Element) bool { return n.Attr("uname") == name }) {
			out = append(out, "the preferred node "+name+" is not in the cluster")
		}
	}
	if len(nodes) == 2 {
		out = append(out, "two nodes: if they lose contact, only fencing decides which one continues")
	}
	return out
}

// edit changes a configuration to match the Description, and returns the changes.
// What operators have set (generation, target-role, maintenance) stays.
func (d Description) edit(configuration *cibxml.Element) (changes []string, err error) {
	changes = []string{}
	resources, constraints := configuration.Ensure("resources"), configuration.Ensure("constraints")
	for _, section := range []struct {
		in   *cibxml.Element
		want []*cibxml.Element
	}{{resources, d.resources()}, {constraints, append(d.constraints(), optIn(d, configuration)...)}} {
		wanted := map[string]*cibxml.Element{}
		for _, w := range section.want {
			wanted[w.Attr("id")] = w
			keep(w, resources)
		}
		section.in.Children = slices.DeleteFunc(section.in.Children, func(e *cibxml.Element) bool {
			_, stays := wanted[e.Attr("id")]
			gone := !stays && d.isOurs(e)
			if gone {
				changes = append(changes, "remove "+e.Name+" "+e.Attr("id"))
			}
			return gone
		})
		for _, w := range section.want {
			lines, err := d.put(section.in, w)
			if err != nil {
				return nil, err
			}
			changes = append(changes, lines...)
		}
	}
	return append(changes, setTransitionDelay(configuration)...), nil
}

// transitionDelay is how long the DC collects events before it runs the scheduler.
// The death of a node causes several events. If the DC runs the scheduler after the
// first one while it writes the others, it sleeps for a second before it tries again
// (Pacemaker 2.1 and 3.0, do_pe_invoke_callback). That delayed half of all failovers.
const transitionDelay = 50 * time.Millisecond

// ownDelay ends the id of a transition-delay that was set here.
const ownDelay = "thalassa-transition-delay"

// setTransitionDelay sets the cluster's transition-delay if it is not set.
func setTransitionDelay(configuration *cibxml.Element) (changes []string) {
	properties := configuration.Ensure("crm_config")
	for _, name := range []string{"transition-delay", "crmd-transition-delay"} {
		if properties.Pair("cluster_property_set", name) != "" {
			return nil
		}
	}
	set := properties.Child("cluster_property_set")
	if set == nil {
		set = cibxml.New("cluster_property_set", "id", "cib-bootstrap-options")
		properties.Add(set)
	}
	value := milliseconds(transitionDelay)
	set.Add(cibxml.New("nvpair", "id", set.Attr("id")+"-"+ownDelay, "name", "transition-delay", "value", value))
	return []string{"set transition-delay to " + value}
}

// put creates or replaces an element of a section.
func (d Description) put(section, want *cibxml.Element) (changes []string, err error) {
	id := want.Attr("id")
	for i, e := range section.Children {
		if e.Attr("id") != id {
			continue
		}
		if e.Equal(want) {
			return nil, nil
		}
		if !d.isOurs(e) || e.Name != want.Name {
			return nil, &lb.ConflictError{ID: "resource/" + id, Reason: "a " + e.Name + " of that name exists that thalassa has not made; choose another name"}
		}
		want.TakeComments(e)
		section.Children[i] = want
		return append([]string{"change " + want.Name + " " + id}, differences(e, want)...), nil
	}
	for _, part := range append(want.Descendants("primitive"), want) {
		if other := section.ByID(part.Attr("id")); other != nil {
			return nil, &lb.ConflictError{ID: "resource/" + part.Attr("id"), Reason: "a " + other.Name + " of that name exists elsewhere in the cluster; choose another name"}
		}
	}
	section.Add(want)
	return []string{"create " + want.Name + " " + id}, nil
}

// keep copies the values from the cluster that operators and rollouts set.
func keep(want, resources *cibxml.Element) {
	for _, w := range append(want.Descendants("primitive"), want) {
		old := resources.ByID(w.Attr("id"))
		if old == nil {
			continue
		}
		if g := old.Pair("instance_attributes", "generation"); g != "" {
			for _, p := range w.Child("instance_attributes").Descendants("nvpair") {
				if p.Attr("name") == "generation" {
					p.Set("value", g)
				}
			}
		}
		for _, set := range old.Children {
			for _, p := range set.Children {
				if set.Name == "meta_attributes" && slices.Contains([]string{"target-role", "maintenance", "is-managed"}, p.Attr("name")) {
					w.Ensure("meta_attributes").Add(p.Clone())
				}
			}
		}
	}
}

// Apply executes a plan with one change of the CIB, and waits until the cluster has
// settled. If the configuration has changed since the plan was made, nothing is
// done, and the error is of kind KindStale. Changes of the status do not matter.
func (c *Cluster) Apply(ctx context.Context, p Plan, wait time.Duration) (cluster.Status, error) {
	if p.to == nil {
		if !c.isLive() {
			return c.Now(ctx)
		}
		return c.Settled(ctx, wait)
	}
	if len(p.NodeByNode) > 0 && c.isLive() {
		return c.applyNodeByNode(ctx, p, wait)
	}
	return c.write(ctx, p, wait, func(v cluster.Status) error { return inService(v, p.Consequences.After) })
}

// write executes a plan with one change of the CIB, waits until a running cluster has
// settled, and checks the result.
func (c *Cluster) write(ctx context.Context, p Plan, wait time.Duration, check func(cluster.Status) error) (cluster.Status, error) {
	if err := c.patch(ctx, p.from, p.to); err != nil {
		return cluster.Status{}, fmt.Errorf("writing the configuration: %w", err)
	}
	if !c.isLive() {
		return c.Now(ctx)
	}
	v, err := c.Settled(ctx, wait)
	if err != nil {
		return v, err
	}
	return v, check(v)
}

// inService reports what should run by now, as was predicted, and does not.
func inService(v, predicted cluster.Status) error {
	var missing, why []string
	for _, want := range predicted.Resources {
		i := slices.IndexFunc(v.Resources, func(r cluster.Resource) bool { return r.ID == want.ID })
		if i < 0 || len(v.Resources[i].Places) < len(want.Places) {
			missing = append(missing, want.ID)
		}
		if i >= 0 && len(v.Resources[i].Places) < len(want.Places) {
			why = append(why, v.Resources[i].Why...)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	for _, f := range v.Failures {
		why = append(why, fmt.Sprintf("%s of %s on %s: %s", f.Operation, f.Resource, f.Node, failureReason(f)))
	}
	if len(why) == 0 {
		why = []string{"Pacemaker gives no reason"}
	}
	return &lb.ConflictError{ID: "resource/" + missing[0], Reason: strings.Join(missing, ", ") + " did not start everywhere: " + strings.Join(why, "; ")}
}

// patchWithin limits how long a patch is tried while the cluster's status changes.
const patchWithin = 30 * time.Second

// patch changes the configuration of the CIB from one state to another, unless it has changed
// meanwhile. The states have the same status. Pacemaker takes a patch for one version of the
// CIB, and each change of the status makes another one.
func (c *Cluster) patch(ctx context.Context, from, to *CIB) error {
	diff, err := c.diff(ctx, from, to)
	if err != nil {
		return err
	}
	late, cancel := context.WithTimeout(ctx, patchWithin)
	defer cancel()
	for {
		_, err = c.run(ctx, call{tool: "cibadmin", args: []string{"--patch", "-p"}, stdin: diff, plain: true})
		if !cluster.IsKind(err, cluster.KindStale) {
			return err
		}
		now, again := c.Epoch(ctx)
		if again != nil {
			return again
		}
		if now.Configuration() != from.Epoch.Configuration() {
			return err
		}
		if late.Err() != nil {
			return &lb.UnavailableError{What: "the cluster's status has changed with each try to write for " + patchWithin.String()}
		}
		if diff, err = appliedTo(diff, now); err != nil {
			return err
		}
	}
}

// appliedTo is a patch of the configuration for a version of the CIB with another status.
func appliedTo(diff []byte, version cluster.Epoch) ([]byte, error) {
	root, err := cibxml.Parse(diff)
	if err != nil {
		return nil, fmt.Errorf("reading the patch: %w", err)
	}
	source := root.Child("version", "source")
	if source == nil {
		return nil, errors.New("reading the patch: it is for no version")
	}
	source.Set("num_updates", strconv.FormatUint(version.Updates, 10))
	return root.Bytes(), nil
}

// diff makes a patch with Pacemaker's tool. It only applies to the version of from.
func (t *tools) diff(ctx context.Context, from, to *CIB) ([]byte, error) {
	var out []byte
	err := withFile(from.data, func(old string) error {
		return withFile(to.data, func(next string) error {
			var err error
			out, err = t.runDiff(ctx, old, next)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("comparing CIBs: %w", err)
	}
	return out, nil
}

// runDiff runs crm_diff, which exits with 1 if there is a difference.
func (t *tools) runDiff(ctx context.Context, old, next string) ([]byte, error) {
	q := call{tool: "crm_diff", args: []string{"-o", old, "-n", next}, plain: true, differs: true}
	return t.run(ctx, q)
}
