package agent

import (
	"context"

	"thalassa/activity"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/lb"
)

// Intents is the store of what operators asked for. Commit and CommitAll are
// compare-and-set: they fail with *lb.StaleRevisionError when base is not the
// newest revision. CommitAll makes a revision of each proposal, or none at all.
type Intents interface {
	Load(ctx context.Context) (lb.Intent, error)
	Commit(ctx context.Context, base uint64, next lb.Intent, by lb.Origin) (lb.Revision, error)
	CommitAll(ctx context.Context, base uint64, proposals []lb.Proposal) ([]lb.Revision, error)
	Wait(ctx context.Context, after uint64) error
}

// Source is where members come from.
type Source interface {
	// Want replaces the set of services to watch.
	Want(services []lb.Name)
	// Snapshot is immutable and cheap.
	Snapshot() lb.Snapshot
	// Changed is a one-slot poke; the agent is its only reader.
	Changed() <-chan struct{}
}

// Balancer is the HAProxy that the agent keeps in step.
type Balancer interface {
	Check(ctx context.Context, config []byte) error
	Apply(ctx context.Context, config []byte, fingerprint string) (haproxy.Outcome, error)
	State(ctx context.Context) (haproxy.State, error)
}

// Runtime changes the servers of the running HAProxy without a reload.
type Runtime interface {
	// Adjust reads the states of the servers of some backends, and carries out the ops that decide
	// returns for them, until it returns none.
	Adjust(ctx context.Context, about []lb.Name, decide func([]lb.ServerState) ([]lb.ServerOp, error)) error
	Servers(ctx context.Context) ([]lb.ServerState, error)
	// Install makes config the file on disk of a HAProxy that already runs it.
	Install(ctx context.Context, config []byte) error
	// Intact reports whether the file on disk is still the one that was installed.
	Intact() bool
}

// Certificates gives certificates to HAProxy.
type Certificates interface {
	// PutFiles returns when all of the files are on disk, where haproxy.cfg may name them.
	PutFiles(ctx context.Context, files []haproxy.CertificateFile) error
	// Try lends a folder in the place of lb.Process.CertificateDir, and removes it.
	Try(ctx context.Context, use func(dir string, put haproxy.PutFiles) error) error
	// SweepFiles removes files that nothing names any more, except those to keep.
	SweepFiles(ctx context.Context, keep func(name string) bool)
	// Serve loads certificates into the running HAProxy without a reload.
	Serve(ctx context.Context, s haproxy.Serving) (done []string, err error)
	// Deviations lists how the certificates of the running HAProxy differ.
	Deviations(ctx context.Context, s haproxy.Serving) ([]string, error)
	// TryHandshakes makes sure that clients get the certificates expected.
	TryHandshakes(ctx context.Context, all []haproxy.Handshake) error
}

// Journal takes the events of the activity log.
type Journal interface {
	// Note never fails and never waits for a disk.
	Note(e activity.Event)
	// Flush stores what was noted.
	Flush(ctx context.Context) error
}

// Memory keeps the last good snapshot for a start without Consul.
type Memory interface {
	SaveSnapshot(ctx context.Context, s lb.Snapshot) error
}

// OverrideStore keeps what operators asked for single members over a restart.
type OverrideStore interface {
	// LoadOverrides leaves out those that cannot be read, which the error names.
	LoadOverrides(ctx context.Context) ([]lb.Override, error)
	SaveOverrides(ctx context.Context, list []lb.Override) error
}

// RawLines finds out which files and addresses the raw lines of frontends and backends use.
type RawLines interface {
	// Check looks at the raw lines of an edit: refused is why it is refused at once,
	// doubt why it is refused unless HAProxy refuses it first. Both are nil or
	// *lb.InvalidError.
	Check(e lb.Edit) (refused, doubt error)
	// Warnings are sentences about what is stored and would be refused now.
	Warnings(in lb.Intent) []string
}

// Announcer keeps the services that this node offers registered in Consul.
type Announcer interface {
	Set(services []discovery.Registration)
}

// Holder keeps instances that suddenly disappear from Consul.
type Holder interface {
	// Down sets the addresses that HAProxy's own checks find down.
	Down(addresses []lb.HostPort)
	// Accept removes the held instances of a service, as Consul says.
	Accept(service lb.Name)
}

// Archive keeps the texts of haproxy.cfg that were in effect.
type Archive interface {
	// RecordConfig stores one under the number after the newest, and returns it.
	RecordConfig(ctx context.Context, r lb.Recorded, text []byte) (uint64, error)
	// Configs lists them without their texts, newest first; before 0 from the
	// newest on.
	Configs(ctx context.Context, before uint64, limit int) ([]lb.Recorded, error)
}
