package pacemaker

import (
	"slices"
	"strconv"

	"thalassa/cluster/cibxml"
)

// operations are those that the status has of one resource, by node.
type operations map[string][]*cibxml.Element

func operationsOf(c *CIB, resource string) operations {
	out := operations{}
	for _, state := range c.root.Child("status").Descendants("node_state") {
		for _, r := range state.Descendants("lrm_resource") {
			if base(r.Attr("id")) == resource {
				out[state.Attr("uname")] = append(out[state.Attr("uname")], r.Descendants("lrm_rsc_op")...)
			}
		}
	}
	return out
}

// newestCalls returns the number of the last finished call of the resource's agent by node.
func (o operations) newestCalls() map[string]int {
	out := map[string]int{}
	for node, list := range o {
		for _, op := range list {
			n, _ := strconv.Atoi(op.Attr("call-id")) // -1: not finished
			out[node] = max(out[node], n)
		}
	}
	return out
}

// isPending reports whether an operation waits for its result. A monitor
// that reports a failed or degraded resource has its result in another entry, and
// stays pending.
func (o operations) isPending() bool {
	for _, list := range o {
		finished := map[string]bool{}
		for _, op := range list {
			if op.Attr("op-status") != "-1" {
				finished[op.Attr("transition-key")] = true
			}
		}
		if slices.ContainsFunc(list, func(op *cibxml.Element) bool {
			return op.Attr("op-status") == "-1" && !finished[op.Attr("transition-key")]
		}) {
			return true
		}
	}
	return false
}
