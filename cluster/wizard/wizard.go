package wizard

import (
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// What a Field takes.
const (
	Text       = "text"
	ID         = "id"        // of an object that the wizard makes
	Address    = "address"   // an IP address, with a prefix length or without one
	Addresses  = "addresses" // several with prefix lengths, separated by spaces
	Choice     = "choice"    // one of Choices
	Resource   = "resource"  // the id of a resource that there is
	Nodes      = "nodes"     // names of nodes, separated by spaces
	Agent      = "agent"     // class:provider:type
	Time       = "time"      // such as 10s
	Parameters = "params"    // of the agent: values with the names params.NAME
)

// parameterPrefix begins the names of the values for parameters of an agent.
const parameterPrefix = "params."

const (
	// maxValues bounds how many values a wizard takes, and maxValue each of them, in bytes.
	maxValues = 200
	maxValue  = 4096
)

// A Wizard is what somebody can fill in.
type Wizard struct {
	Name   string  `json:"name"`
	Title  string  `json:"title"`
	Help   string  `json:"help"`
	Fields []Field `json:"fields"`
}

// A Field is one value of a wizard.
type Field struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Help     string `json:"help,omitempty"`
	Kind     string `json:"kind"`
	Required bool   `json:"required,omitempty"`
	Default  string `json:"default,omitempty"` // what an empty value stands for
	// Choices are all values of a Choice. Of another kind, they are what there is now.
	Choices []string `json:"choices,omitempty"`
}

// Values are what somebody has filled in, by the name of the field. Those for parameters of an
// agent are params.NAME. An empty value is none.
type Values map[string]string

// HAProxy is HAProxy with floating IPs, as thalassa cluster apply describes it. What is empty
// has the same default.
type HAProxy struct {
	Name                       string
	Addresses                  []string // with prefix lengths
	Topology, Order, Interface string
	Manage                     string // address of the agents with its prefix length
	ManagePort                 string
	Prefer, Nodes              []string
	Parameters                 map[string]string
}

// A Request is what a wizard is to make.
type Request struct {
	Values Values
	// Configuration is what it is added to. It is not changed.
	Configuration *cibxml.Element
	// Agents are those of Agents that are installed, by their names.
	Agents map[string]cluster.Agent
	// HAProxy gives the edits that add HAProxy to a configuration. Its errors name the fields of
	// Description in package pacemaker.
	HAProxy func(configuration *cibxml.Element, h HAProxy) ([]config.Edit, error)
}

// A recipe is a wizard and what it does.
type recipe struct {
	Wizard

	agents func(v Values) []string
	make   func(m *maker)
}

func recipes(o offers) []recipe {
	return []recipe{floatingIP(o), haproxy(o), webServer(), fenceDevice(o), ticket(o)}
}

// List lists the wizards, with choices from a configuration and the fence agents of a node.
func List(configuration *cibxml.Element, fenceAgents []string) []Wizard {
	list := recipes(offersOf(configuration, fenceAgents))
	out := make([]Wizard, len(list))
	for i, r := range list {
		out[i] = r.Wizard
	}
	return out
}

// find is a wizard; the error is an *lb.NotFoundError.
func find(name string, o offers) (recipe, error) {
	list := recipes(o)
	i := slices.IndexFunc(list, func(r recipe) bool { return r.Name == name })
	if i < 0 {
		return recipe{}, &lb.NotFoundError{ID: "cluster/wizards/" + name}
	}
	return list[i], nil
}

// Agents are the names of the agents that a wizard needs for these values. Errors:
// *lb.NotFoundError, there is no such wizard; *lb.InvalidError.
func Agents(name string, v Values) ([]string, error) {
	r, err := find(name, offers{})
	if err != nil {
		return nil, err
	}
	m := maker{Request: Request{Values: v}, recipe: r}
	if m.checkValues(); m.fe.Err() != nil {
		return nil, m.fe.Err()
	}
	if r.agents == nil {
		return nil, nil
	}
	return r.agents(m.Values), nil
}

// Edits are those that a wizard makes for a request. Errors: *lb.NotFoundError, there is no such
// wizard; *lb.InvalidError, which names the values; those of Request.HAProxy.
func Edits(name string, q Request) ([]config.Edit, error) {
	r, err := find(name, offersOf(q.Configuration, nil))
	if err != nil {
		return nil, err
	}
	m := maker{Request: q, recipe: r}
	if m.checkValues(); m.fe.Err() != nil {
		return nil, m.fe.Err()
	}
	r.make(&m)
	if err := m.fe.Err(); err != nil {
		return nil, err
	}
	return m.edits, m.failed
}

// offers are what values can name.
type offers struct{ resources, groups, nodes, fenceAgents []string }

func offersOf(configuration *cibxml.Element, fenceAgents []string) offers {
	o := offers{fenceAgents: fenceAgents}
	if resources := configuration.Child("resources"); resources != nil {
		o.add(configuration, resources)
	}
	slices.Sort(o.resources)
	for _, e := range config.Elements(configuration, config.Nodes) {
		o.nodes = append(o.nodes, e.Attr("uname"))
	}
	return o
}

// add adds the resources in an element. What is in clones and bundles is no offer, nor are
// fence devices.
func (o *offers) add(configuration, in *cibxml.Element) {
	for _, e := range in.Elements() {
		k := config.KindOf(e)
		if !k.IsResource() || isFence(configuration, e) {
			continue
		}
		o.resources = append(o.resources, e.Attr("id"))
		if k == config.Groups {
			o.groups = append(o.groups, e.Attr("id"))
			o.add(configuration, e)
		}
	}
}

// isInCopies reports whether a resource is in a clone or bundle, of which there are copies.
func isInCopies(configuration *cibxml.Element, d config.Detail) bool {
	return slices.ContainsFunc(d.Containers, func(id string) bool {
		return config.Find(configuration, config.Groups, id) == nil
	})
}

// isFence reports whether a resource is a fence device.
func isFence(configuration, e *cibxml.Element) bool {
	return e.Name == "primitive" && strings.HasPrefix(config.AgentOf(configuration, e), "stonith:")
}
