package pacemaker

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// PlanDestroy computes how to remove what Apply has made for a Description of this name (haproxy):
// its resources and constraints, what crm_resource has left of moves and bans of them, and the
// cluster's transition-delay if Apply has set it and no other HAProxy of Thalassa's is left.
// Nothing else changes: if anything else refers to one of the resources, the error is an
// *lb.ConflictError that names it.
func (c *Cluster) PlanDestroy(ctx context.Context, name string) (Plan, error) {
	cib, err := c.Query(ctx)
	if err != nil {
		return Plan{}, err
	}
	return planDestroyOn(ctx, c, cib, name)
}

// planDestroyOn is PlanDestroy for a CIB that was read.
func planDestroyOn(ctx context.Context, c *Cluster, cib *CIB, name string) (Plan, error) {
	d := Description{Name: cmp.Or(name, "haproxy")}
	p := newPlan(cib, d.Name)
	var err error
	p.to, err = cib.next(func(configuration *cibxml.Element) error {
		p.Changes, p.removed, err = d.takeBack(configuration)
		return err
	})
	if err != nil {
		return p, err
	}
	if p.to == nil {
		return p, &lb.NotFoundError{ID: "resource/" + d.Name + " made by thalassa cluster apply"}
	}
	found, err := c.verify(ctx, cib, p.to)
	if err != nil {
		return p, err
	}
	p.Warnings = append(p.Warnings, found...)
	if p.Consequences, err = c.predict(ctx, p.to); err != nil {
		return p, err
	}
	if err := leftRunning(p.Consequences.After, p.removed); err != nil {
		return p, err
	}
	return p, p.tag(cluster.Action{Kind: cluster.Destroy, Resource: d.Name})
}

// takeBack removes everything that was made from the Description. removed are the ids of resources.
func (d Description) takeBack(configuration *cibxml.Element) (changes, removed []string, err error) {
	resources, constraints := configuration.Ensure("resources"), configuration.Ensure("constraints")
	for _, top := range slices.Clone(resources.Children) {
		if top.Name == cibxml.CommentName || !d.isOurs(top) {
			continue
		}
		changes = append(changes, "remove "+top.Name+" "+top.Attr("id"))
		removed = append(removed, top.Attr("id"))
		for _, p := range top.Descendants("primitive") {
			removed = append(removed, p.Attr("id"))
		}
		resources.Children = slices.DeleteFunc(resources.Children, func(e *cibxml.Element) bool { return e == top })
	}
	for _, e := range slices.Clone(constraints.Children) {
		left := strings.HasPrefix(e.Attr("id"), "cli-") && slices.Contains(removed, e.Attr("rsc"))
		if e.Name == cibxml.CommentName || !left && !d.isOurs(e) {
			continue
		}
		changes = append(changes, "remove "+e.Name+" "+e.Attr("id"))
		constraints.Children = slices.DeleteFunc(constraints.Children, func(o *cibxml.Element) bool { return o == e })
	}
	if err := checkReferences(configuration, removed); err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(resources.Children, func(e *cibxml.Element) bool { return e.Attr("description") == cibxml.Mark }) {
		changes = append(changes, resetTransitionDelay(configuration)...)
		if len(changes) > 0 { // the marks alone are those of later jobs
			changes = append(changes, removeMarks(configuration)...)
		}
	}
	return changes, removed, nil
}

// checkReferences reports an element that refers to one of these resources.
func checkReferences(e *cibxml.Element, removed []string) error {
	for _, c := range e.Children {
		names := []string{"rsc", "with-rsc", "first", "then", "reference"}
		if strings.HasSuffix(c.Name, "_ref") {
			names = []string{"id"}
		}
		for _, name := range names {
			if id := c.Attr(name); id != "" && slices.Contains(removed, id) {
				where := c.Name + " " + c.Attr("id")
				if strings.HasSuffix(c.Name, "_ref") {
					where = e.Name + " " + e.Attr("id")
				}
				return &lb.ConflictError{ID: "resource/" + id, Reason: where + " refers to it, and was not made by thalassa cluster apply; remove that first"}
			}
		}
		if err := checkReferences(c, removed); err != nil {
			return err
		}
	}
	return nil
}

// resetTransitionDelay removes the transition-delay that setTransitionDelay has set.
func resetTransitionDelay(configuration *cibxml.Element) (changes []string) {
	for _, set := range configuration.Child("crm_config").Descendants("cluster_property_set") {
		set.Children = slices.DeleteFunc(set.Children, func(p *cibxml.Element) bool {
			own := strings.HasSuffix(p.Attr("id"), "-"+ownDelay) && p.Attr("value") == milliseconds(transitionDelay)
			if own {
				changes = append(changes, "unset transition-delay, which is "+p.Attr("value"))
			}
			return own
		})
	}
	return changes
}

// removeMarks removes the marks of the jobs that were done, see Steps.
func removeMarks(configuration *cibxml.Element) (changes []string) {
	options := configuration.Child("crm_config")
	if options == nil {
		return nil
	}
	options.Children = slices.DeleteFunc(options.Children, func(e *cibxml.Element) bool {
		isMarks := e.Name == "cluster_property_set" && e.Attr("id") == markSet
		if isMarks {
			changes = append(changes, "remove the marks of former jobs")
		}
		return isMarks
	})
	return changes
}

// leftRunning reports resources that Pacemaker would not stop, or has not stopped.
func leftRunning(v cluster.Status, removed []string) error {
	for _, r := range v.Resources {
		if slices.Contains(removed, r.ID) && len(r.Places) > 0 {
			return &lb.ConflictError{ID: "resource/" + r.ID, Reason: "it would keep running on " + strings.Join(r.Nodes(), ", ") +
				" without Pacemaker: end its maintenance, or let Pacemaker stop orphans (stop-orphan-resources)"}
		}
	}
	return nil
}

// Destroy executes a plan of PlanDestroy with one change of the CIB, waits until the
// cluster has settled, and checks that the resources do not run any more. If the
// configuration has changed since the plan was made, nothing is done, and the error is of
// kind KindStale.
func (c *Cluster) Destroy(ctx context.Context, p Plan, wait time.Duration) (cluster.Status, error) {
	return c.write(ctx, p, wait, func(v cluster.Status) error { return leftRunning(v, p.removed) })
}
