package discovery

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// A Registration is a service to keep registered in the local Consul agent.
type Registration struct {
	ID      string // of the instance, unique in the agent
	Name    lb.Name
	Tags    []string
	Address lb.Host // empty: the agent's own
	Port    uint16
	Meta    map[string]string
	// Check that Consul is to run; nil: none, the instance always passes.
	Check *Check
	// Stays: what it stands for goes on when the Registrar ends, and so does it.
	Stays bool
}

// A Check is how Consul finds out whether the service is well. Exactly one of
// HTTP and TCP is set.
type Check struct {
	HTTP string // URL; any 2xx passes
	TCP  string // host:port; a connection passes
	// Passing counts the instance as healthy until its first check; otherwise it
	// is critical until then.
	Passing bool
	// Interval between two checks; default: 10 s.
	Interval time.Duration
	// Timeout of one; default: Consul's, 10 s.
	Timeout time.Duration
	// DeregisterCriticalAfter has Consul remove an instance that fails for so
	// long, at least a minute; 0: never.
	DeregisterCriticalAfter time.Duration
}

const defaultCheckInterval = 10 * time.Second

// clone makes r independent of its maker.
func (r Registration) clone() Registration {
	r.Tags, r.Meta = slices.Clone(r.Tags), maps.Clone(r.Meta)
	if r.Check != nil {
		c := *r.Check
		r.Check = &c
	}
	return r
}

func (r Registration) equal(o Registration) bool {
	sameCheck := r.Check == o.Check || r.Check != nil && o.Check != nil && *r.Check == *o.Check
	return r.ID == o.ID && r.Name == o.Name && r.Address == o.Address && r.Port == o.Port && sameCheck &&
		slices.Equal(r.Tags, o.Tags) && maps.Equal(r.Meta, o.Meta)
}

// checkID is the name Consul gives a service's only check; it is said so as not
// to depend on that.
func (r Registration) checkID() string { return "service:" + r.ID }

// service is the registration in Consul's terms.
func (r Registration) service() consul.AgentService {
	out := consul.AgentService{
		ID: r.ID, Name: string(r.Name), Tags: r.Tags, Address: string(r.Address), Port: int(r.Port), Meta: r.Meta,
	}
	if c := r.Check; c != nil {
		out.Check = &consul.AgentCheck{
			ID: r.checkID(), HTTP: c.HTTP, TCP: c.TCP, Interval: cmp.Or(c.Interval, defaultCheckInterval),
			Status: c.initialStatus(), Timeout: c.Timeout, DeregisterCriticalAfter: c.DeregisterCriticalAfter,
		}
	}
	return out
}

func (c Check) initialStatus() string {
	if c.Passing {
		return consul.Passing
	}
	return consul.Critical
}

// isHeldBy reports whether the agent has the registration as it should be.
func (r Registration) isHeldBy(services map[string]consul.AgentService, checks map[string]bool) bool {
	s, ok := services[r.ID]
	if !ok || s.Name != string(r.Name) || s.Address != string(r.Address) || s.Port != int(r.Port) ||
		!slices.Equal(s.Tags, r.Tags) || !maps.Equal(s.Meta, r.Meta) {
		return false
	}
	return r.Check == nil || checks[r.checkID()]
}
