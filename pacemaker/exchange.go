package pacemaker

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"thalassa/cluster"
	"thalassa/lb"
)

// What the agents of a cluster tell each other about has an attribute of the nodes for each
// subject. It is private: Pacemaker's attribute daemon passes it to all nodes, and it is in no
// CIB. A second one of that name with this ending is in the status of the CIB, whose watchers
// it wakes.
const ringSuffix = "-ring"

// Subjects of an Exchange.
const (
	AboutJobs    = "thalassa-jobs"
	AboutHistory = "thalassa-history"
	AboutLogs    = "thalassa-logs"
	AboutNodes   = "thalassa-nodes"
)

// MaxSaid is the longest text that a node can tell the others, in bytes. Linux passes no
// argument of more than 128 KB to a program.
const MaxSaid = 96 << 10

// An Exchange passes texts between the agents of a cluster, over Pacemaker. Each node has one
// text, which the others read. Whoever may change the cluster can change the texts, too.
type Exchange struct {
	cluster *Cluster
	view    func() cluster.Status
	about   string
}

// NewExchange returns the Exchange of this node about a subject.
func NewExchange(c *Cluster, w *Watcher, about string) Exchange { return Exchange{c, w.View, about} }

// Say replaces the text of this node; an empty one removes it.
func (e Exchange) Say(ctx context.Context, text string) error {
	if len(text) > MaxSaid {
		return fmt.Errorf("telling other nodes: the text has %d bytes, expected at most %d", len(text), MaxSaid)
	}
	self := e.view().Self
	if self == "" {
		return &lb.UnavailableError{What: "the name of this node in the cluster is not known"}
	}
	args := []string{"-n", e.about, "-N", self, "--private", "-U", text}
	if text == "" {
		args = []string{"-n", e.about, "-N", self, "-D"}
	}
	if _, err := e.cluster.run(ctx, call{tool: "attrd_updater", args: args, plain: true}); err != nil {
		return fmt.Errorf("telling other nodes: %w", err)
	}
	return nil
}

// Ring wakes the agents of the other nodes. value is another one each time.
func (e Exchange) Ring(ctx context.Context, value string) error {
	return e.cluster.setAttribute(ctx, e.view().Self, e.about+ringSuffix, value)
}

// Rings are the last values of Ring by node, as the view has them.
func (e Exchange) Rings() map[string]string {
	out := map[string]string{}
	for _, n := range e.view().Nodes {
		if value := n.Attributes[e.about+ringSuffix]; value != "" {
			out[n.Name] = value
		}
	}
	return out
}

// Heard are the texts of all nodes by their names.
func (e Exchange) Heard(ctx context.Context) (map[string]string, error) {
	out, err := e.cluster.run(ctx, call{tool: "attrd_updater", args: []string{"-n", e.about, "-Q", "-A"}})
	if isMissingAttribute(err) { // nobody has said anything
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what other nodes tell: %w", err)
	}
	var result struct {
		Attributes []struct {
			Host  string `xml:"host,attr"`
			Value string `xml:"value,attr"`
		} `xml:"attribute"`
	}
	if err := xml.Unmarshal(out, &result); err != nil {
		return nil, fmt.Errorf("reading what other nodes tell: %w", err)
	}
	texts := map[string]string{}
	for _, a := range result.Attributes {
		if a.Value != "" {
			texts[a.Host] = a.Value
		}
	}
	return texts, nil
}

// isMissingAttribute reports whether attrd_updater has not found an attribute. Its exit code
// differs between releases.
func isMissingAttribute(err error) bool {
	failed, ok := errors.AsType[*cluster.Error](err)
	return ok && (failed.Kind == cluster.KindNotFound || strings.Contains(failed.Said, "attribute does not exist"))
}
