package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"thalassa/activity"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// pruneEvery is the longest time between two looks for overrides that have ended.
const pruneEvery = time.Minute

// memberStates carries out what operators ask for single members, and ends it when its
// time is over. It alone writes inputs.overrides, under the change lock.
type memberStates struct {
	cfg      *Config
	inputs   *inputs
	current  *atomic.Pointer[effective] // what HAProxy runs
	outcomes *outcomes
	lock     *changeLock
	changed  wake.Poke
	loaded   bool // by the goroutine that starts the agent
	// restoring counts restores under way, which ask for members of backends to come.
	restoring atomic.Int32
}

// load reads what an earlier run has stored, once. What cannot be read is logged.
func (m *memberStates) load(ctx context.Context) {
	if m.loaded || m.cfg.Overrides == nil {
		return
	}
	m.loaded = true
	list, err := m.cfg.Overrides.LoadOverrides(ctx)
	if err != nil {
		m.cfg.Logger.ErrorContext(ctx, "overrides of members not readable, these members are ready", "error", err)
	}
	now := m.cfg.Now()
	for i, x := range list {
		if !x.Until.IsZero() { // lasts as long as it did now, whatever the clock does later
			list[i].Until = now.Add(x.Until.Sub(now))
		}
	}
	m.inputs.overrides.Store(lb.NewOverrides(list))
}

// set changes the state or weight of a member and returns when that is in effect.
func (m *memberStates) set(ctx context.Context, c lb.MemberChange) (lb.Member, lb.Applied, error) {
	begin := m.cfg.Now()
	if err := m.lock.lockFor(ctx); err != nil {
		return lb.Member{}, lb.Applied{}, err
	}
	defer m.lock.unlock()
	in, err := m.inputs.intent(ctx)
	if err != nil {
		return lb.Member{}, lb.Applied{}, err
	}
	before := m.inputs.overrides.Load()
	member, err := m.find(in, c, before)
	if err != nil {
		return lb.Member{}, lb.Applied{}, err
	}
	present, _ := before.Find(c.Backend, member.Given())
	next := before.With(c.Override(member.Given(), present)).Living(m.cfg.Now(), in)
	if len(next.All()) > lb.MaxOverrides {
		return lb.Member{}, lb.Applied{}, &lb.ConflictError{ID: lb.Backend{Key: c.Backend}.ID(), Reason: fmt.Sprintf("%d members have an override already, which is the most there may be", lb.MaxOverrides)}
	}
	out, err := m.replace(ctx, before, next, in.Revision, c.Origin)
	if err != nil {
		return lb.Member{}, lb.Applied{}, err
	}
	applied := lb.Applied{Applied: out.err == nil, Path: out.path, Duration: m.cfg.Now().Sub(begin), Revision: in.Revision}
	if out.err != nil {
		applied.Path, applied.Reason = pathNone, out.err.Error()
	}
	now, _ := next.Find(c.Backend, member.Given())
	if present.State != "" || now.State != "" {
		m.cfg.Journal.Note(memberEvent(c.Backend, member, present, now, applied, c.Origin))
	}
	m.changed.Send()
	shown := lb.ResolvedBackend{Backend: in.Backends[c.Backend], Members: []lb.Member{member}}.Overridden(next)
	return shown.Members[0], applied, nil
}

