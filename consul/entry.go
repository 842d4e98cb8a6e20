package consul

import "github.com/hashicorp/consul/api"

// States of a health check.
const (
	Passing     = api.HealthPassing
	Warning     = api.HealthWarning
	Critical    = api.HealthCritical
	Maintenance = api.HealthMaint
)

// Ids of the checks of maintenance mode.
const (
	NodeMaintenance          = api.NodeMaint
	ServiceMaintenancePrefix = api.ServiceMaintPrefix // the instance's ID follows
)

// An Entry is an instance in an answer of /v1/health/service. Node and Service are nil
// if the answer lacks them.
type Entry struct {
	Node    *Node
	Service *Service
	Checks  []EntryCheck // of the instance and of its node
}

// A Node is the node of an instance.
type Node struct {
	Node       string // its name
	Address    string
	Datacenter string
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

// Weights of an instance by its status.
type Weights struct{ Passing, Warning int }

// DefaultPort returns the port marked as default, else Port.
func (s *Service) DefaultPort() int {
	for _, p := range s.Ports {
		if p.Default {
			return p.Port
		}
	}
	return s.Port
}

// An EntryCheck is a health check in the answer for one service, with what people read.
type EntryCheck struct {
	Check

	Name, Output string
	Notes        string // of maintenance mode: the reason
}

// Check has the used fields of a health check. ServiceID and ServiceName are empty for
// a check of a node.
type Check struct {
	Node, CheckID, ServiceID, ServiceName, Status string
}
