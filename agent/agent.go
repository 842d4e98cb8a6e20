// Package agent is the loop of the node agent. It combines what operators asked for with what
// Consul says, works out what HAProxy should run, and makes HAProxy run it. It decides when things
// happen: their order, how long to wait for more changes, retries and rollbacks. What HAProxy
// should run is decided in lb, template and plan, and how it gets there in haproxy. It never
// listens, parses flags or talks to Consul or a socket itself.
//
// Each part has its own state, which only its file writes:
//
//   - The reconciler is the loop. It owns what runs (running), with the servers at run
//     time (serverUpdater), the driftMonitor, deferred reloads (reloadSchedule) and the
//     activity log of the loop (reporter).
//   - The changes of operators, with what reverts a refused one (reverter).
//   - The memberStates carry out what operators ask for single members.
//   - The persister writes haproxy.cfg, its archive, the JSON copy and the activity log.
//   - The templateWatcher puts a changed template into use.
//
// They share what the agent is told (inputs), the services that it watches (interest),
// the outcomes of rounds, and the renderer.
package agent

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/internal/heartbeat"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/stage"
)

// An Agent keeps HAProxy in step with intent and discovery. Create it with New and call Run; the
// other methods may be called from any goroutine while Run runs.
type Agent struct {
	cfg     *Config
	started time.Time

	views     *wake.Signal // something that is shown has changed
	inStep    *latch       // a round has applied for the first time
	ended     *latch       // no round will follow any more
	look      wake.Poke    // asks for a round
	restarted wake.Poke    // HAProxy was started again
	renewals  *renewals

	inputs   *inputs
	interest *interest
	current  *atomic.Pointer[effective] // what HAProxy runs; nil: not known yet
	renderer *renderer
	outcomes *outcomes
	lock     *changeLock

	lines      *lineWarnings
	warnings   *controlWarnings
	unresolved *unresolved
	local      *localUses
	persister  *persister
	changes    *changes
	members    *memberStates
	templates  *templateWatcher
	reconciler *reconciler
}

// farewell bounds the time for writing everything to disk at the end.
const farewell = 5 * time.Second

// New makes an agent and reads its template. The error names the template's file and
// line. Nothing is started.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	file, seen, err := openTemplate(cfg.TemplateFile)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		cfg: &cfg, started: cfg.Now(),
		views: &wake.Signal{}, inStep: newLatch(), ended: newLatch(), look: wake.NewPoke(), restarted: wake.NewPoke(), renewals: &renewals{poke: wake.NewPoke()},
		interest: &interest{source: cfg.Source}, current: &atomic.Pointer[effective]{}, renderer: newRenderer(),
		lines: &lineWarnings{cfg: &cfg}, warnings: &controlWarnings{cfg: &cfg},
	}
	a.inputs = &inputs{cfg: a.cfg, views: a.views, files: &certificateFiles{cfg: a.cfg}}
	a.unresolved, a.local = &unresolved{cfg: a.cfg, views: a.views}, &localUses{cfg: a.cfg}
	a.outcomes = &outcomes{look: a.look, ended: a.ended, views: a.views}
	a.lock = newChangeLock(a.ended)
	a.persister = &persister{
		cfg: a.cfg, inStep: a.inStep, current: a.current, renderer: a.renderer, due: wake.NewPoke(),
		file:         &configFile{cfg: a.cfg, renderer: a.renderer, current: a.current},
		certificates: a.inputs.files,
		archive:      &archiver{cfg: a.cfg, renderer: a.renderer},
		copy: &intentCopy{cfg: a.cfg, inputs: a.inputs, importer: &importer{
			cfg: a.cfg, inputs: a.inputs, templates: file, renderer: a.renderer,
		}},
	}
	a.templates = &templateWatcher{
		cfg: a.cfg, file: file, seen: seen, inputs: a.inputs, renderer: a.renderer, current: a.current,
		outcomes: a.outcomes, lock: a.lock, persister: a.persister, renewals: a.renewals, reread: wake.NewPoke(),
	}
	earlier := &earlierRun{cfg: a.cfg, inputs: a.inputs, renderer: a.renderer, inStep: a.inStep}
	rate := newReloadRate(a.cfg)
	reverter := &reverter{cfg: a.cfg, interest: a.interest, outcomes: a.outcomes}
	a.changes = &changes{
		cfg: a.cfg, inputs: a.inputs, interest: a.interest, lines: a.lines, unresolved: a.unresolved, local: a.local, earlier: earlier, renderer: a.renderer,
		templates: file, current: a.current, outcomes: a.outcomes, reverter: reverter, persister: a.persister, lock: a.lock, renewals: a.renewals,
		reloads: rate, leading: make(chan struct{}, 1), proving: make(chan struct{}, aloneChecks),
	}
	a.members = &memberStates{cfg: a.cfg, inputs: a.inputs, current: a.current, outcomes: a.outcomes, lock: a.lock, changed: wake.NewPoke()}
	a.reconciler = a.newReconciler(earlier, reverter, rate)
	return a, nil
}

