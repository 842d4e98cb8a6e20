// Package agent is the loop of the node agent: it takes what operators asked
// for and what Consul says, works out what HAProxy is to run, and sees to it
// that HAProxy runs it. It owns order, settling, retries and going back; what
// is to run is decided in lb, template and plan, and how it gets there in
// haproxy. It never listens, parses flags or talks to Consul or a socket itself.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"thalassa/activity"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// Intents is the store of what operators asked for. Commit is a
// compare-and-set: it fails with *lb.StaleRevisionError when base is not the
// newest revision.
type Intents interface {
	Load(ctx context.Context) (lb.Intent, error)
	Commit(ctx context.Context, base uint64, next lb.Intent, by lb.Stamp) (lb.Revision, error)
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
	// Adjust does to the servers of some backends what decide says, given how they
	// stand, until it says nothing more.
	Adjust(ctx context.Context, about []lb.Name, decide func([]lb.ServerState) ([]lb.ServerOp, error)) error
	Servers(ctx context.Context) ([]lb.ServerState, error)
	// Install makes config the file on disk of a HAProxy that runs it already.
	Install(ctx context.Context, config []byte) error
	// Intact reports whether that is the file on disk still.
	Intact() bool
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

// RawLines judges what the raw lines of frontends and backends reach.
type RawLines interface {
	// Check judges what an edit writes: refused at once, or, doubt, unless HAProxy
	// refuses it first. Both are nil or *lb.InvalidError.
	Check(e lb.Edit) (refused, doubt error)
	// Warnings are sentences about what is stored and would be refused now.
	Warnings(in lb.Intent) []string
}

// Announcer keeps the services that this node offers registered in Consul.
type Announcer interface {
	Set(services []discovery.Registration)
}

// Config is what an Agent needs. Intents, Source, HAProxy, Runtime, Journal and
// Memory are required.
type Config struct {
	Intents Intents
	Source  Source
	HAProxy Balancer
	Runtime Runtime
	Journal Journal
	Memory  Memory

	// Archive keeps the texts of haproxy.cfg; nil: nobody does.
	Archive Archive
	// RawLines judges raw lines; nil: all are taken.
	RawLines RawLines
	// Announcer is told the agent's own service and those of the frontends that
	// ask for one; nil: nothing is registered.
	Announcer Announcer
	// Self is the agent's own registration; frontends' share its tags and meta.
	Self discovery.Registration
	// Outlived: HAProxy goes on when the agent ends, and frontends stay registered.
	Outlived bool

	// Holder is told what HAProxy finds down and what operators accept; nil:
	// nothing is ever held.
	Holder Holder

	// Control says which addresses administer this node, so that no traffic may lead
	// there: the same value while they are the same. nil: none does.
	Control func() *lb.Control
	// ControlChanged is poked when Control has another value; nil: never.
	ControlChanged <-chan struct{}

	// Resume starts a HAProxy that does not run with the file of an earlier run;
	// nil: somebody else starts it. fs.ErrNotExist: there is no file.
	Resume func(ctx context.Context) error
	// Drops tells whether a configuration lacks a frontend or backend that HAProxy
	// has from an earlier run; nil: none does.
	Drops func(config []byte) (bool, error)
	// MayBeIdle: Pacemaker has HAProxy run on this node or on others. Where it
	// does not run, its configuration is kept in place for its start.
	MayBeIdle bool

	Process lb.Process // HAProxy's own settings, rendered into every config
	Version string     // of the agent, for Status
	Label   string     // logical name of this load balancer

	// TemplateFile is the user's template; empty: the embedded one. It is read
	// again when it changes.
	TemplateFile string
	// Persistence is the JSON copy of the intent; empty: none. It is rewritten
	// after every revision, beside the loop.
	Persistence string

	// Quiet is how long discovery must be silent before a round (2 ms), and
	// MaxSettle how long a round is put off at most (50 ms).
	Quiet, MaxSettle time.Duration
	// ReloadEvery is the mean time between reloads that a stream of changes may
	// cause (500 ms); ReloadBurst are free after a pause (10).
	ReloadEvery time.Duration
	ReloadBurst int
	// ReloadJitter is the longest time that a reload waits which a change in Consul
	// calls for, and no operator: by chance, so that a fleet that sees the same change
	// does not reload at the same time (0: none waits).
	ReloadJitter time.Duration
	// Chance chooses a time from 0 up to, and without, the one given (at random).
	Chance func(time.Duration) time.Duration
	// FirstAnswer is how long a change waits for Consul's first answer about a
	// service that was not watched before (2 s).
	FirstAnswer time.Duration

	Now    func() time.Time // time.Now
	Logger *slog.Logger     // discards
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
	return c
}

// An Agent keeps HAProxy in step with intent and discovery. Make it with New,
// let Run run; the other methods may be called from any goroutine meanwhile.
type Agent struct {
	cfg      Config
	started  time.Time
	template *templateFile
	interest interest
	limiter  *rate.Limiter

	poke    chan struct{} // one slot: look again now
	again   chan struct{} // one slot: HAProxy was started again
	write   chan struct{} // one slot: there is something to write down
	sources wake.Signal   // the source's snapshot has changed
	views   wake.Signal   // something that is shown has changed

	changing chan struct{} // one slot: held by the change that is under way, and until Run has imported
	ended    chan struct{} // closed when no round will follow any more

	mu          sync.Mutex
	fileProblem string       // why the file on disk is not what HAProxy runs
	lines       []string     // warnings about raw lines that are in effect and would be refused now
	last        outcome      // of the newest round
	unrecorded  []*effective // texts that the archive does not have yet, oldest first
	pending     *pending     // the revision that a change waits for; nil: none
	unproven    *unproven    // the newest revision, while HAProxy has neither taken nor refused it
	warnings    []string     // what is left out of HAProxy's configuration

	inStep    chan struct{}             // closed when a round has applied for the first time
	effective atomic.Pointer[effective] // what HAProxy runs; nil: not known yet

	running running // of the loop alone, as is
	files   uint64  // the number of the last haproxy.cfg
	rounds  uint64  // so far
	// doubtful: servers of some backends were astray, and nobody has looked at the
	// others since.
	doubtful bool
	lost     string // the ways to HAProxy that were, when it was looked at last

	left      leftOut // of the loop alone
	instances marker  // of the snapshot that may be used

	persisted   persisted // of the scribe alone, as are
	installed   uint64    // the file that it has put on disk; 0: not known
	recordFails bool      // what the archive does not take now
}

// farewell is how long writing everything down may take at the end.
const farewell = 5 * time.Second

// New makes an agent and reads its template. The error names the template's
// file and line. Nothing is started.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	tmpl, err := openTemplate(cfg.TemplateFile)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		cfg:      cfg,
		started:  cfg.Now(),
		template: tmpl,
		interest: interest{source: cfg.Source},
		limiter:  rate.NewLimiter(rate.Every(cfg.ReloadEvery), cfg.ReloadBurst),
		poke:     make(chan struct{}, 1),
		again:    make(chan struct{}, 1),
		write:    make(chan struct{}, 1),
		changing: make(chan struct{}, 1),
		ended:    make(chan struct{}),
		inStep:   make(chan struct{}),
	}
	a.changing <- struct{}{} // a change before the import would make the file look out of date
	return a, nil
}

