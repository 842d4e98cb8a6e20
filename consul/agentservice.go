package consul

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"
)

// An AgentService is a service registered in one Consul agent.
type AgentService struct {
	ID      string // unique in the agent
	Name    string
	Tags    []string
	Address string // empty: the agent's own
	Port    int
	Meta    map[string]string
	// Check that the agent runs; nil: none.
	Check *AgentCheck
}

// An AgentCheck is a check that an agent runs for a service. Exactly one of HTTP
// and TCP is set.
type AgentCheck struct {
	ID   string
	HTTP string // URL
	// SkipVerify lets HTTPS have any certificate.
	SkipVerify bool
	TCP        string // host:port
	Status     string // until the first check
	Interval   time.Duration
	// Timeout of one check; 0: Consul's default.
	Timeout time.Duration
	// DeregisterCriticalAfter: the agent removes a service that is critical for that
	// long; 0: never.
	DeregisterCriticalAfter time.Duration
}

// Leader returns the address of the leader of Consul's servers; empty: none.
func (c *Client) Leader(ctx context.Context) (string, error) {
	leader, err := c.api.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
	return leader, brief(err)
}

// AgentServices returns the services registered in the agent by ID, without their
// checks.
func (c *Client) AgentServices(ctx context.Context) (map[string]AgentService, error) {
	services, err := c.api.Agent().ServicesWithFilterOpts("", (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, brief(err)
	}
	out := make(map[string]AgentService, len(services))
	for id, s := range services {
		if s != nil {
			out[id] = AgentService{ID: s.ID, Name: s.Service, Tags: s.Tags, Address: s.Address, Port: s.Port, Meta: s.Meta}
		}
	}
	return out, nil
}

// AgentChecks returns the IDs of the checks registered in the agent.
func (c *Client) AgentChecks(ctx context.Context) (map[string]bool, error) {
	checks, err := c.api.Agent().ChecksWithFilterOpts("", (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, brief(err)
	}
	out := make(map[string]bool, len(checks))
	for id, check := range checks {
		out[id] = check != nil
	}
	return out, nil
}

// Register registers a service in the agent. It replaces a service with the same ID
// and its checks.
func (c *Client) Register(ctx context.Context, s AgentService) error {
	in := &api.AgentServiceRegistration{
		ID: s.ID, Name: s.Name, Tags: s.Tags, Address: s.Address, Port: s.Port, Meta: s.Meta,
	}
	if k := s.Check; k != nil {
		in.Check = &api.AgentServiceCheck{
			CheckID: k.ID, HTTP: k.HTTP, TLSSkipVerify: k.SkipVerify, TCP: k.TCP, Interval: k.Interval.String(), Status: k.Status,
			Timeout: optional(k.Timeout), DeregisterCriticalServiceAfter: optional(k.DeregisterCriticalAfter),
		}
	}
	return brief(c.api.Agent().ServiceRegisterOpts(in, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)))
}

// Deregister removes a service from the agent. A missing one is not an error.
func (c *Client) Deregister(ctx context.Context, id string) error {
	err := c.api.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(ctx))
	if status, ok := errors.AsType[api.StatusError](err); ok && status.Code == http.StatusNotFound {
		return nil
	}
	return brief(err)
}

func optional(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