// newReconciler makes the loop.
func (a *Agent) newReconciler(earlier *earlierRun, reverter *reverter, rate *reloadRate) *reconciler {
	running := &running{published: a.current}
	reporter := &reporter{cfg: a.cfg, outcomes: a.outcomes}
	beat := heartbeat.New("the control loop")
	updater := &certificateUpdater{cfg: a.cfg, files: a.inputs.files, renderer: a.renderer, beat: beat}
	servers := &serverUpdater{cfg: a.cfg, running: running, reporter: reporter, beat: beat}
	return &reconciler{
		cfg: a.cfg, inputs: a.inputs, templates: a.templates.file, earlier: earlier, renderer: a.renderer,
		outcomes: a.outcomes, reverter: reverter, persister: a.persister, reporter: reporter, warnings: a.warnings,
		look: a.look, restarted: a.restarted, renewals: a.renewals, inStep: a.inStep,
		beat:    beat,
		running: running, servers: servers, certificates: updater, reloads: &reloadSchedule{cfg: a.cfg, rate: rate}, slowdown: &slowdown{cfg: a.cfg},
		monitor: &driftMonitor{cfg: a.cfg, inputs: a.inputs, running: running, servers: servers, reporter: reporter, unresolved: a.unresolved, look: a.look, certificates: &certificateWatch{running: running, updater: updater}},
	}
}

// Run calls Import unless that was done, and keeps HAProxy in step until ctx ends, which is no
// error. HAProxy keeps running.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.Import(ctx); err != nil {
		a.ended.set()
		return err
	}
	a.lock.unlock()
	a.cfg.Journal.Note(activity.Event{Verb: activity.Started, Object: agentObject(a.cfg.Label)})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer a.ended.set()
		return a.reconciler.run(ctx)
	})
	g.Go(func() error { return a.persister.run(ctx) })
	g.Go(func() error { return a.followIntents(ctx) })
	g.Go(func() error { return a.templates.run(ctx) })
	g.Go(func() error { return a.members.run(ctx) })
	err := g.Wait()
	a.cfg.Journal.Note(activity.Event{Verb: activity.Stopped, Object: agentObject(a.cfg.Label)})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	a.persister.write(last)
	return err
}

// followIntents asks for a round whenever somebody has committed a revision, and keeps
// the watched services, the warnings and the registrations up to date.
func (a *Agent) followIntents(ctx context.Context) error {
	for {
		in, err := a.Intent(ctx)
		if err != nil {
			return wake.UnlessOver(ctx, err)
		}
		a.interest.require(in)
		a.lines.update(ctx, in)
		a.Look()
		a.persister.wake()
		register(a.cfg, in)
		a.views.Broadcast()
		if err := a.cfg.Intents.Wait(ctx, in.Revision); err != nil {
			return wake.UnlessOver(ctx, fmt.Errorf("waiting for a revision: %w", err))
		}
	}
}

// Import reads the overrides of members that are stored, and takes over the JSON file of an earlier
// installation when nothing is stored yet. If something is stored, the file is ignored: it is only
// a copy. Call Import before Run if the intent is shown to others before Run, so that nothing seems
// to be missing.
func (a *Agent) Import(ctx context.Context) error {
	a.members.load(ctx)
	return a.persister.copy.load(ctx)
}

// Restarted says that HAProxy has ended and runs again with the file on disk. That file may lack
// the newest changes, so the agent reads the servers at once.
func (a *Agent) Restarted() { a.restarted.Send() }

// Renewed says that the template, or files that haproxy.cfg names, such as certificates, may have
// changed. The agent reads the template again and reloads HAProxy if it runs here.
func (a *Agent) Renewed() { a.templates.reread.Send() }

// Reload reloads HAProxy, which reads all its files again, and returns when its new worker serves.
// The error is a *lb.RefusedError if HAProxy does not accept what it reads; the previous worker
// then keeps serving.
func (a *Agent) Reload(ctx context.Context, by lb.Origin) (lb.Applied, error) {
	return a.changes.reloadFiles(ctx, by)
}

// Look asks for a round soon, for example because HAProxy has ended.
func (a *Agent) Look() { a.look.Send() }

// Reissued says that new certificates have been issued for orders.
func (a *Agent) Reissued() {
	a.views.Broadcast()
	a.Look()
}

