package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"thalassa/activity"
	"thalassa/auth"
	"thalassa/lb"
	"thalassa/listen"
	"thalassa/routes"
	"thalassa/stage"
	"thalassa/stats"
	"thalassa/stream"
)

// Changer carries out changes. When a call returns, the change is in effect, or its
// Applied says why not. Errors: those of lb.Intent.Apply, *lb.RefusedError,
// *lb.UnavailableError. After a Switch, the Applied has the backend. The end of ctx ends the waiting; a change that has been stored by
// then stays.
type Changer interface {
	Edit(ctx context.Context, e lb.Edit) (lb.Applied, error)
	Switch(ctx context.Context, s lb.Switch) (lb.Applied, error)
	// Apply carries out a changeset as one revision. An error about one of several edits
	// is an *lb.EditError.
	Apply(ctx context.Context, set stage.Changeset) (lb.Applied, error)
	// Preview returns what a changeset would do, and makes HAProxy check the result. Nothing
	// changes.
	Preview(ctx context.Context, set stage.Changeset) (stage.Preview, error)
	// Accept ends the hold of a service.
	Accept(ctx context.Context, service lb.Name, by lb.Origin) error
}

// Views has the configuration by operators, the instances in Consul, and the status.
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

// History is the revisions of the intent, newest first. Before 0
// means to start with the newest. An unknown number is an *lb.NotFoundError.
type History interface {
	Revisions(ctx context.Context, before uint64, limit int) ([]lb.Revision, error)
	Revision(ctx context.Context, number uint64) (lb.Revision, error)
	// IntentAt is what operators asked for as of a revision; 0: nothing.
	IntentAt(ctx context.Context, number uint64) (lb.Intent, error)
}

// Archive is the texts of haproxy.cfg that were in effect, newest first. Before 0
// means to start with the newest. An unknown number is an *lb.NotFoundError.
type Archive interface {
	Configs(ctx context.Context, before uint64, limit int) ([]lb.Recorded, error)
	ConfigText(ctx context.Context, number uint64) (lb.Recorded, []byte, error)
	// ConfigOf is the newest one that was in effect for a revision of the intent.
	ConfigOf(ctx context.Context, revision uint64) (lb.Recorded, error)
}

// A KeyStore keeps certificates with their private keys under their digests.
type KeyStore interface {
	// Put returns when all texts are stored.
	Put(texts map[string][]byte) error
	// Text is one of them; fs.ErrNotExist: there is none.
	Text(digest string) ([]byte, error)
}

// Staples tell how the OCSP responses of certificates stand.
type Staples interface {
	// Status is that of a file of a certificate, by its digest; false: no client gets it.
	Status(digest string) (lb.StapleStatus, bool)
}

// Orders orders certificates by ACME.
type Orders interface {
	// Check refuses what this node may not, or cannot, order: an *lb.InvalidError.
	Check(a lb.ACME) error
	// Files are what has been issued last, or a stand-in.
	Files(a lb.ACME) []lb.PEMFile
	Status(a lb.ACME) lb.OrderStatus
	// Renew begins another order, unless one is under way: an *lb.ConflictError if the
	// server wants none yet.
	Renew(c lb.Certificate) error
}

