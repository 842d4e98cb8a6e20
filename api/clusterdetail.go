package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// maxResults limits the results of operations in a detail; the newest are shown.
const maxResults = 200

// happened is what the cluster has seen of a resource or on a node.
type happened struct {
	Operations []cluster.OperationResult `json:"operations"` // newest first
	Failures   []cluster.Failure         `json:"failures"`
	FailCounts []cluster.FailCount       `json:"failCounts"`
	Bans       []cluster.Ban             `json:"bans"`
	// Actions are the kinds of actions that make sense in the present state.
	Actions []string `json:"actions"`
}

// resourceDetail is a resource with everything about it.
type resourceDetail struct {
	ID     string         `json:"id"`
	Kind   config.Kind    `json:"kind"`
	Object map[string]any `json:"object"`
	// Meta are the meta attributes that hold for it, its own or inherited.
	Meta        map[string]string  `json:"meta"`
	Containers  []string           `json:"containers"`
	Tags        []string           `json:"tags"`
	Resources   []cluster.Resource `json:"resources"` // the state of its primitives
	Constraints []config.Related   `json:"constraints"`

	happened
}

// nodeDetail is a node with everything about it.
type nodeDetail struct {
	Name        string           `json:"name"`
	Node        cluster.Node     `json:"node"`
	Object      map[string]any   `json:"object,omitempty"` // none: it is a guest
	Constraints []config.Related `json:"constraints"`
	// Fencing are the latest fencing actions on it, newest first.
	Fencing []cluster.FenceEvent `json:"fencing"`

	happened
}

// happenedTo collects what is chosen by node and resource.
func (h clusterConfigHandlers) happenedTo(v cluster.Status, chosen func(node, resource string) bool) (happened, error) {
	out := happened{Operations: []cluster.OperationResult{}, Failures: []cluster.Failure{}, FailCounts: []cluster.FailCount{}, Bans: []cluster.Ban{}}
	operations, err := h.view.Operations()
	if err != nil {
		return out, err
	}
	for _, o := range slices.Backward(operations) {
		if len(out.Operations) < maxResults && chosen(o.Node, instanceOf(o.Resource)) {
			out.Operations = append(out.Operations, o)
		}
	}
	for _, f := range v.Failures {
		if chosen(f.Node, instanceOf(f.Resource)) {
			out.Failures = append(out.Failures, f)
		}
	}
	for _, f := range v.FailCounts {
		if chosen(f.Node, f.Resource) {
			out.FailCounts = append(out.FailCounts, f)
		}
	}
	for _, b := range v.Bans {
		if chosen(b.Node, b.Resource) {
			out.Bans = append(out.Bans, b)
		}
	}
	return out, nil
}

// instanceOf is the resource of an instance: haproxy of haproxy:0.
func instanceOf(id string) string {
	name, _, _ := strings.Cut(id, ":")
	return name
}

// showResource answers with one resource: state, configuration, and what happened.
func (h clusterConfigHandlers) showResource(c echo.Context) error {
	v, err := h.status()
	if err != nil {
		return err
	}
	configuration, _, err := h.objects.Configuration()
	if err != nil {
		return err
	}
	d, found := config.Describe(configuration, c.Param("id"))
	if !found {
		return &lb.NotFoundError{ID: "resource/" + c.Param("id")}
	}
	o := config.Masked(d.Kind, config.Find(configuration, d.Kind, d.ID))
	out := resourceDetail{
		ID: d.ID, Kind: d.Kind, Object: o.Document(d.Kind), Meta: d.Meta, Containers: d.Containers, Tags: d.Tags, Constraints: d.Constraints,
		Resources: []cluster.Resource{},
	}
	for _, r := range v.Resources {
		if slices.Contains(d.Primitives, r.ID) {
			out.Resources = append(out.Resources, r)
		}
	}
	names := d.Names()
	if out.happened, err = h.happenedTo(v, func(_, resource string) bool { return slices.Contains(names, resource) }); err != nil {
		return err
	}
	moved := slices.ContainsFunc(d.Constraints, func(r config.Related) bool {
		id, _ := r.Object["id"].(string)
		return r.Kind == config.Locations && config.IsByTool(id)
	})
	out.Actions = config.ResourceOffers(config.ResourceState{Resources: out.Resources, Meta: d.Meta, Promotable: d.Promotable, Moved: moved})
	c.Response().Header().Set(headerETag, clusterTag(v))
	return respond(c, http.StatusOK, out)
}

// showNode answers with one node.
func (h clusterConfigHandlers) showNode(c echo.Context) error {
	v, err := h.status()
	if err != nil {
		return err
	}
	configuration, _, err := h.objects.Configuration()
	if err != nil {
		return err
	}
	name := c.Param("name")
	n := v.NodeNamed(name)
	if n.Name == "" {
		return &lb.NotFoundError{ID: "node/" + name}
	}
	out := nodeDetail{Name: name, Node: n, Constraints: config.LocationsOf(configuration, name), Fencing: []cluster.FenceEvent{}}
	var attributes map[string]string
	if e := config.Find(configuration, config.Nodes, name); e != nil {
		o := config.Masked(config.Nodes, e)
		out.Object, attributes = o.Document(config.Nodes), o.Values["attributes"]
	}
	for _, f := range v.FenceHistory {
		if f.Node == name {
			out.Fencing = append(out.Fencing, f)
		}
	}
	if out.happened, err = h.happenedTo(v, func(node, _ string) bool { return node == name }); err != nil {
		return err
	}
	out.Actions = config.NodeOffers(v, out.Node, attributes)
	c.Response().Header().Set(headerETag, clusterTag(v))
	return respond(c, http.StatusOK, out)
}