// Hangs is a sentence that says in which step the loop hangs, and since when; empty: it does not
// hang.
func (a *Agent) Hangs() string { return a.reconciler.beat.Problem() }

// InStep is closed once HAProxy runs what was asked for, for the first time since the
// agent was made.
func (a *Agent) InStep() <-chan struct{} { return a.inStep.done }

// Snapshot is what discovery knows now. Instances at control addresses are refused.
func (a *Agent) Snapshot() lb.Snapshot { return a.inputs.snapshot() }

// Intent is what operators asked for now.
func (a *Agent) Intent(ctx context.Context) (lb.Intent, error) { return a.inputs.intent(ctx) }

// Edit carries out one change of an operator and returns when it is in effect. Errors: those of
// lb.Intent.Apply and lb.Control.CheckBackend; *lb.RefusedError if HAProxy does not accept the
// result; *lb.UnavailableError if that cannot be found out now. After an error what was asked for
// and what runs are as before.
func (a *Agent) Edit(ctx context.Context, e lb.Edit) (lb.Applied, error) {
	applied, err := a.changes.apply(ctx, stage.Of(e))
	return applied, stage.Single(err)
}

// Apply carries out a changeset as one revision, with one reload at most, and returns when
// it is in effect. Errors are those of Edit, in an *lb.EditError where they are about one
// of several edits. After an error what was asked for and what runs are as before.
func (a *Agent) Apply(ctx context.Context, set stage.Changeset) (lb.Applied, error) {
	return a.changes.apply(ctx, set)
}

// Preview returns what a changeset would do now, and makes HAProxy check the result. It stores and
// changes nothing, and does not wait for healthy instances. Errors are those of Apply.
func (a *Agent) Preview(ctx context.Context, set stage.Changeset) (stage.Preview, error) {
	return previewer{a.changes}.preview(ctx, set)
}

// Switch points a backend at another version, or divides its traffic between versions, and returns
// when that is in effect. Unless forced, it first waits up to s.Wait for a healthy instance of each
// version that gets traffic. Without one, the error is a *lb.ConflictError that lists the available
// versions. Other errors are those of lb.Intent.Switched and of Edit.
func (a *Agent) Switch(ctx context.Context, s lb.Switch) (lb.Applied, error) {
	return a.changes.switchVersion(ctx, s)
}

// Accept ends a hold: it removes the instances of a service that were kept although Consul no
// longer lists them. It returns when they have left the snapshot. Errors: *lb.NotFoundError for a
// service that is not watched, *lb.ConflictError for a service without held instances,
// *lb.UnavailableError if it took too long.
func (a *Agent) Accept(ctx context.Context, service lb.Name, by lb.Origin) error {
	return a.changes.accept(ctx, service, by)
}

// SetMember sets the state or weight of one member of a backend, and returns the member when that
// is in effect. Errors: *lb.NotFoundError for a backend or member that does not exist;
// *lb.PreconditionError; *lb.RefusedError if HAProxy does not accept it, and then everything is as
// before.
func (a *Agent) SetMember(ctx context.Context, c lb.MemberChange) (lb.Member, lb.Applied, error) {
	return a.members.set(ctx, c)
}

// RestoreMembers makes a change that turns the intent into wanted, and restores the overrides of
// members in list, so that members that the change adds have their states and weights from the
// start. It returns the restored overrides, and the outcome of the change. Members with a current
// override keep it. Overrides that have expired, or whose members cannot come back, are not
// restored. The error is that of the change, and then everything is as before. What cannot be
// restored is among the warnings.
func (a *Agent) RestoreMembers(ctx context.Context, list []lb.Override, wanted lb.Intent, by lb.Origin, change func() (lb.Applied, error)) ([]lb.Override, lb.Applied, error) {
	return a.members.restore(ctx, list, wanted, by, change)
}

// TemplateProblem is a sentence that says why the template file is not in use as it is now;
// empty: it is. It names no file.
func (a *Agent) TemplateProblem() string { return a.templates.file.currentProblem() }

// Changed returns a channel that is closed when the results of Intent, Snapshot, Status or
// Effective may have changed. Get it before you read them, so that no change is missed.
func (a *Agent) Changed() <-chan struct{} { return a.views.Next() }

// Unresolved are the servers of a backend whose host names HAProxy cannot resolve, by name.
func (a *Agent) Unresolved(backend lb.Name) []string { return a.unresolved.of(backend) }

// Effective is the configuration that HAProxy runs, with the slots of its members; ok is
// false while that is not known yet. It must not be changed.
func (a *Agent) Effective() (c lb.Config, ok bool) {
	e := a.current.Load()
	if e == nil {
		return lb.Config{}, false
	}
	return e.config, true
}