// Config is what a Server needs. The first seven fields are required, unless it is a Console.
type Config struct {
	Changes  Changer
	Views    Views
	Activity Log
	History  History
	Drafts   Drafts
	Configs  Archive
	// ServiceNames lists the services in Consul's catalog; *lb.UnavailableError while
	// Consul does not answer. nil: they are not available.
	ServiceNames func(ctx context.Context) ([]lb.Name, error)
	// Reload reloads HAProxy, so that it reads renewed files, and returns when the new
	// worker serves; *lb.RefusedError if it does not accept them. nil: not available.
	Reload func(ctx context.Context, by lb.Origin) (lb.Applied, error)
	// HAProxyConfig reads haproxy.cfg as last written;
	// *lb.UnavailableError while there is none.
	HAProxyConfig func(ctx context.Context) ([]byte, error)

	// Stats reads HAProxy's statistics of the servers of a backend;
	// *lb.UnavailableError while HAProxy is not running. nil: they are not available.
	Stats func(ctx context.Context, backend lb.Name) ([]lb.ServerStats, error)

	// Connections reads which servers of a backend have connections; errors and nil as
	// for Stats.
	Connections func(ctx context.Context, backend lb.Name) ([]lb.ServerConnections, error)

	// Staples tell how OCSP responses stand; nil: not available.
	Staples Staples
	// Orders orders certificates; nil: not available.
	Orders Orders
	// Backups makes and reads backups; nil: not available.
	Backups Backups
	// Members changes single members; nil: not available.
	Members MemberChanger
	// Canaries carries out deploys in steps; nil: not available.
	Canaries Canaries

	// Changed returns a channel that is closed when Views may have changed; nil: they
	// never change.
	Changed func() <-chan struct{}
	// Sampler has HAProxy's statistics; nil: there are none.
	Sampler *stats.Sampler
	// Unresolved are the servers of a backend whose host names HAProxy cannot resolve, by
	// name; nil: there are none.
	Unresolved func(backend lb.Name) []string
	// Hub has the topics of the websocket, to which the Server adds its own. nil: the
	// Server makes one.
	Hub *stream.Hub
	// OpenMetrics lets everybody read /metrics without a token.
	OpenMetrics bool
	// MaxWebsockets is the maximum number of open websockets (4096).
	MaxWebsockets int
	// MaxWebsocketsOfCaller is the maximum number of them from one address, and with one
	// token (256).
	MaxWebsocketsOfCaller int
	// ConnState is called with each change of a connection's state, as by http.Server; nil: no
	// call.
	ConnState func(net.Conn, http.ConnState)
	// OpenConnections returns the number of open connections, and the total number that were
	// refused or closed because there were too many; nil: unknown.
	OpenConnections func() (open int, refused uint64)
	// Refused is called with the reason, a sentence, when a websocket is refused because there are
	// too many; nil: no call. It must not block.
	Refused func(why string)

	// Cluster is the cluster of this node, ClusterActions act on it, and
	// ClusterConfiguration changes its configuration. ClusterJobs keeps what was asked. All are nil if the node is in no
	// cluster.
	Cluster              ClusterView
	ClusterActions       ClusterActions
	ClusterConfiguration ClusterConfiguration
	ClusterJobs          ClusterJobs
	// ClusterNode answers the agents of other nodes, and IsSealError reports that nobody in the
	// cluster has asked; nil with the others.
	ClusterNode ClusterNode
	IsSealError func(error) bool
	// ClusterMembers changes which nodes the cluster has; nil with the others.
	ClusterMembers ClusterMembers
	// ClusterForesight simulates the cluster; nil with the others.
	ClusterForesight ClusterForesight
	// ClusterAgents knows the resource agents of this node; nil with the others.
	ClusterAgents ClusterAgents
	// ClusterHAProxy plans HAProxy in the cluster's configuration; nil with the others.
	ClusterHAProxy ClusterHAProxy
	// ClusterHistory tells what the cluster went through; nil: none is kept.
	ClusterHistory ClusterHistory
	// ClusterImports keeps pasts that came in files, and ClusterImported is the past of one of
	// them, *lb.NotFoundError; both nil: there are none.
	ClusterImports  ClusterImports
	ClusterImported func(id string) (ClusterHistory, error)
	// ClusterDrafts keeps drafts of the cluster's configuration; nil: there are none.
	ClusterDrafts ClusterDrafts

	// Clusters are other clusters, which this agent shows; nil: there are none.
	Clusters Clusters
	// Console makes this an agent that only shows Clusters: it has no HAProxy, no Consul and no
	// cluster of its own. Requests about these are answered with 404. Views and all that reads or
	// changes objects may be nil.
	Console bool

	// Certificate describes the API's certificate where the listener serves TLS; plain
	// requests on it are then sent to https. nil: the API is served in plain.
	Certificate func() listen.Info

	// Keys keeps certificates with their keys; nil: none are stored.
	Keys KeyStore

	// Authority identifies callers; nil: every connection that Admit accepts has all rights.
	Authority *auth.Authority
	// Audit records changes, logins and refusals; nil: they are not recorded.
	Audit Auditor
	// SessionFile keeps the sessions of browsers over a restart; empty: they end with
	// the process.
	SessionFile string
	// Share makes sessions valid on all nodes of a cluster; nil: only on this node. The caller
	// exchanges the documents of Server.Shared, and SessionProblems returns sentences about
	// problems with that; nil: there are none.
	Share           *auth.ShareConfig
	SessionProblems func() []string
	// RecheckEvery is how often the provider or the system is asked whether the users of sessions
	// still exist; 0: auth.RecheckEvery.
	RecheckEvery time.Duration
	// Loopback says that the listener is on the loopback. Without tokens only
	// requests whose Host header is localhost, an IP address or one of
	// AllowedHosts are served then. Otherwise a web page could reach the API
	// through a name of its own that resolves to 127.0.0.1.
	Loopback bool
	// AllowedHosts are further names of this machine, without ports.
	AllowedHosts []string
	// Names are the names and addresses of this machine, beside those of Certificate. nil:
	// there are none. It is asked about each Host header that is none of the others, and
	// waits for nothing.
	Names func() []string

	// Admit decides, where there are no tokens, whether a connection that was
	// accepted at the address to, from the address from, has rights. The error is
	// the reason why not, as a clause. nil: every connection has.
	Admit func(ctx context.Context, from, to netip.AddrPort) error

	// LogProblem is a sentence that says why the log is not written now; empty: it is.
	// LogDropped is how many of its lines were dropped; nil: none.
	LogProblem func() string
	LogDropped func() uint64
	// StoreProblem is a sentence, which anybody may read, that says why nothing can be stored now;
	// empty: it can. nil: always.
	StoreProblem func() string
	// TemplateProblem is a sentence, which anybody may read, that says why the template file is not
	// in use; empty: it is. nil: always.
	TemplateProblem func() string

	// Hangs returns sentences that say which loop of the agent hangs, in which step and since when;
	// empty: none hangs. nil: none ever does.
	Hangs func() []string

	// BodyBytes is the maximum size of the large bodies under way, all together (8 MiB),
	// and AnswerBytes the memory for large answers (64 MiB). One caller gets half of each.
	BodyBytes, AnswerBytes int64

	// Routes are files and applications at paths of their own; nil: there are none.
	Routes *routes.Router

	// Dialects are further REST interfaces beside the one of docs/api.md; nil: none.
	Dialects []Dialect

	Version string           // of the agent
	Label   string           // logical name of this load balancer
	Now     func() time.Time // time.Now
	Logger  *slog.Logger     // default: discards
}

