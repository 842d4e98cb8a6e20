package apitest

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"thalassa/api"
	"thalassa/cluster"
	"thalassa/clusters"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// InCluster makes an API that of a node of a cluster.
func InCluster(c *Cluster) func(*api.Config) {
	return func(cfg *api.Config) {
		cfg.Cluster, cfg.ClusterActions, cfg.ClusterConfiguration, cfg.ClusterJobs = c, c, c, c
		cfg.ClusterForesight, cfg.ClusterDrafts, cfg.ClusterHistory = c, &ClusterDrafts{}, ClusterHistory{Cluster: c}
		cfg.ClusterAgents, cfg.ClusterHAProxy = ClusterAgents{}, c
		cfg.ClusterNode, cfg.IsSealError, cfg.ClusterMembers = ClusterNode{}, IsSealError, &ClusterMembers{}
	}
}

// Clusters stands in for a Fleet: the agents of its clusters are in memory, and are asked directly.
type Clusters struct {
	changed wake.Signal

	mu     sync.Mutex
	agents map[string]func() http.Handler // made when they are first asked
	away   map[string]bool
}

// NewClusters makes clusters of two nodes.
func NewClusters(tb testing.TB, names ...string) *Clusters {
	tb.Helper()
	c := &Clusters{agents: map[string]func() http.Handler{}, away: map[string]bool{}}
	for _, name := range names {
		pacemaker := NewCluster()
		if _, err := pacemaker.Begin(tb.Context(), cluster.Action{Kind: cluster.Cleanup}, cluster.Order{}); err != nil {
			tb.Fatal(err)
		}
		_, cfg := Prepare(tb, InCluster(pacemaker))
		c.agents[name] = sync.OnceValue(func() http.Handler { return api.New(cfg) })
	}
	return c
}

// Lose makes a cluster unreachable.
func (c *Clusters) Lose(name string) {
	c.mu.Lock()
	c.away[name] = true
	c.mu.Unlock()
	c.changed.Broadcast()
}

// List implements api.Clusters.
func (c *Clusters) List() []cluster.Summary {
	out := []cluster.Summary{}
	for name := range c.agents {
		if s, _, err := c.Cluster(name); err == nil {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b cluster.Summary) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Cluster implements api.Clusters.
func (c *Clusters) Cluster(name string) (cluster.Summary, *cluster.Status, error) {
	c.mu.Lock()
	_, known := c.agents[name]
	isAway := c.away[name]
	c.mu.Unlock()
	if !known {
		return cluster.Summary{}, nil, &lb.NotFoundError{ID: clusters.ID(name)}
	}
	if isAway {
		s := cluster.Summarized(cluster.Status{State: cluster.StateUnreachable})
		s.Name, s.Agents = name, []cluster.AgentState{{Address: "https://" + name + ".example", Problem: "connection refused"}}
		return s, nil, nil
	}
	doc, err := c.Ask(context.Background(), name, clusters.Question{Path: "/cluster"})
	if err != nil {
		return cluster.Summary{}, nil, err
	}
	var v cluster.Status
	if err := json.Unmarshal(doc.Data, &v); err != nil {
		return cluster.Summary{}, nil, err
	}
	s := cluster.Summarized(v)
	s.Name, s.Address, s.Agents = name, "https://"+name+".example", []cluster.AgentState{{Address: "https://" + name + ".example"}}
	return s, &v, nil
}

// Changed implements api.Clusters.
func (c *Clusters) Changed() <-chan struct{} { return c.changed.Next() }

// Ask implements api.Clusters.
func (c *Clusters) Ask(ctx context.Context, name string, q clusters.Question) (clusters.Document, error) {
	c.mu.Lock()
	agent, isAway := c.agents[name], c.away[name]
	c.mu.Unlock()
	if agent == nil {
		return clusters.Document{}, &lb.NotFoundError{ID: clusters.ID(name)}
	}
	if isAway {
		return clusters.Document{}, &lb.UnavailableError{What: "cluster " + name + " cannot be asked: connection refused"}
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, q.Path, http.NoBody)
	r.RemoteAddr = "127.0.0.1:1"
	if q.IsXML {
		r.Header.Set("Accept", "application/xml")
	}
	w := httptest.NewRecorder()
	agent().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		var said struct{ Error, Code string }
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			return clusters.Document{}, err
		}
		return clusters.Document{}, &clusters.RefusedError{Cluster: name, Status: w.Code, Code: said.Code, Message: said.Error}
	}
	return clusters.Document{Type: w.Header().Get("Content-Type"), Data: w.Body.Bytes()}, nil
}
