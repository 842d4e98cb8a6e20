package node

import (
	"time"

	"thalassa/lb"
)

// Status is the state of agent, HAProxy and discovery; lb.Status documents its fields.
type Status struct {
	Version   string          `json:"version"` // of the agent
	Label     string          `json:"label,omitempty"`
	Started   time.Time       `json:"started"`
	Revision  uint64          `json:"revision"`
	InEffect  uint64          `json:"inEffect"`
	Problem   string          `json:"problem,omitempty"`
	Warnings  []string        `json:"warnings,omitempty"`
	Empty     []EmptyBackend  `json:"empty,omitempty"` // by key
	HAProxy   HAProxyStatus   `json:"haproxy"`
	Discovery []ServiceStatus `json:"discovery"` // sorted by service
	// TLS is the API's certificate; nil: it is served in plain, or this is the topic "status".
	TLS *TLS `json:"tls,omitempty"`
	// Canaries that are under way, by backend; the topic "status" is without them.
	Canaries []Canary `json:"canaries,omitempty"`
}

// Ready reports whether HAProxy runs what was asked for, or why not.
func (s Status) Ready() (bool, []string) {
	return lb.Status{Problem: s.Problem, HAProxy: lb.HAProxyStatus(s.HAProxy)}.Ready()
}

// An EmptyBackend is a backend without members; lb.EmptyBackend documents its fields.
type EmptyBackend struct {
	ID       string   `json:"id"`
	RoutedBy []string `json:"routedBy"`
	Reason   string   `json:"reason"`
	Detail   string   `json:"detail,omitempty"`
}

// String is a sentence with all that is known.
func (e EmptyBackend) String() string { return lb.EmptyBackend(e).String() }

func newEmptyBackends(list []lb.EmptyBackend) []EmptyBackend {
	if len(list) == 0 {
		return nil
	}
	out := make([]EmptyBackend, 0, len(list))
	for _, e := range list {
		e.RoutedBy = append([]string{}, e.RoutedBy...)
		out = append(out, EmptyBackend(e))
	}
	return out
}

// HAProxyStatus is the state of HAProxy.
type HAProxyStatus struct {
	Running    bool   `json:"running"`
	Idle       bool   `json:"idle,omitempty"`
	Version    string `json:"version,omitempty"`
	MasterPID  int    `json:"masterPid,omitempty"`
	WorkerPID  int    `json:"workerPid,omitempty"`
	Reloads    int    `json:"reloads"`
	OldWorkers int    `json:"oldWorkers"`
	Lost       string `json:"lost,omitempty"`
}

// Reloaded is the answer to a reload, beside the fields of Applied.
type Reloaded struct {
	HAProxy HAProxyStatus `json:"haproxy"` // after the reload
}

// ServiceStatus is the state of a watched service.
type ServiceStatus struct {
	Service  string         `json:"service"`
	Known    bool           `json:"known"`
	Seen     time.Time      `json:"seen,omitzero"`
	Stale    string         `json:"stale,omitempty"`
	Versions []VersionCount `json:"versions"`
	Hold     *Hold          `json:"hold,omitempty"`
	// Unusable are the registrations that are not valid; at most 100.
	Unusable []Fault `json:"unusable,omitempty"`
	// ConsulPage is the URL of the service in Consul's web UI.
	ConsulPage string `json:"consulPage,omitempty"`
}

// A VersionCount is how many instances of a version there are.
type VersionCount struct {
	Version string `json:"version"`
	Total   int    `json:"total"`
	Healthy int    `json:"healthy"`
}

// A Hold says which instances a service keeps although Consul does not list them.
type Hold struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"`
	Lost   int       `json:"lost"`
	Reason string    `json:"reason"`
	Doubt  string    `json:"doubt,omitempty"`
}

// A Service is a watched service with its instances in Consul.
type Service struct {
	ServiceStatus

	Instances []Instance `json:"instances"`
}

