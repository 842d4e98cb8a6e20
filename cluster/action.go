package cluster

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/lb"
)

// Kinds of actions.
const (
	Standby          = "standby"     // moves all resources off Node; of Ticket: its resources leave this site
	Online           = "online"      // ends standby and maintenance of Node
	Move             = "move"        // moves Resource, or every floating IP, to Node
	KeepOff          = "ban"         // keeps Resource off Node by a constraint
	Clear            = "clear"       // removes the constraints of bans and moves of Resource, or those about Node
	StartMaintenance = "maintenance" // of the cluster, Node or Resource: Pacemaker does nothing there
	EndMaintenance   = "ready"       // the opposite
	Manage           = "manage"      // ends Unmanage
	Unmanage         = "unmanage"    // Pacemaker does not start or stop Resource
	Cleanup          = "cleanup"     // removes failures: all, those of Resource, or those on Node
	Refresh          = "refresh"     // forgets and probes again: all, Resource, or what is on Node
	Stop             = "stop"        // stops Resource
	Start            = "start"       // starts Resource
	Restart          = "restart"     // stops Resource and starts it again
	Promote          = "promote"     // lets instances of the promotable clone Resource be promoted
	Demote           = "demote"      // demotes all instances of the promotable clone Resource
	Fence            = "fence"       // turns off or restarts Node by force
	ClearState       = "clearstate"  // confirms that Node, which the cluster has lost, is down
	Grant            = "grant"       // grants Ticket to this site
	Revoke           = "revoke"      // takes Ticket from this site
	Activate         = "activate"    // ends the standby of Ticket
	Startup          = "startup"     // starts corosync and Pacemaker on all nodes, or on Node
	Shutdown         = "shutdown"    // stops them
	Leave            = "leave"       // takes Node out of the cluster; one that is gone already is forgotten
	Forget           = "forget"      // takes Nodes out of it that are gone
)

// An Action is an action on a cluster.
type Action struct {
	Kind     string
	Node     string // see the kinds; empty if the kind has none
	Resource string // also the id of a tag, which stands for what it names
	Ticket   string
	// Nodes are those that Forget is about. Down: the author has made sure that they are off.
	Nodes []string `json:",omitzero"`
	Down  bool     `json:",omitzero"`
	// Wait limits the time for the cluster to settle (2 min).
	Wait time.Duration
	// Author is who requests it.
	Author string

	// HAProxy is what Apply writes. Force applies it though a node has not answered.
	HAProxy *HAProxy `json:",omitzero"` // omitzero: agents compare the requests of one key as JSON
	Force   bool     `json:",omitzero"`
	// Restart lets Rollout restart HAProxy where Pacemaker cannot reload it. Validate limits the
	// time for the answers of the agents (15 s).
	Restart  bool          `json:",omitzero"`
	Validate time.Duration `json:",omitzero"`
	// IfMatch lists entity tags in their quotes: an action on HAProxy is only carried out if its
	// plan (HAProxyPlan.Tag), or the configuration (Epoch.Configuration), has one of them; any
	// with "*". Empty: in any case.
	IfMatch []string `json:",omitzero"`
}

// ParseAction parses the JSON body of an action. An empty body has no fields. The
// error is an *lb.InvalidError.
func ParseAction(kind string, data []byte) (a Action, err error) {
	var body struct {
		Node, Resource, Ticket, Wait string
		Nodes                        []string
		Down                         bool
	}
	if len(strings.TrimSpace(string(data))) > 0 {
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&body); err != nil {
			return a, bodyError(kind, err)
		}
	}
	a = Action{Kind: kind, Node: body.Node, Resource: body.Resource, Ticket: body.Ticket, Nodes: body.Nodes, Down: body.Down}
	if body.Wait != "" {
		if a.Wait, err = time.ParseDuration(body.Wait); err != nil || a.Wait <= 0 || a.Wait > 10*time.Minute {
			return a, invalidAction("wait", "is not a valid duration", `a duration up to 10m, e.g. "30s"`)
		}
	}
	return a, a.Check()
}

// bodyError names the field that is unknown or has another type, as for other documents.
func bodyError(kind string, err error) error {
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		expected := "node, resource, ticket or wait"
		if kind == Forget {
			expected = "nodes, down or wait"
		}
		return invalidAction(strings.Trim(field, `"`), "is not a field of an action", expected)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		field, expected := strings.ToLower(wrong.Field), "a string"
		switch field {
		case "nodes":
			expected = "a list of strings"
		case "down":
			expected = "true or false"
		}
		return invalidAction(field, "has a wrong type ("+wrong.Value+")", expected)
	}
	if kind == Forget {
		return invalidAction("body", "is not an action", "an object with the list nodes, the bool down and the string wait")
	}
	return invalidAction("body", "is not an action", "an object with the strings node, resource, ticket and wait")
}

// ActionKinds lists the kinds of actions.
func ActionKinds() []string {
	return []string{
		Standby, Online, Move, KeepOff, Clear, StartMaintenance, EndMaintenance, Manage, Unmanage, Cleanup, Refresh,
		Start, Stop, Restart, Promote, Demote, Fence, ClearState, Grant, Revoke, Activate, Startup, Shutdown, Leave, Forget,
	}
}

// IsOfNodes reports whether the agents carry out the action on their nodes, and not Pacemaker.
func (a Action) IsOfNodes() bool {
	return a.Kind == Startup || a.Kind == Shutdown || IsOfMembers(a.Kind)
}

