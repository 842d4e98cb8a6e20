package pacemaker

import (
	"slices"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// After is the CIB of a moment after an earlier one: with the results of operations that a
// later CIB has, that this one lacks, and that had ended by then. They are returned, too, the
// latest last. Of a node that this CIB does not know, and of operations that the later one has
// replaced by others, nothing is known. The configuration stays that of this CIB.
func (c *CIB) After(later *CIB, at time.Time) (*CIB, []cluster.OperationResult, error) {
	root := c.root.Clone()
	known := map[string]bool{}
	for _, o := range c.Operations() {
		known[o.Key()] = true
	}
	var ended []cluster.OperationResult
	for _, state := range later.root.Child("status").Descendants("node_state") {
		own := stateOf(root, state.Attr("uname"))
		if own == nil {
			continue
		}
		for _, r := range state.Descendants("lrm_resource") {
			for _, op := range r.Descendants("lrm_rsc_op") {
				o := operationResult(op)
				o.Node, o.Resource, o.Reason = state.Attr("uname"), r.Attr("id"), later.Hide(o.Reason)
				end := o.Time // of a recurring one, its result changed then
				if o.IntervalMS == 0 {
					end = end.Add(time.Duration(o.DurationMS) * time.Millisecond)
				}
				if o.Status < 0 || o.Time.IsZero() || known[o.Key()] || end.After(at) {
					continue
				}
				putOperation(own, r, op)
				ended = append(ended, o)
			}
		}
	}
	slices.SortStableFunc(ended, func(a, b cluster.OperationResult) int { return a.Time.Compare(b.Time) })
	if len(ended) == 0 {
		return c, ended, nil
	}
	cib, err := ParseCIB(root.Bytes())
	return cib, ended, err
}

// stateOf is the state of a node in a CIB; nil: it has none.
func stateOf(root *cibxml.Element, name string) *cibxml.Element {
	for _, state := range root.Child("status").Descendants("node_state") {
		if state.Attr("uname") == name {
			return state
		}
	}
	return nil
}

// putOperation puts the result of an operation of a resource into the state of a node, in
// the place of the one with the same id.
func putOperation(state, resource, op *cibxml.Element) {
	resources := state.Ensure("lrm", "lrm_resources")
	own := resources.ByID(resource.Attr("id"))
	if own == nil || own.Name != "lrm_resource" {
		own = cibxml.New("lrm_resource")
		for _, a := range resource.Attributes() {
			own.Set(a.Name, a.Value)
		}
		resources.Add(own)
	}
	own.Remove(func(e *cibxml.Element) bool { return e.Attr("id") == op.Attr("id") })
	own.Add(op.Clone())
}
