package consul

import "github.com/hashicorp/consul/api"

// States of a health check.
const (
	Passing     = api.HealthPassing
	Warning     = api.HealthWarning
	Critical    = api.HealthCritical
	Maintenance = api.HealthMaint
)

// Checks by which Consul keeps a node or an instance in maintenance mode.
const (
	NodeMaintenance          = api.NodeMaint
	ServiceMaintenancePrefix = api.ServiceMaintPrefix // the instance's ID follows
)

// An Entry is one instance of a service as /v1/health/service tells it. Node and
// Service are nil in an answer that lacks them.
type Entry struct {
	Node    *Node
	Service *Service
	Checks  []Check // of the instance and of its node
}

// A Node is the machine that an instance is registered on.
type Node struct {
	Node    string // its name
	Address string
}

// A Service is the registration of an instance.
type Service struct {
	ID      string
	Tags    []string
	Meta    map[string]string
	Address string // empty: the node's
	Port    int
	Ports   []Port // named ones; see DefaultPort
	Weights Weights
}

// A Port is one of several that an instance has.
type Port struct {
	Name    string
	Port    int
	Default bool
}

// Weights of an instance, by how its checks stand.
type Weights struct{ Passing, Warning int }

// DefaultPort is the port marked as the default one, else Port.
func (s *Service) DefaultPort() int {
	for _, p := range s.Ports {
		if p.Default {
			return p.Port
		}
	}
	return s.Port
}

// Check is what matters of a health check: whose it is and how it stands.
// ServiceID and ServiceName are empty where it is a node's own.
type Check struct {
	Node, CheckID, ServiceID, ServiceName, Status string
}