// IsOfMembers reports whether actions of a kind change which nodes the cluster has. They need the role
// admin.
func IsOfMembers(kind string) bool { return kind == Leave || kind == Forget }

// TakesOut reports whether the action takes a node out of the cluster.
func (a Action) TakesOut(node string) bool {
	return a.Kind == Leave && a.Node == node || a.Kind == Forget && slices.Contains(a.Nodes, node)
}

// Until is when the time of an action of the nodes is over that was begun then: 5 minutes later,
// unless the request says.
func (a Action) Until(begun time.Time) time.Time { return begun.Add(cmp.Or(a.Wait, 5*time.Minute)) }

// Check reports missing and unexpected fields. The error is an *lb.InvalidError.
func (a Action) Check() error {
	needs, takes, known := a.fields()
	if !known {
		return invalidAction("action", "is unknown", "one of "+strings.Join(ActionKinds(), ", "))
	}
	for _, f := range []struct{ name, value, sort string }{{"node", a.Node, "n"}, {"resource", a.Resource, "r"}, {"ticket", a.Ticket, "t"}} {
		switch {
		case f.value == "" && strings.Contains(needs, f.sort):
			return invalidAction(f.name, "is missing", "the name of a "+f.name)
		case f.value != "" && !strings.Contains(needs+takes, f.sort):
			return invalidAction(f.name, "has no meaning for "+a.Kind, "no value")
		case f.value != "" && !isName(f.value):
			return invalidAction(f.name, "is not a name", "letters, digits and . _ : - not beginning with -")
		}
	}
	return a.checkNodes()
}

// maxForgotten bounds Nodes: corosync has no more than 32.
const maxForgotten = 31

// checkNodes checks Nodes and Down.
func (a Action) checkNodes() error {
	switch {
	case a.Kind != Forget && len(a.Nodes) > 0:
		return invalidAction("nodes", "has no meaning for "+a.Kind, "no value")
	case a.Kind != Forget && a.Down:
		return invalidAction("down", "has no meaning for "+a.Kind, "no value")
	case a.Kind != Forget:
		return nil
	case len(a.Nodes) == 0:
		return invalidAction("nodes", "is missing", "the names of nodes that are gone")
	case len(a.Nodes) > maxForgotten:
		return invalidAction("nodes", "has too many", "at most "+strconv.Itoa(maxForgotten))
	}
	for i, name := range a.Nodes {
		field := "nodes[" + strconv.Itoa(i) + "]"
		if !isName(name) {
			return invalidAction(field, "is not a name", "letters, digits and . _ : - not beginning with -")
		}
		if slices.Contains(a.Nodes[:i], name) {
			return invalidAction(field, "is set twice", "each node once")
		}
	}
	return nil
}

// fields returns which of node, resource and ticket an action needs, and which are
// optional.
func (a Action) fields() (needs, takes string, known bool) {
	switch a.Kind {
	case Standby:
		if a.Ticket != "" {
			return "t", "", true
		}
		return "n", "", true
	case Online, Fence, ClearState, Leave:
		return "n", "", true
	case Startup, Shutdown:
		return "", "n", true
	case Forget:
		return "", "", true
	case Move:
		return "n", "r", true
	case KeepOff:
		return "nr", "", true
	case Clear:
		return "r", "n", true
	case StartMaintenance, EndMaintenance, Cleanup, Refresh:
		return "", "nr", true
	case Start, Stop, Restart, Promote, Demote, Manage, Unmanage:
		return "r", "", true
	case Grant, Revoke, Activate:
		return "t", "", true
	case Apply, Rollout, Destroy:
		return "r", "", true
	}
	return "", "", false
}

// Object is what the action is about: "node/n1", "resource/vip", "ticket/T" or "cluster".
func (a Action) Object() string {
	switch {
	case a.Ticket != "":
		return "ticket/" + a.Ticket
	case a.Resource != "":
		return "resource/" + a.Resource
	case a.Node != "":
		return "node/" + a.Node
	case len(a.Nodes) == 1:
		return "node/" + a.Nodes[0]
	}
	return "cluster"
}

// isName reports whether s is a valid name of a node or resource: one that cannot be
// mistaken for an option, a path or XML.
func isName(s string) bool {
	_, err := lb.ParseName(s)
	return err == nil && !strings.HasPrefix(s, "-")
}

func invalidAction(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

// A Consequence is one thing that the cluster would do.
type Consequence struct {
	Action   string `json:"action"` // start, stop, restart, move, fence, reload, …
	Resource string `json:"resource,omitempty"`
	Node     string `json:"node"`
	From     string `json:"from,omitempty"` // of a move
	Reason   string `json:"reason,omitempty"`
}

// Consequences are what the cluster would do after a change.
type Consequences struct {
	Actions []Consequence `json:"consequences"`
	// Text has a line for each resource and action: "will start haproxy on a, b".
	Text []string `json:"text"`
	// After is the status of the cluster when all of that is done.
	After Status `json:"after"`
}

// Lines are the Text, or say that nothing happens.
func (c Consequences) Lines() []string {
	if len(c.Text) == 0 {
		return []string{"the cluster will start, stop and move nothing"}
	}
	return c.Text
}

// Summarize combines similar consequences: "will start haproxy on a, b, c".
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
