package nodes

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/membership"
)

// seenWithin is how long a node that has joined waits to see the cluster itself.
const seenWithin = 30 * time.Second

const (
	// joinAgain is how long a join is asked for again while root is at work, maybe at the same join, which
	// an agent has asked for before it started again.
	joinAgain = 30 * time.Minute
	// rootEnds is how long root may take to end an invitation that is refused: a node may be taken out again.
	rootEnds = 3 * time.Minute
)

// stopWithin is how long an agent that stops waits for root to end an invitation.
const stopWithin = 5 * time.Second

// Members lets this node join a cluster, and others join its own. Make it with NewMembers; methods
// may be called concurrently with Run. It keeps no code: what a node repeats after a crash, it is
// told again.
type Members struct {
	crew    *Crew
	running sync.WaitGroup

	mu     sync.Mutex
	base   context.Context //nolint:containedctx // of Run, for what is under way
	invite *inviting       // the last one; nil: none
	join   *joining        // the last one; nil: none
}

// NewMembers makes a Members. It starts nothing.
func NewMembers(c *Crew) *Members { return &Members{crew: c} }

// Run lets nodes be invited and join until ctx ends, which is no error. Then an invitation ends; a
// join goes on.
func (m *Members) Run(ctx context.Context) error {
	m.mu.Lock()
	m.base = ctx
	m.mu.Unlock()
	<-ctx.Done()
	ended := make(chan struct{})
	go func() { m.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(stopWithin): // root goes on: it takes out a node that was joining
	}
	return nil
}

// An inviting is an invitation that somebody has asked for.
type inviting struct {
	order  cluster.Order
	cancel context.CancelCauseFunc
	code   chan string   // gets the code once
	done   chan struct{} // closed at the end
	err    error         // why it has ended, then

	invitation cluster.Invitation // without its code; under the mutex of Members
	hadCode    bool               // also
}

// A joining is a join that somebody has asked for.
type joining struct {
	id     string            // of the Idempotency-Key, and its author; empty: there was none
	digest [sha256.Size]byte // of the request
	in     chan struct{}     // closed when this node has joined, or has failed to
	err    error             // then

	steps []cluster.MembershipStep // under the mutex of Members
	isIn  bool
}

// idOf tells one Idempotency-Key from others, and from the same one of another author; empty: there is none.
func idOf(o cluster.Order) string {
	if o.Key == "" {
		return ""
	}
	return o.JobID()
}

// stepOf is an event without its code.
func stepOf(e membership.Event) cluster.MembershipStep {
	return cluster.MembershipStep{Node: e.Node, Step: e.Step, State: e.State, Text: e.Text}
}

// ready is an error while the agent starts or stops. The caller holds the mutex.
func (m *Members) ready() error {
	if m.base == nil || m.base.Err() != nil {
		return &lb.UnavailableError{What: "the agent is starting or stopping"}
	}
	return nil
}

// Invite makes a code with which other nodes can join, and waits for them in the background. The
// answer has the code, which nothing else has. It has none if no code was needed, which Result says:
// the node that an earlier invitation was adding has joined. The same request with the same
// Idempotency-Key gets the invitation as it is, without the code, unless it has failed before there
// was one. Errors: *lb.ConflictError while another one is open, or another member cannot get a new
// corosync.conf, and those of Join.
func (m *Members) Invite(ctx context.Context, i cluster.Inviting, o cluster.Order) (cluster.Invitation, error) {
	known, t, err := m.beginInviting(i, o) //nolint:contextcheck // an invitation outlives its request
	if t == nil {
		return known, err
	}
	select {
	case code := <-t.code:
		return m.withCode(ctx, t, code)
	case <-t.done:
	case <-ctx.Done(): // nobody has the code
		t.cancel(ctx.Err())
		return cluster.Invitation{}, ctx.Err()
	}
	select {
	case code := <-t.code: // all have joined at once
		return m.withCode(ctx, t, code)
	default:
	}
	out := m.shown(t)
	if t.err != nil {
		return cluster.Invitation{}, asAnswer("inviting", t.err, out.Steps)
	}
	return out, nil
}

