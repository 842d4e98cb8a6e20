package cluster

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"thalassa/lb"
)

// Kinds of what can be done to a cluster.
const (
	Standby          = "standby"     // Node gives away what runs there
	Online           = "online"      // Node takes part again: neither standby nor maintenance
	Move             = "move"        // Resource, or every floating IP, goes to Node
	StartMaintenance = "maintenance" // Pacemaker looks on: everywhere, on Node, or for Resource
	EndMaintenance   = "ready"       // the opposite
	Cleanup          = "cleanup"     // failures are forgotten: all, of Resource, on Node
	Stop             = "stop"        // Resource is to be down
	Start            = "start"       // Resource is to be up
	Fence            = "fence"       // Node is turned off or restarted by force
)

// An Action is something to be done to a cluster.
type Action struct {
	Kind     string
	Node     string // see the kinds; empty where it has no meaning
	Resource string
	// Wait is how long the final state is waited for (2 min).
	Wait time.Duration
	// Author is who wants it.
	Author string
}

// ParseAction reads an action's JSON body; an empty body is one without
// fields. The error is an *InvalidError.
func ParseAction(kind string, data []byte) (a Action, err error) {
	var body struct{ Node, Resource, Wait string }
	if len(strings.TrimSpace(string(data))) > 0 {
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&body); err != nil {
			return a, bodyError(err)
		}
	}
	a = Action{Kind: kind, Node: body.Node, Resource: body.Resource}
	if body.Wait != "" {
		if a.Wait, err = time.ParseDuration(body.Wait); err != nil || a.Wait <= 0 || a.Wait > 10*time.Minute {
			return a, invalidAction("wait", "is not a time to wait", `a duration up to 10m, e.g. "30s"`)
		}
	}
	return a, a.Check()
}

// bodyError names the field that is not known, as the other documents do.
func bodyError(err error) error {
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalidAction(strings.Trim(field, `"`), "is not a field of an action", "node, resource or wait")
	}
	return invalidAction("body", "is not an action", "an object with node, resource and wait, each of them text")
}

// ActionKinds are all kinds of actions.
func ActionKinds() []string {
	return []string{Standby, Online, Move, StartMaintenance, EndMaintenance, Cleanup, Start, Stop, Fence}
}

// Check finds what is missing or of no meaning. The error is an *InvalidError.
func (a Action) Check() error {
	needs, takes, known := a.fields()
	if !known {
		return invalidAction("action", "is not known", "standby, online, move, maintenance, ready, cleanup, start, stop or fence")
	}
	for _, f := range []struct{ name, value, sort string }{{"node", a.Node, "n"}, {"resource", a.Resource, "r"}} {
		switch {
		case f.value == "" && strings.Contains(needs, f.sort):
			return invalidAction(f.name, "is missing", "the name of a "+f.name)
		case f.value != "" && !strings.Contains(needs+takes, f.sort):
			return invalidAction(f.name, "has no meaning for "+a.Kind, "nothing")
		case f.value != "" && !isName(f.value):
			return invalidAction(f.name, "is not a name", "letters, digits and . _ : - with no - in front")
		}
	}
	return nil
}

// fields says which of node and resource an action needs, and which it takes.
func (a Action) fields() (needs, takes string, known bool) {
	switch a.Kind {
	case Standby, Online, Fence:
		return "n", "", true
	case Move:
		return "n", "r", true
	case StartMaintenance, EndMaintenance, Cleanup:
		return "", "nr", true
	case Start, Stop:
		return "r", "", true
	}
	return "", "", false
}

// isName reports whether a node or resource may be called that, so that
// no name is taken for an option, a path or XML.
func isName(s string) bool {
	_, err := lb.ParseName(s)
	return err == nil && !strings.HasPrefix(s, "-")
}

func invalidAction(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

// A Consequence is one thing that the cluster does.
type Consequence struct {
	Action   string `json:"action"` // start, stop, restart, move, fence, reload, …
	Resource string `json:"resource,omitempty"`
	Node     string `json:"node"`
	From     string `json:"from,omitempty"` // of a move
	Reason   string `json:"reason,omitempty"`
}

// Consequences are what the cluster does when something is changed.
type Consequences struct {
	Actions []Consequence `json:"consequences"`
	// Text is a line for each resource and action: "will start haproxy on a, b".
	Text []string `json:"text"`
	// After is the cluster when all of that is done.
	After Status `json:"after"`
}

// Summarize joins consequences of a kind: "will start haproxy on a, b, c".
func Summarize(list []Consequence) []string {
	heads, nodes := []string{}, map[string][]string{}
	for _, c := range list {
		head := c.head()
		if nodes[head] == nil {
			heads = append(heads, head)
		}
		nodes[head] = append(nodes[head], c.Node)
	}
	for i, head := range heads {
		slices.Sort(nodes[head])
		heads[i] = head + strings.Join(nodes[head], ", ")
	}
	return heads
}

// head is the sentence up to the node.
func (c Consequence) head() string {
	switch {
	case c.Resource == "":
		return "will " + c.Action + " node "
	case c.From != "":
		return "will " + c.Action + " " + c.Resource + " from " + c.From + " to "
	}
	return "will " + c.Action + " " + c.Resource + " on "
}
