package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// An HAProxyPlan is what an action on the HAProxy of a cluster changes.
type HAProxyPlan struct {
	// Changes of the configuration, one line each: "create clone haproxy-clone".
	// Empty: nothing to do.
	Changes []string `json:"changes"`
	// Warnings to read before it is carried out.
	Warnings []string `json:"warnings"`
	// Consequences are predicted by Pacemaker's scheduler.
	Consequences Consequences `json:"simulation"`
	// Epoch of the CIB from which it was made.
	Epoch Epoch `json:"epoch"`
	// Tag names what is asked for and the Lines, in 16 hexadecimal digits: another plan has
	// another one, the same plan of another CIB has the same.
	Tag string `json:"tag"`
	// Nodes are the answers of the nodes that may run HAProxy. Empty: none was asked.
	Nodes []NodeAnswer `json:"nodes,omitempty"`
	// NodeByNode lists the nodes on which HAProxy restarts, in that order, each when it
	// runs again on those before. Empty: it restarts nowhere, or everywhere at once.
	NodeByNode []string `json:"nodeByNode,omitempty"`
}

// Lines are what somebody reads before the plan is carried out: the changes, and what the cluster
// would do.
func (p HAProxyPlan) Lines() []string {
	lines := slices.Clone(p.Changes)
	if len(lines) == 0 {
		lines = []string{"nothing to change"}
	}
	if len(p.NodeByNode) > 0 {
		lines = append(lines, "node by node: "+strings.Join(p.NodeByNode, ", "))
	}
	return append(lines, p.Consequences.Lines()...)
}

// Tagged is the plan with its Tag. asked is what was asked for, without secrets.
func (p HAProxyPlan) Tagged(asked []byte) HAProxyPlan {
	h := sha256.New()
	h.Write(asked)
	for _, line := range p.Lines() {
		h.Write([]byte("\n" + strconv.Quote(line)))
	}
	p.Tag = hex.EncodeToString(h.Sum(nil)[:8])
	return p
}

// Meets checks the condition of an action about an object (id), see Action.IfMatch. The error is a
// *PlanChangedError.
func (p HAProxyPlan) Meets(ifMatch []string, id string) error {
	for _, tag := range ifMatch {
		if tag == "*" || tag == strconv.Quote(p.Tag) || tag == strconv.Quote(p.Epoch.Configuration()) {
			return nil
		}
	}
	if len(ifMatch) == 0 {
		return nil
	}
	changed := &PlanChangedError{ID: id, Tag: p.Tag, Lines: p.Lines()}
	if !slices.ContainsFunc(ifMatch, IsPlanTag) {
		changed.Configuration = p.Epoch.Configuration()
	}
	return changed
}

// IsPlanTag reports whether an entity tag, in its quotes, is that of an HAProxyPlan.
func IsPlanTag(tag string) bool {
	digits, err := strconv.Unquote(tag)
	if err != nil || len(digits) != 16 {
		return false
	}
	_, err = hex.DecodeString(digits)
	return err == nil
}

// A PlanChangedError refuses an action whose plan is not the one that was shown: the cluster has
// changed meanwhile. Nothing was changed.
type PlanChangedError struct {
	ID    string   // of the object that the action is about
	Tag   string   // of the plan as it is now
	Lines []string // HAProxyPlan.Lines of it
	// Configuration is the tag of the configuration now, if the condition was about that; else empty.
	Configuration string
	// Said is what was said of a plan that nobody has computed again; then Tag and Lines are empty.
	Said string
}

// Error says what the tag is now, of the plan or of the configuration.
func (e *PlanChangedError) Error() string {
	if e.Said != "" {
		return e.Said
	}
	if e.Configuration != "" {
		return e.ID + ": the configuration has changed; nothing was done. Its entity tag is now " + strconv.Quote(e.Configuration)
	}
	return e.ID + ": the plan has changed since it was shown; nothing was done. Its entity tag is now " + strconv.Quote(e.Tag)
}

// PlanDifference compares the lines of two plans: "- LINE" is only in the first, "+ LINE" only in
// the second.
func PlanDifference(shown, now []string) []string {
	var out []string
	for _, list := range []struct {
		sign      string
		of, other []string
	}{{"- ", shown, now}, {"+ ", now, shown}} {
		for _, line := range list.of {
			if !slices.Contains(list.other, line) {
				out = append(out, list.sign+line)
			}
		}
	}
	return out
}

// A RolloutRefusedError is a rollout that the agents of nodes refuse. Nothing was changed.
type RolloutRefusedError struct {
	// Rollout has the answer of each node, and the generation, which stays.
	Rollout RolledOut
	// Cause is the *lb.RefusedError with the reasons.
	Cause error
}

// Error is that of the cause.
func (e *RolloutRefusedError) Error() string { return e.Cause.Error() }

// Unwrap is the cause.
func (e *RolloutRefusedError) Unwrap() error { return e.Cause }