// Run imports, unless that is done, and keeps HAProxy in step until ctx ends, which
// is no error. HAProxy is left running.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.Import(ctx); err != nil {
		close(a.ended)
		return err
	}
	a.unlockChanges()
	a.cfg.Journal.Note(activity.Event{Verb: activity.Started, Object: agentObject(a.cfg.Label)})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(a.ended)
		return a.loop(ctx)
	})
	g.Go(func() error { return a.scribe(ctx) })
	g.Go(func() error { return a.followIntents(ctx) })
	g.Go(func() error { return a.followTemplate(ctx) })
	err := g.Wait()
	a.cfg.Journal.Note(activity.Event{Verb: activity.Stopped, Object: agentObject(a.cfg.Label)})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	a.writeDown(last)
	return err
}

// Restarted tells that HAProxy has ended and runs again, with the file on disk. What
// changed a moment before may not be in it: the servers are looked at at once.
func (a *Agent) Restarted() {
	select {
	case a.again <- struct{}{}:
	default: // that look has not begun
	}
}

// Look asks for a round soon, e.g. because HAProxy has ended.
func (a *Agent) Look() {
	select {
	case a.poke <- struct{}{}:
	default: // a look is due already, and it will see everything
	}
}

// InStep is closed once HAProxy runs what was asked for, for the first time
// since the agent was made.
func (a *Agent) InStep() <-chan struct{} { return a.inStep }

func (a *Agent) wasInStep() bool {
	select {
	case <-a.inStep:
		return true
	default:
		return false
	}
}

// Snapshot is what discovery knows now. Instances at control addresses are refused.
func (a *Agent) Snapshot() lb.Snapshot {
	return a.instances.mark(a.cfg.Source.Snapshot(), a.control())
}

// Intent is what operators asked for now.
func (a *Agent) Intent(ctx context.Context) (lb.Intent, error) {
	in, err := a.cfg.Intents.Load(ctx)
	if err != nil {
		return lb.Intent{}, fmt.Errorf("loading the stored configuration: %w", err)
	}
	return in, nil
}

// followIntents looks again whenever somebody committed a revision, and keeps
// the set of watched services and what is registered.
func (a *Agent) followIntents(ctx context.Context) error {
	for {
		in, err := a.Intent(ctx)
		if err != nil {
			return wake.UnlessOver(ctx, err)
		}
		a.interest.require(in)
		a.judgeStored(ctx, in)
		a.Look()
		a.wakeScribe()
		a.announce(in)
		a.views.Broadcast()
		if err := a.cfg.Intents.Wait(ctx, in.Revision); err != nil {
			return wake.UnlessOver(ctx, fmt.Errorf("waiting for a revision: %w", err))
		}
	}
}
