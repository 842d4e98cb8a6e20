package pacemaker

import (
	"fmt"
	"os"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// readCIB reads a CIB that a tool has changed in a file.
func readCIB(path string) (*CIB, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the CIB of a simulation: %w", err)
	}
	return ParseCIB(data)
}

// withoutFailures returns the CIB without the failures that a Cleanup removes.
// crm_resource cannot do that in a file (2.1.5 crashes).
func (c *CIB) withoutFailures(a cluster.Action) *CIB {
	out := &CIB{Epoch: c.Epoch, root: c.root.Clone()}
	members := c.members(a.Resource)
	for _, state := range out.root.Child("status").Descendants("node_state") {
		if a.Node != "" && state.Attr("uname") != a.Node {
			continue
		}
		failed := map[string]bool{} // by their counters
		for _, p := range state.Child("transient_attributes").Descendants("nvpair") {
			if r, ok := failureOf(p.Attr("name")); ok && (members == nil || members[r]) {
				failed[r] = true
			}
		}
		state.Remove(func(e *cibxml.Element) bool {
			r, ok := failureOf(e.Attr("name"))
			return e.Name == "nvpair" && ok && failed[r]
		})
		for _, r := range state.Descendants("lrm_resource") {
			if members == nil || members[base(r.Attr("id"))] {
				r.Remove(hasFailed)
			}
		}
	}
	out.data = out.root.Bytes()
	return out
}

// hasFailed reports whether an operation in a resource's history is a failure.
// What is left of the history stands for the probe that follows a cleanup.
func hasFailed(e *cibxml.Element) bool {
	if e.Name != "lrm_rsc_op" {
		return false
	}
	switch e.Attr("rc-code") {
	case "0", "7", "8", "190", "191", "193": // fine, not running, promoted, degraded, pending
		return strings.HasSuffix(e.Attr("id"), "_last_failure_0")
	}
	return true
}

// members returns the primitives of a resource; nil without a resource.
func (c *CIB) members(resource string) map[string]bool {
	if resource == "" {
		return nil
	}
	out := map[string]bool{resource: true}
	for _, p := range c.root.Child("configuration", "resources").ByID(resource).Descendants("primitive") {
		out[p.Attr("id")] = true
	}
	return out
}

// failureOf returns the resource of a fail-count or last-failure attribute, such as
// "fail-count-vip#monitor_2000".
func failureOf(attribute string) (resource string, ok bool) {
	for _, prefix := range []string{"fail-count-", "last-failure-"} {
		if rest, found := strings.CutPrefix(attribute, prefix); found {
			name, _, _ := strings.Cut(rest, "#")
			return base(name), true
		}
	}
	return "", false
}

// base returns a resource's name without the number of its instance.
func base(id string) string {
	name, _, _ := strings.Cut(id, ":")
	return name
}
