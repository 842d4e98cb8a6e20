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
	// Check is for the agent to run; nil: none.
	Check *AgentCheck
}

// An AgentCheck is a check that an agent runs for a service. Exactly one of HTTP
// and TCP is set.
type AgentCheck struct {
	ID       string
	HTTP     string // URL
	TCP      string // host:port
	Status   string // until the first check
	Interval time.Duration
	// Timeout of one check; 0: Consul's default.
	Timeout time.Duration
	// DeregisterCriticalAfter has the agent remove the service when it has been
	// critical for so long; 0: never.
	DeregisterCriticalAfter time.Duration
}

// Leader is the address of the leader of Consul's servers; empty: they have none.
func (c *Client) Leader(ctx context.Context) (string, error) {
	leader, err := c.api.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
	return leader, brief(err)
}

// AgentServices are the services registered in the agent that is asked, by ID and
// without their checks.
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

// AgentChecks are the IDs of the checks registered in the agent that is asked.
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

// Register registers a service in the agent that is asked, and replaces what was
// registered under its ID, with its checks.
func (c *Client) Register(ctx context.Context, s AgentService) error {
	in := &api.AgentServiceRegistration{
		ID: s.ID, Name: s.Name, Tags: s.Tags, Address: s.Address, Port: s.Port, Meta: s.Meta,
	}
	if k := s.Check; k != nil {
		in.Check = &api.AgentServiceCheck{
			CheckID: k.ID, HTTP: k.HTTP, TCP: k.TCP, Interval: k.Interval.String(), Status: k.Status,
			Timeout: optional(k.Timeout), DeregisterCriticalServiceAfter: optional(k.DeregisterCriticalAfter),
		}
	}
	return brief(c.api.Agent().ServiceRegisterOpts(in, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)))
}

// Deregister removes a service from the agent that is asked. One that the agent
// does not have is removed already.
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
