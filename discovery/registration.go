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
	// Check of the instance by Consul; nil: the instance always passes.
	Check *Check
	// Stays: the Registrar does not deregister it when it stops.
	Stays bool
}

// A Check is a health check that Consul runs. Exactly one of HTTP and TCP is set.
type Check struct {
	HTTP string // URL; any 2xx passes
	// SkipVerify lets HTTPS have any certificate.
	SkipVerify bool
	TCP        string // host:port; a connection passes
	// Passing counts the instance as healthy until its first check; otherwise it
	// is critical until then.
	Passing bool
	// Interval between two checks; default: 10 s.
	Interval time.Duration
	// Timeout of one; default: Consul's, 10 s.
	Timeout time.Duration
	// DeregisterCriticalAfter: Consul removes an instance that is critical for that
	// long, at least a minute; 0: never.
	DeregisterCriticalAfter time.Duration
}

const defaultCheckInterval = 10 * time.Second

// clone returns a deep copy.
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

// checkID is the id of the check. Consul would choose the same, but it is set
// explicitly so as not to depend on that.
func (r Registration) checkID() string { return "service:" + r.ID }

// service converts the registration for package consul.
func (r Registration) service() consul.AgentService {
	out := consul.AgentService{
		ID: r.ID, Name: string(r.Name), Tags: r.Tags, Address: string(r.Address), Port: int(r.Port), Meta: r.Meta,
	}
	if c := r.Check; c != nil {
		out.Check = &consul.AgentCheck{
			ID: r.checkID(), HTTP: c.HTTP, SkipVerify: c.SkipVerify, TCP: c.TCP, Interval: cmp.Or(c.Interval, defaultCheckInterval),
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

// isHeldBy reports whether the agent has exactly this registration.
func (r Registration) isHeldBy(services map[string]consul.AgentService, checks map[string]bool) bool {
	s, ok := services[r.ID]
	if !ok || s.Name != string(r.Name) || s.Address != string(r.Address) || s.Port != int(r.Port) ||
		!slices.Equal(s.Tags, r.Tags) || !maps.Equal(s.Meta, r.Meta) {
		return false
	}
	return r.Check == nil || checks[r.checkID()]
}