// An Instance is an instance of a service; lb.Instance documents its fields.
type Instance struct {
	ID      string            `json:"id"`
	Node    string            `json:"node"`
	Address Address           `json:"address"`
	Version string            `json:"version,omitempty"`
	Tags    []string          `json:"tags,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
	Weight  int               `json:"weight"`
	Status  string            `json:"status"` // passing, warning, critical or maintenance
	Healthy bool              `json:"healthy"`
	Held    bool              `json:"held,omitempty"`
	Refused string            `json:"refused,omitempty"`
	// Reason says why no backend uses the instance, or why it is held.
	Reason string `json:"reason,omitempty"`
	// Checks that do not pass.
	Checks []Check `json:"checks,omitempty"`
	// HAProxy has a server for each backend whose member the instance is.
	HAProxy []InstanceServer `json:"haproxy,omitempty"`
}

// An InstanceServer is the state in HAProxy of the server for an instance in one backend.
type InstanceServer struct {
	Backend string `json:"backend"`
	ServerHealth
	// Reason says why the server gets no requests.
	Reason string `json:"reason,omitempty"`
}

func newInstanceServers(list []lb.InstanceServer) []InstanceServer {
	out := make([]InstanceServer, len(list))
	for i, s := range list {
		out[i] = InstanceServer{Backend: string(s.Backend), ServerHealth: newServerHealth(s.ServerHealth), Reason: s.Reason()}
	}
	return out
}

// NewStatus makes the JSON document of the status.
func NewStatus(s lb.Status) Status {
	return Status{
		Version: s.Version, Label: s.Label, Started: s.Started, Revision: s.Revision, InEffect: s.InEffect, Problem: s.Problem, Warnings: s.Warnings,
		HAProxy: HAProxyStatus(s.HAProxy), Discovery: NewServiceStatuses(s.Discovery), Empty: newEmptyBackends(s.Empty),
	}
}

// NewServiceStatuses makes the JSON document of a list of services; it is never nil.
func NewServiceStatuses(list []lb.ServiceStatus) []ServiceStatus {
	out := make([]ServiceStatus, len(list))
	for i, s := range list {
		out[i] = NewServiceStatus(s)
	}
	return out
}

// NewServiceStatus makes the JSON document of a service.
func NewServiceStatus(s lb.ServiceStatus) ServiceStatus {
	out := ServiceStatus{Service: string(s.Service), Known: s.Known, Seen: s.Seen, Stale: s.Stale, ConsulPage: s.Page, Versions: make([]VersionCount, len(s.Versions))}
	for i, v := range s.Versions {
		out.Versions[i] = VersionCount{Version: string(v.Version), Total: v.Total, Healthy: v.Healthy}
	}
	for _, f := range s.Unusable {
		out.Unusable = append(out.Unusable, NewFault(f))
	}
	if h := s.Hold; h != nil {
		out.Hold = &Hold{Since: h.Since, Until: h.Until, Lost: h.Lost, Reason: h.Reason, Doubt: string(h.Doubt)}
	}
	return out
}

// String is reason and doubt, for people.
func (h Hold) String() string { return lb.Hold{Reason: h.Reason, Doubt: lb.Doubt(h.Doubt)}.String() }

// NewService makes the JSON document of a service with its instances, the checks that do not
// pass, and what lb.ServersOf says of each instance.
func NewService(status lb.ServiceStatus, s lb.Service, servers [][]lb.InstanceServer) Service {
	out := Service{ServiceStatus: NewServiceStatus(status), Instances: make([]Instance, len(s.Instances))}
	for i, f := range status.Unusable {
		out.Unusable[i].Checks = newChecks(f.Checks)
	}
	for i, in := range s.Instances {
		reason, checks := s.Reason(in)
		out.Instances[i] = Instance{
			ID: in.ID, Node: in.Node, Address: Address{Host: string(in.Address.Host), Port: int(in.Address.Port)},
			Version: string(in.Version), Tags: in.Tags, Meta: in.Meta, Weight: in.Weight, Status: in.Status,
			Healthy: in.Healthy, Held: in.Held, Refused: in.Refused, Reason: reason, Checks: newChecks(checks),
		}
		if i < len(servers) {
			out.Instances[i].HAProxy = newInstanceServers(servers[i])
		}
	}
	return out
}
