package agent

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/lb"
)

// Config is what an Agent needs. The first group is required; the zero value of every
// other field is safe, and its default is in parentheses.
type Config struct {
	// What the agent works with.

	Intents Intents
	Source  Source
	HAProxy Balancer
	Runtime Runtime
	Journal Journal
	Memory  Memory

	// What it may work with.

	Archive Archive // keeps the texts of haproxy.cfg; nil: no text is kept
	Keys    Keys    // keeps certificates with their keys; nil: none is stored
	Issued  Issued  // has the certificates that are ordered; nil: none is
	// Certificates gives HAProxy certificates; nil: frontends get none.
	Certificates Certificates
	RawLines     RawLines      // checks raw lines; nil: all are accepted
	Announcer    Announcer     // registers the agent and frontends in Consul; nil: nothing is registered
	Overrides    OverrideStore // keeps overrides of members; nil: they end with the agent
	Holder       Holder        // learns what HAProxy finds down; nil: nothing is ever held

	// LogProblem is a sentence that says why the log is not written now; empty: it is.
	// nil: always.
	LogProblem func() string
	// StoreProblem is a sentence that says why Intents takes no revision now; empty: it
	// does. nil: always.
	StoreProblem func() string
	// Notices are further warnings for Status; nil: there are none.
	Notices func() []string

	// Registration in Consul.

	// Self is the agent's own registration; frontends' share its tags and meta.
	Self discovery.Registration
	// Outlived: HAProxy keeps running when the agent ends, and frontends stay
	// registered.
	Outlived bool

	// Addresses that administer this node. No traffic may lead there.

	// Control returns these addresses, and the same pointer while they are the same. nil: there are
	// none.
	Control func() *lb.Control
	// ControlChanged is poked when Control has another value; nil: never.
	ControlChanged <-chan struct{}
	// HasRoute reports whether this machine has a route to a host; nil: to every one.
	HasRoute func(lb.Host) bool
	// HasLocal reports whether this machine has the interface or address that a raw line names;
	// nil: always.
	HasLocal func(lb.LocalUse) bool

	// HAProxy at the start of the agent, and on standby.

	// Resume starts a HAProxy that does not run with the file of an earlier run;
	// nil: somebody else starts it. fs.ErrNotExist: there is no file.
	Resume func(ctx context.Context) error
	// Drops reports whether a configuration lacks a frontend or backend that HAProxy has from an
	// earlier run; nil: never.
	Drops func(config []byte) (bool, error)
	// MayBeIdle: Pacemaker runs HAProxy on this node or on others. Where it does not
	// run, its configuration is kept in place for its start.
	MayBeIdle bool

	// HashKeys reports whether HAProxy has the server option "hash-key"; nil: it has not. It must
	// not block.
	HashKeys func() bool

	// What every configuration and Status contain.

	Process lb.Process // HAProxy's own settings, rendered into every configuration
	Version string     // of the agent, for Status
	Label   string     // logical name of this load balancer

	// Files.

	// TemplateFile is the user's template (the embedded one). It is read again when it
	// changes.
	TemplateFile string
	// Hosts are the names that the node itself knows; nil: localhost.
	Hosts *HostsFile
	// Persistence is the JSON copy of the intent (none). It is rewritten after every
	// revision, beside the loop.
	Persistence string

	// Times.

	// The first change in Consul after a pause of MaxSettle (50 ms) is acted upon at
	// once. For later ones, Quiet is how long discovery must be silent before a round
	// (2 ms), and MaxSettle how long the round waits for that at most.
	Quiet, MaxSettle time.Duration
	// FirstAnswer is how long a change waits for Consul's first answer about a
	// service that was not watched before (2 s).
	FirstAnswer time.Duration
	// ReloadEvery is the mean time between reloads that a stream of changes may
	// cause (500 ms); ReloadBurst are free after a pause (10).
	ReloadEvery time.Duration
	ReloadBurst int
	// ReloadJitter is the maximum random delay before a reload that Consul triggered,
	// so that a fleet that sees the same change does not reload at once (no delay).
	ReloadJitter time.Duration

	// LongestChange is the maximum duration of one change in HAProxy or Runtime, without waiting
	// for other changes (2 min).
	LongestChange time.Duration

	// MaxServers bounds the server lines of haproxy.cfg, spare ones included (no bound).
	MaxServers int

	// What tests replace.

	// OldWorkers measures the workers that reloads have replaced; nil: reloads do not wait
	// for them.
	OldWorkers func(ctx context.Context) haproxy.OldWorkers
	// OldWorkerMemory is how much memory they may use, in bytes, until reloads are slowed
	// down; 0: any.
	OldWorkerMemory uint64
	// Chance returns a time from 0 up to, but not including, the one given (random).
	Chance func(time.Duration) time.Duration
	Now    func() time.Time // time.Now
	Logger *slog.Logger     // discards

	tuning *atomic.Pointer[Tuning] // Tune writes it
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.Quiet, 2*time.Millisecond)
	def(&c.MaxSettle, 50*time.Millisecond)
	def(&c.ReloadEvery, 500*time.Millisecond)
	def(&c.FirstAnswer, 2*time.Second)
	def(&c.LongestChange, 2*time.Minute)
	if c.ReloadBurst <= 0 {
		c.ReloadBurst = 10
	}
	if c.Chance == nil {
		c.Chance = rand.N[time.Duration]
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	tuning := c.Tuning()
	c.tuning = &atomic.Pointer[Tuning]{}
	c.tuning.Store(&tuning)
	return c
}