// restore makes a change that turns the intent into wanted, and restores overrides of members; see
// Agent.RestoreMembers. If the change fails, no override is restored. What cannot be restored is a
// warning, and the change is made.
func (m *memberStates) restore(ctx context.Context, list []lb.Override, wanted lb.Intent, by lb.Origin, change func() (lb.Applied, error)) ([]lb.Override, lb.Applied, error) {
	m.restoring.Add(1) // until then the members of new backends are no reason to end anything
	defer m.changed.Send()
	defer m.restoring.Add(-1)
	added, out, problem := m.ask(ctx, list, wanted, by)
	applied, err := change()
	if err != nil {
		if undo := m.takeBack(context.WithoutCancel(ctx), added, by); undo != nil {
			m.cfg.Logger.ErrorContext(ctx, "settings of members of a refused restore not undone", "error", undo)
		}
		return nil, applied, err
	}
	more, second, again := m.ask(context.WithoutCancel(ctx), list, wanted, by) // which somebody else has ended meanwhile
	added = append(added, more...)
	if applied.Applied { // and with it what was asked for before
		out.err = nil
	}
	out.err = cmp.Or(out.err, second.err)
	switch problem = cmp.Or(problem, again); {
	case problem != nil:
		applied.Warnings = append(slices.Clone(applied.Warnings), "the settings of members are not restored: "+problem.Error())
	case out.err != nil:
		applied.Warnings = append(slices.Clone(applied.Warnings), "the settings of members are stored and not in effect yet: "+out.err.Error())
	}
	for _, x := range added {
		m.cfg.Journal.Note(memberEvent(x.Backend, lb.Member{Address: x.Member, Service: wanted.Backends[x.Backend].Service}, lb.Override{}, x, applied, by))
	}
	return added, applied, nil
}

// ask asks for what of a list is not asked for now, and returns it when that is in effect.
func (m *memberStates) ask(ctx context.Context, list []lb.Override, wanted lb.Intent, by lb.Origin) (added []lb.Override, out outcome, err error) {
	if err := m.lock.lockFor(ctx); err != nil {
		return nil, outcome{}, err
	}
	defer m.lock.unlock()
	in, err := m.inputs.intent(ctx)
	if err != nil {
		return nil, outcome{}, err
	}
	before := m.inputs.overrides.Load()
	_, added = before.Restored(list, m.cfg.Now(), wanted)
	if len(added) == 0 {
		return nil, outcome{}, nil
	}
	next := before // with those of backends that are to go: the change may fail
	for _, x := range added {
		next = next.With(x)
	}
	if n := len(next.All()); n > lb.MaxOverrides {
		return nil, outcome{}, &lb.ConflictError{ID: "members", Reason: fmt.Sprintf("%d members would have an override, and %d may have one", n, lb.MaxOverrides)}
	}
	out, err = m.replace(ctx, before, next, in.Revision, by)
	if err != nil {
		return nil, out, err
	}
	return added, out, nil
}

// takeBack ends what ask has asked for, unless somebody else has changed it since.
func (m *memberStates) takeBack(ctx context.Context, added []lb.Override, by lb.Origin) error {
	if len(added) == 0 {
		return nil
	}
	if err := m.lock.lock(ctx); err != nil {
		return err
	}
	defer m.lock.unlock()
	in, err := m.inputs.intent(ctx)
	if err != nil {
		return err
	}
	before := m.inputs.overrides.Load()
	left := slices.DeleteFunc(slices.Clone(before.All()), func(x lb.Override) bool { return slices.Contains(added, x) })
	_, err = m.replace(ctx, before, lb.NewOverrides(left), in.Revision, by)
	return err
}

// find is the member that a change is about. HAProxy may have members that Consul has not
// told of since the agent started.
func (m *memberStates) find(in lb.Intent, c lb.MemberChange, o *lb.Overrides) (lb.Member, error) {
	b, ok := in.Backends[c.Backend]
	if !ok {
		return lb.Member{}, &lb.NotFoundError{ID: lb.Backend{Key: c.Backend}.ID()}
	}
	if err := in.CheckMatch(b.ID(), c.IfMatch); err != nil {
		return lb.Member{}, err
	}
	p := lb.Populate(b, m.inputs.snapshot())
	if e := m.current.Load(); e != nil {
		for _, running := range e.config.Part([]lb.Name{c.Backend}).Backends {
			p.Members = append(slices.Clone(p.Members), running.Members...)
		}
	}
	return p.FindMember(c.Member, o)
}

