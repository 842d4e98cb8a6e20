package api

import (
	"context"
	"errors"

	"thalassa/cluster"
	"thalassa/stream"
)

// A clusterPublisher publishes the state of the Pacemaker cluster: as one object, and in parts. Of
// the parts, clients get only those that have changed.
type clusterPublisher struct {
	whole, parts *stream.Topic
	view         ClusterView
}

func newClusterPublisher(h *stream.Hub, view ClusterView) *clusterPublisher {
	return &clusterPublisher{view: view, whole: h.Set("cluster", false), parts: h.Set("clusterparts", false)}
}

func (p *clusterPublisher) run(ctx context.Context) error {
	return publishNews(ctx, p.view.Changed, p.publish)
}

func (p *clusterPublisher) publish() error {
	switch status := p.view.View(); status.State {
	case "":
	case cluster.StateNone:
		p.parts.Replace(nil)
		p.whole.Replace(nil)
	default:
		parts, err := clusterParts(status)
		if err != nil {
			return err
		}
		p.parts.Replace(parts)
		object, err := encoded("cluster", "", identified{"cluster", status})
		if err != nil {
			return err
		}
		p.whole.Replace([]stream.Object{object})
	}
	return nil
}

// clusterParts are the parts of a status: what is neither a node nor a resource, the order of the
// nodes and resources, and each of these.
func clusterParts(v cluster.Status) ([]stream.Object, error) {
	order := clusterOrderPart{"order", make([]string, len(v.Nodes)), make([]string, len(v.Resources))}
	for i, n := range v.Nodes {
		order.Nodes[i] = n.Name
	}
	for i, r := range v.Resources {
		order.Resources[i] = r.ID
	}
	parts := make([]stream.Object, 0, 2+len(v.Nodes)+len(v.Resources))
	add := func(id string, part any) error {
		object, err := encoded(id, "", part)
		parts = append(parts, object)
		return err
	}
	if err := errors.Join(add("state", clusterStatePart{"state", clusterRest{Status: v}}), add("order", order)); err != nil {
		return nil, err
	}
	for i, n := range v.Nodes {
		if err := add("node/"+n.Name, clusterNodePart{"node/" + n.Name, &v.Nodes[i]}); err != nil {
			return nil, err
		}
	}
	for i, r := range v.Resources {
		if err := add("resource/"+r.ID, clusterResourcePart{"resource/" + r.ID, &v.Resources[i]}); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

type (
	clusterOrderPart struct {
		ID        string   `json:"id"`
		Nodes     []string `json:"nodes"`
		Resources []string `json:"resources"`
	}
	clusterStatePart struct {
		ID      string      `json:"id"`
		Cluster clusterRest `json:"cluster"`
	}
	// clusterRest is a status without its nodes and resources.
	clusterRest struct {
		cluster.Status
		Nodes     *struct{} `json:"nodes,omitempty"`
		Resources *struct{} `json:"resources,omitempty"`
	}
	clusterNodePart struct {
		ID   string        `json:"id"`
		Node *cluster.Node `json:"node"`
	}
	clusterResourcePart struct {
		ID       string            `json:"id"`
		Resource *cluster.Resource `json:"resource"`
	}
)
