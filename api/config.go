package api

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"thalassa/activity"
	"thalassa/auth"
	"thalassa/lb"
	"thalassa/stats"
	"thalassa/stream"
)

// Changer carries out changes. A change is in effect, or its Applied says why
// not, when a call returns. Errors: those of lb.Intent.Apply, *lb.RefusedError,
// *lb.UnavailableError. The end of ctx ends the waiting; what has been stored by
// then stays.
type Changer interface {
	Edit(ctx context.Context, e lb.Edit) (lb.Applied, error)
	Switch(ctx context.Context, s lb.Switch) (lb.Applied, error)
	// Accept ends the hold of a service.
	Accept(ctx context.Context, service lb.Name, by lb.Stamp) error
}

// Views shows what was asked for, what Consul said and how things stand.
type Views interface {
	Intent(ctx context.Context) (lb.Intent, error)
	Snapshot() lb.Snapshot
	Status(ctx context.Context) (lb.Status, error)
}

// Log is the activity log, as *activity.Log has it.
type Log interface {
	Events(ctx context.Context, q activity.Query) ([]activity.Event, error)
	// Last is the number of the newest event.
	Last() uint64
	// Wait returns nil as soon as there is an event newer than since.
	Wait(ctx context.Context, since uint64) error
}

// History is what has become of the intent, newest revision first. Before 0
// means from the newest on.
type History interface {
	Revisions(ctx context.Context, before uint64, limit int) ([]lb.Revision, error)
}

// Archive is the texts of haproxy.cfg that were in effect, newest first. Before 0
// means from the newest on; *lb.NotFoundError when there is no text of a number.
type Archive interface {
	Configs(ctx context.Context, before uint64, limit int) ([]lb.Recorded, error)
	ConfigText(ctx context.Context, number uint64) (lb.Recorded, []byte, error)
}

// Config is what a Server needs. The first six fields are required.
type Config struct {
	Changes  Changer
	Views    Views
	Activity Log
	History  History
	Configs  Archive
	// HAProxyConfig gives the bytes of haproxy.cfg as last written;
	// *lb.UnavailableError while there are none.
	HAProxyConfig func(ctx context.Context) ([]byte, error)

	// Stats reads what HAProxy counts for the server lines of a backend;
	// *lb.UnavailableError while HAProxy is not running. nil: nobody can tell.
	Stats func(ctx context.Context, backend lb.Name) ([]lb.ServerStats, error)

	// Connections reads which servers of a backend have some under way, in the words
	// of Stats.
	Connections func(ctx context.Context, backend lb.Name) ([]lb.ServerConnections, error)

	// Changed returns a channel that is closed when Views may show something
	// else; nil: they never do.
	Changed func() <-chan struct{}
	// Sampler has HAProxy's statistics; nil: there are none.
	Sampler *stats.Sampler
	// Hub has the topics of the websocket; the Server adds its own. nil: one of
	// the Server's own.
	Hub *stream.Hub
	// OpenMetrics lets everybody read /metrics, also where tokens are needed
	// otherwise.
	OpenMetrics bool
	// MaxWebsockets bounds the websockets that are open at once (4096).
	MaxWebsockets int

	// Cluster is what this node is part of, and ClusterActions what can be done to
	// it; nil, both: it is in none.
	Cluster        ClusterView
	ClusterActions ClusterActions

	// Tokens say who may do what; nil: everybody may do everything whom Admit lets in.
	Tokens *auth.Tokens
	// Loopback says that the listener is on the loopback. Without tokens only
	// requests whose Host header is localhost, an IP address or one of
	// AllowedHosts are served then, so that no web page can reach the API
	// through a name of its own that resolves to 127.0.0.1.
	Loopback bool
	// AllowedHosts are further names of this machine, without ports.
	AllowedHosts []string

	// Admit finds out, where there are no tokens, whether a connection that was
	// accepted at the address to, from the address from, may have rights. The error is
	// why not, as a clause. nil: each may.
	Admit func(ctx context.Context, from, to netip.AddrPort) error

	// Dialects are further REST interfaces beside the one of docs/api.md; nil: none.
	Dialects []Dialect

	Version string           // of the agent
	Label   string           // logical name of this load balancer
	Now     func() time.Time // time.Now
	Logger  *slog.Logger     // discards
}

func (c Config) withDefaults() Config {
	if c.Changed == nil {
		c.Changed = func() <-chan struct{} { return nil }
	}
	if c.Hub == nil {
		c.Hub = stream.New(stream.Config{})
	}
	if c.MaxWebsockets <= 0 {
		c.MaxWebsockets = 4096
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
