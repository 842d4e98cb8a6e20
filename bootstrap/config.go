package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"thalassa/cluster"
	"thalassa/services"
)

// DefaultPort is where an invitation listens, on the node's address for corosync.
const DefaultPort = 10009

// A Config says where things are. On a node, the zero value of each field but Cluster is right.
type Config struct {
	Corosync string // corosync's folder (/etc/corosync)
	CIB      string // Pacemaker's stored configuration (/var/lib/pacemaker/cib)
	Journal  string // folder for the journal (/var/lib/thalassa-cluster)
	Tools    string // folder of the tools of corosync and Pacemaker (/usr/sbin)
	Services Services
	Cluster  Cluster
	// Spread brings a corosync.conf to other nodes of the cluster. Default: they come for it, with
	// Sync or Join.
	Spread Spreader
	// Dial and Listen are those of the network.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
	// Addresses are those of this machine.
	Addresses func() ([]netip.Addr, error)
	// Tell is called for each event, one at a time; nil: nobody listens.
	Tell func(Event)
	// Settle bounds the wait for a node to be online and quorate (5 minutes), Silence the time
	// without a word from a node that joins (30 seconds).
	Settle, Silence time.Duration
	// BeforeStep is called before a step, for tests.
	BeforeStep func(step string)
}

// Services starts and stops the services of this node, as services.Control does.
type Services interface {
	Start(ctx context.Context, name string) error
	Stop(ctx context.Context, name string) error
	Enable(ctx context.Context, name string) error
	Disable(ctx context.Context, name string) error
	State(ctx context.Context, name string) (services.State, error)
}

// Cluster tells what Pacemaker on this node sees.
type Cluster interface {
	Now(ctx context.Context) (cluster.Status, error)
}

// A Spreader stores a corosync.conf on other nodes.
type Spreader interface {
	// Await returns when all nodes can store one.
	Await(ctx context.Context, nodes []string) error
	// Spread returns when all nodes have it. A node that has another one than base refuses it: the
	// new one was made of base, and would lose what somebody else has changed.
	Spread(ctx context.Context, nodes []string, base, conf []byte) error
}

// An Event tells what a command does.
type Event struct {
	// Step is the name of a step, or what else the event is about: code, node, sync, undo, fencing.
	Step string `json:"step"`
	// State is begin, done, kept (it was done before), undone, failed, waiting or warning.
	State string `json:"state"`
	Node  string `json:"node,omitempty"`
	Text  string `json:"text"` // a sentence
	// Code is what other nodes join with, and Expires its end.
	Code    string     `json:"code,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
}

// A ConflictError says that the state of this node or of the cluster does not allow what was asked
// for.
type ConflictError struct{ Problem string }

func (e *ConflictError) Error() string { return e.Problem }

// A BusyError says that another command is at work on this node. It is a *ConflictError as well.
type BusyError struct{ ConflictError }

// Unwrap is the *ConflictError.
func (e *BusyError) Unwrap() error { return &e.ConflictError }

func busy(problem string) error { return &BusyError{ConflictError{problem}} }

func conflict(format string, args ...any) error {
	return &ConflictError{fmt.Sprintf(format, args...)}
}

func (c Config) withDefaults() Config {
	c.Corosync = cmp.Or(c.Corosync, "/etc/corosync")
	c.CIB = cmp.Or(c.CIB, "/var/lib/pacemaker/cib")
	c.Journal = cmp.Or(c.Journal, "/var/lib/thalassa-cluster")
	c.Tools = cmp.Or(c.Tools, "/usr/sbin")
	c.Settle = cmp.Or(c.Settle, 5*time.Minute)
	c.Silence = cmp.Or(c.Silence, 30*time.Second)
	if c.Services == nil {
		c.Services = services.New(services.Config{})
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	if c.Listen == nil {
		c.Listen = new(net.ListenConfig).Listen
	}
	if c.Addresses == nil {
		c.Addresses = ownAddresses
	}
	if c.Tell == nil {
		c.Tell = func(Event) {}
	}
	if c.BeforeStep == nil {
		c.BeforeStep = func(string) {}
	}
	return c
}

func ownAddresses() ([]netip.Addr, error) {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of this machine: %w", err)
	}
	var all []netip.Addr
	for _, a := range found {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr().WithZone(""))
		}
	}
	return all, nil
}

// HostName is the name that a node gets unless it is told another one.
func HostName() (string, error) { return os.Hostname() }