// withCode is an invitation with its code. Two that began at the same moment on two nodes have not
// seen each other. Now at least one of them does, and ends.
func (m *Members) withCode(ctx context.Context, t *inviting, code string) (cluster.Invitation, error) {
	if err := m.othersCanSync(ctx); err != nil {
		t.cancel(err)
		select {
		case <-t.done:
		case <-ctx.Done():
		case <-time.After(rootEnds):
		}
		return cluster.Invitation{}, cmp.Or(ctx.Err(), err)
	}
	out := m.shown(t)
	out.Code = code
	return out, nil
}

// othersCanSync refuses unless all other members can get a new corosync.conf, or are about to, for this
// invitation or the one before. The error is an *lb.ConflictError that names those that cannot.
func (m *Members) othersCanSync(ctx context.Context) error {
	c := m.crew
	v := c.cfg.View()
	if off := offline(v); isRunning(v) && len(off) > 0 {
		return &lb.ConflictError{ID: "cluster", Reason: "nothing was changed: every node needs the new corosync.conf, and this is not online: " +
			strings.Join(off, ", ") + "; start it, or have it leave first"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	return c.canChange(ctx, change{
		kind: membership.VerbInvite, asked: slices.DeleteFunc(slices.Clone(c.cfg.memberNames(v)), func(node string) bool { return node == c.Self() }), syncs: true,
	})
}

// beginInviting begins an invitation, or finds the one with the same Idempotency-Key.
func (m *Members) beginInviting(i cluster.Inviting, o cluster.Order) (known cluster.Invitation, t *inviting, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(); err != nil {
		return known, nil, err
	}
	if last := m.invite; last != nil {
		isOpen := last.invitation.State == cluster.InvitationOpen
		isVain := last.invitation.State == cluster.InvitationFailed && !last.hadCode
		same := o.Key != "" && idOf(o) == idOf(last.order) && !isVain
		switch {
		case same && string(o.Body) != string(last.order.Body):
			return known, nil, &lb.ConflictError{ID: "Idempotency-Key", Reason: "an invitation has had this key with another request"}
		case same:
			return last.shown(), nil, nil
		case isOpen:
			return known, nil, &lb.ConflictError{ID: "invitation", Reason: "one is open until " + last.invitation.Expires.UTC().Format(time.RFC3339) + "; DELETE /cluster/invitations ends it"}
		}
	}
	ctx, cancel := context.WithCancelCause(m.base)
	t = &inviting{order: o, cancel: cancel, code: make(chan string, 1), done: make(chan struct{})}
	t.invitation = cluster.Invitation{
		Node: m.crew.Self(), Author: o.Author, Nodes: i.Nodes, Expires: m.crew.cfg.Now().Add(i.For), State: cluster.InvitationOpen, Steps: []cluster.MembershipStep{},
	}
	m.invite = t
	q := membership.Question{Verb: membership.VerbInvite, For: int(i.For / time.Second), Nodes: i.Nodes}
	m.running.Go(func() {
		defer cancel(nil)
		err := m.othersCanSync(ctx)
		if err == nil {
			err = m.crew.withSync(ctx, q, o.Author, nil, func(e membership.Event) { m.invited(t, e) })
		}
		m.endInviting(ctx, t, err)
	})
	return known, t, nil
}

// invited notes what happens to an invitation.
func (m *Members) invited(t *inviting, e membership.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Code != "" {
		t.hadCode = true
		if e.Expires != nil {
			t.invitation.Expires = *e.Expires
		}
		select {
		case t.code <- e.Code:
		default: // there is one
		}
	}
	if e.State == "warning" {
		m.crew.cfg.Logger.WarnContext(m.base, "invitation into the cluster", "node", e.Node, "step", e.Step, "warning", e.Text)
	}
	t.invitation.Steps = cluster.WithStep(t.invitation.Steps, stepOf(e))
}

func (m *Members) endInviting(ctx context.Context, t *inviting, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	refused, isRefused := errors.AsType[*lb.ConflictError](context.Cause(ctx)) // by withCode
	if isRefused && !errors.Is(err, refused) {
		err = errors.Join(refused, unlessEnded(err))
	}
	t.err = err
	switch {
	case err == nil && !t.hadCode:
		t.invitation.State, t.invitation.Result = cluster.InvitationDone, "there is no code: the node that an earlier invitation was adding has joined"
	case err == nil:
		t.invitation.State, t.invitation.Result = cluster.InvitationDone, "all nodes have joined"
	case ctx.Err() != nil && unlessEnded(err) == nil:
		t.invitation.State, t.invitation.Result = cluster.InvitationEnded, "it was ended before its time"
	default:
		t.invitation.State, t.invitation.Result = cluster.InvitationFailed, err.Error()
	}
	close(t.done)
	m.crew.cfg.Logger.InfoContext(context.WithoutCancel(ctx), "invitation into the cluster", "state", t.invitation.State, "result", t.invitation.Result, "by", t.order.Author)
}

// unlessEnded is an error of root about more than that it was told to end; nil: there is none.
func unlessEnded(err error) error {
	if errors.Is(err, membership.ErrEnded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// shown is the invitation without its code. The caller holds the mutex of Members.
func (t *inviting) shown() cluster.Invitation {
	out := t.invitation
	out.Steps = slices.Clone(out.Steps)
	return out
}

func (m *Members) shown(t *inviting) cluster.Invitation {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.shown()
}

// Invitations are the last invitation of this node, without its code; empty: there was none since the
// agent has started.
func (m *Members) Invitations() []cluster.Invitation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.invite == nil {
		return []cluster.Invitation{}
	}
	return []cluster.Invitation{m.invite.shown()}
}

// EndInvitation ends the open invitation, and returns when root has ended it: a node that was joining
// is taken out again. Errors: *lb.NotFoundError.
func (m *Members) EndInvitation(ctx context.Context) (cluster.Invitation, error) {
	m.mu.Lock()
	t := m.invite
	isOpen := t != nil && t.invitation.State == cluster.InvitationOpen
	m.mu.Unlock()
	if !isOpen {
		return cluster.Invitation{}, &lb.NotFoundError{ID: "invitation", Hint: "none is open on this node"}
	}
	t.cancel(nil)
	select {
	case <-t.done:
		return m.shown(t), nil
	case <-ctx.Done():
		return cluster.Invitation{}, ctx.Err()
	}
}

// Join lets this node join the cluster that has made a code, and returns when it is online there, with
// quorum. A node that is in that cluster already does nothing. The end of ctx ends the waiting alone;
// the same request waits again. Errors: *lb.InvalidError, *lb.ConflictError; *lb.UnavailableError if
// no invitation answers, or root was killed, and the same request goes on; a *cluster.Error that names
// the step that has failed, and what was undone.
func (m *Members) Join(ctx context.Context, j cluster.Joining, o cluster.Order) (cluster.Membership, error) {
	t, err := m.beginJoining(j, o) //nolint:contextcheck // a join outlives its request
	if err != nil {
		return cluster.Membership{}, err
	}
	select {
	case <-t.in:
	case <-ctx.Done():
		return cluster.Membership{}, ctx.Err()
	}
	m.mu.Lock()
	steps := slices.Clone(t.steps)
	m.mu.Unlock()
	if t.err != nil {
		return cluster.Membership{}, asAnswer("joining", t.err, steps)
	}
	out := cluster.Membership{Node: j.Node, Steps: steps, Cluster: m.seen(ctx)}
	for _, s := range steps {
		if out.Node == "" {
			out.Node = s.Node
		}
	}
	return out, nil
}

// beginJoining begins a join, or finds the same one that is under way.
func (m *Members) beginJoining(j cluster.Joining, o cluster.Order) (*joining, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(text)
	if last := m.join; last != nil {
		isOver := wake.IsClosed(last.in)
		switch {
		case o.Key != "" && idOf(o) == last.id && digest != last.digest:
			return nil, &lb.ConflictError{ID: "Idempotency-Key", Reason: "a join has had this key with another request"}
		case !isOver && digest == last.digest:
			return last, nil
		case !isOver:
			return nil, &lb.ConflictError{ID: "cluster", Reason: "this node is joining a cluster by another request"}
		}
	}
	become, err := m.crew.cfg.Local.noteJoin()
	if err != nil {
		return nil, err
	}
	t := &joining{id: idOf(o), digest: digest, in: make(chan struct{}), steps: []cluster.MembershipStep{}}
	m.join = t
	q := membership.Question{Verb: membership.VerbJoin, Code: j.Code, Node: j.Node, Addresses: j.Addresses}
	m.crew.cfg.Logger.InfoContext(m.base, "joining a cluster", "by", o.Author)
	m.running.Go(func() {
		m.endJoining(t, m.askToJoin(t, q, become))
	})
	return t, nil
}

// askToJoin asks root, and again while that is at work. become notes what has become of the join.
func (m *Members) askToJoin(t *joining, q membership.Question, become func(verb string)) error {
	limited, cancel := context.WithTimeout(m.base, joinAgain)
	defer cancel()
	for {
		err := m.crew.cfg.Local.acts.root.Do(m.base, q, func(e membership.Event) {
			if m.joined(t, e) {
				become(membership.VerbSync) // which the inviting node looks for
				m.endJoining(t, nil)
			}
		})
		become("")
		if !isBusy(err) || m.isInviting() || wake.Pause(limited, pollEvery) != nil {
			return err
		}
		if become, err = m.crew.cfg.Local.noteJoin(); err != nil {
			return err
		}
	}
}

// isInviting reports whether an invitation of this node is open.
func (m *Members) isInviting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.invite != nil && m.invite.invitation.State == cluster.InvitationOpen
}

// joined notes what happens to a join, and reports whether the node is in: root tells of a sync then,
// and goes on with that until the invitation ends.
func (m *Members) joined(t *joining, e membership.Event) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.State == "warning" {
		m.crew.cfg.Logger.WarnContext(m.base, "joining a cluster", "node", e.Node, "step", e.Step, "warning", e.Text)
	}
	t.steps = cluster.WithStep(t.steps, stepOf(e))
	return e.Step == "sync" && e.State == "waiting"
}

// endJoining notes how a join has ended, once.
func (m *Members) endJoining(t *joining, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.isIn {
		return
	}
	t.isIn, t.err = true, err
	switch {
	case err == nil:
		m.crew.cfg.Local.forgetKey() // of a cluster that this node was in before
		m.crew.cfg.Logger.InfoContext(m.base, "joined a cluster")
	case m.base.Err() != nil: // root goes on
	default:
		m.crew.cfg.Logger.ErrorContext(m.base, "not joined a cluster", "error", err)
	}
	close(t.in)
}

// seen is the cluster once this node sees itself online in it; nil: it does not.
func (m *Members) seen(ctx context.Context) *cluster.Status {
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	for {
		v := m.crew.cfg.View()
		if isRunning(v) && v.Quorum && v.NodeNamed(v.Self).IsOnline() {
			return &v
		}
		if wake.Pause(ctx, lookAgain) != nil {
			return nil
		}
	}
}

// asAnswer is an error of root as the API shows it, with what became of the steps.
func asAnswer(doing string, err error, steps []cluster.MembershipStep) error {
	if errors.Is(err, membership.ErrOff) {
		return &lb.ConflictError{ID: "cluster", Reason: err.Error()}
	}
	if errors.Is(err, membership.ErrBroken) || errors.Is(err, membership.ErrNoAnswer) {
		return &lb.UnavailableError{What: err.Error()}
	}
	if invalid, ok := errors.AsType[*lb.InvalidError](err); ok && len(invalid.Fields) > 0 && invalid.Fields[0].Path == "address" {
		field := invalid.Fields[0]
		field.Path = "addresses"
		return &lb.InvalidError{Fields: []lb.FieldError{field}}
	}
	text := undone(steps)
	if conflict, ok := errors.AsType[*lb.ConflictError](err); ok {
		return &lb.ConflictError{ID: conflict.ID, Reason: conflict.Reason + text}
	}
	if failed, ok := errors.AsType[*membership.FailedError](err); ok {
		return &cluster.Error{Tool: doing, Kind: cluster.KindFailed, Said: failed.Problem + text}
	}
	return err
}

// undone says which steps were taken back. Of a node and its corosync.conf, no step tells.
func undone(steps []cluster.MembershipStep) string {
	var names []string
	begun := false
	for _, s := range slices.Backward(steps) {
		isOwn := !slices.Contains([]string{"node", "sync", "code"}, s.Step)
		begun = begun || isOwn
		if isOwn && s.State == "undone" {
			names = append(names, s.Step)
		}
	}
	switch {
	case len(names) > 0:
		return "; undone: " + strings.Join(names, ", ")
	case !begun:
		return "; no step was begun"
	}
	return "" // the error says what cannot be undone
}