// replace stores overrides, and waits until they are in effect. If HAProxy refuses them,
// those before are in effect again, and the error is the refusal.
func (m *memberStates) replace(ctx context.Context, before, next *lb.Overrides, revision uint64, by lb.Origin) (outcome, error) {
	if err := m.store(ctx, next); err != nil {
		return outcome{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	out := m.roundWith(ctx, next, revision, by)
	if !isRefusal(out.err) {
		return out, nil
	}
	former := lb.NewOverrides(before.All()) // another value, which a round has to deal with
	if err := m.store(ctx, former); err != nil {
		return outcome{}, fmt.Errorf("%w; going back: %w", out.err, err)
	}
	m.roundWith(ctx, former, revision, by)
	return outcome{}, out.err
}

func (m *memberStates) store(ctx context.Context, o *lb.Overrides) error {
	if m.cfg.Overrides == nil {
		return nil
	}
	if err := m.cfg.Overrides.SaveOverrides(ctx, o.All()); err != nil {
		return fmt.Errorf("storing what is asked for a member: %w", err)
	}
	return nil
}

// roundWith waits for the first round that deals with overrides.
func (m *memberStates) roundWith(ctx context.Context, o *lb.Overrides, revision uint64, by lb.Origin) outcome {
	expected := m.outcomes.expect(expectation{revision: revision, overrides: o, by: by})
	defer m.outcomes.forget(expected)
	m.inputs.overrides.Store(o)
	return m.outcomes.await(ctx, expected)
}

// run ends overrides whose time is over, or whose member cannot come back.
func (m *memberStates) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.changed:
		case <-timer.C:
		}
		if err := m.prune(ctx); err != nil && ctx.Err() == nil {
			m.cfg.Logger.ErrorContext(ctx, "override of a member not ended, trying again", "error", err)
		}
		next := pruneEvery
		if end := m.inputs.overrides.Load().NextEnd(); !end.IsZero() {
			next = min(next, max(end.Sub(m.cfg.Now()), time.Second))
		}
		timer.Reset(next)
	}
}

// prune ends what is over.
func (m *memberStates) prune(ctx context.Context) error {
	if err := m.lock.lock(ctx); err != nil {
		return wake.UnlessOver(ctx, err)
	}
	defer m.lock.unlock()
	in, err := m.inputs.intent(ctx)
	if err != nil {
		return err
	}
	before := m.inputs.overrides.Load()
	if m.restoring.Load() > 0 {
		return nil // it looks again at its end
	}
	living := before.Living(m.cfg.Now(), in)
	if living == before {
		return nil
	}
	by := lb.Origin{Author: "thalassa", Cause: "the time of an override is over, or its member is removed", Time: m.cfg.Now()}
	out, err := m.replace(ctx, before, living, in.Revision, by)
	if err != nil {
		return err
	}
	applied := lb.Applied{Applied: out.err == nil, Path: out.path}
	for _, x := range before.All() {
		if _, ok := living.Find(x.Backend, x.Member); !ok {
			m.cfg.Journal.Note(memberEvent(x.Backend, lb.Member{Address: x.Member, Service: in.Backends[x.Backend].Service}, x, lb.Override{}, applied, by))
		}
	}
	return nil
}

// memberEvent is the event of another override of a member; the zero value is none.
func memberEvent(backend lb.Name, member lb.Member, before, after lb.Override, applied lb.Applied, by lb.Origin) activity.Event {
	text := func(o lb.Override) string {
		if o.State == "" {
			return lb.StateReady
		}
		return o.String()
	}
	e := activity.Event{
		Verb: activity.MemberSet, Object: activity.Object{ID: lb.Backend{Key: backend}.ID(), Type: "backend", Key: string(backend)},
		Author: by.Author, Cause: by.Cause, Diff: []string{member.Given().String() + " " + text(before) + " → " + text(after)},
		Revision: applied.Revision, Path: applied.Path, DurationMS: float64(applied.Duration.Microseconds()) / 1000, Error: applied.Reason,
	}
	if after.Reason != "" {
		e.Reasons = append(e.Reasons, after.Reason)
	}
	if !after.Until.IsZero() {
		e.Reasons = append(e.Reasons, "until "+after.Until.UTC().Format(time.RFC3339))
	}
	return e
}