func (c Config) withDefaults() Config {
	if c.Changed == nil {
		c.Changed = func() <-chan struct{} { return nil }
	}
	if c.Console {
		c.Views = noNode{}
	}
	if c.Hub == nil {
		c.Hub = stream.New(stream.Config{Now: c.Now})
	}
	if c.RecheckEvery <= 0 {
		c.RecheckEvery = auth.RecheckEvery
	}
	if c.SessionProblems == nil {
		c.SessionProblems = func() []string { return nil }
	}
	if c.MaxWebsockets <= 0 {
		c.MaxWebsockets = 4096
	}
	if c.LogProblem == nil {
		c.LogProblem = func() string { return "" }
	}
	if c.OpenConnections == nil {
		c.OpenConnections = func() (int, uint64) { return 0, 0 }
	}
	if c.Refused == nil {
		c.Refused = func(string) {}
	}
	if c.TemplateProblem == nil {
		c.TemplateProblem = func() string { return "" }
	}
	if c.StoreProblem == nil {
		c.StoreProblem = func() string { return "" }
	}
	if c.Hangs == nil {
		c.Hangs = func() []string { return nil }
	}
	if c.LogDropped == nil {
		c.LogDropped = func() uint64 { return 0 }
	}
	if c.BodyBytes <= 0 {
		c.BodyBytes = 8 << 20
	}
	if c.AnswerBytes <= 0 {
		c.AnswerBytes = 64 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
