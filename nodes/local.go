package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/strictjson"
	"thalassa/lb"
	"thalassa/membership"
	"thalassa/services"
)

// Verbs of questions to a node.
const (
	Start = "start"
	Stop  = "stop"
	State = "state"
	Ping  = "ping"  // whether the agent is there; root is not asked
	Look  = "look"  // how the membership is, and whether root can be asked about it
	Sync  = "sync"  // get the new corosync.conf of the node that invites or forgets
	Leave = "leave" // leave the cluster
)

// Services are those of this node, as *services.Node has them. An empty name stands for both, in
// their order.
type Services interface {
	State(ctx context.Context) (map[string]services.State, error)
	Start(ctx context.Context, name string) (map[string]services.State, error)
	Stop(ctx context.Context, name string) (map[string]services.State, error)
	Key(ctx context.Context) ([]byte, error)
}

// A Report is how the services of a node are.
type Report struct {
	Services map[string]services.State `json:"services"`
	// Doing is what is under way, "stop pacemaker"; empty: nothing.
	Doing string `json:"doing,omitempty"`
	// Failed is why what was asked for last has not come about; empty: it has, or is under way.
	Failed string `json:"failed,omitempty"`
	// Later is the job that has come here after the one of the question, for which nothing
	// happens any more; empty: there is none.
	Later string `json:"later,omitempty"`
	// Membership is set in answers to look, sync and leave.
	Membership *Membership `json:"membership,omitempty"`
	// Body is an encrypted message, in answers to drafts.
	Body string `json:"body,omitempty"`

	message []byte // that was encrypted
}

// isUp reports whether both services run.
func (r Report) isUp() bool {
	return r.Services[services.Corosync].Running && r.Services[services.Pacemaker].Running
}

// isDown reports whether no daemon of a service runs; of both if it is empty.
func (r Report) isDown(service string) bool {
	for _, name := range services.Names() {
		if (service == "" || service == name) && len(r.Services[name].Daemons) > 0 {
			return false
		}
	}
	return r.Services != nil
}

// String says how the services of a node are.
func (r Report) String() string {
	var out []string
	for _, name := range services.Names() {
		state := name + " is stopped"
		if daemons := r.Services[name].Daemons; len(daemons) > 0 {
			state = name + " runs (" + strings.Join(daemons, ", ") + ")"
		}
		out = append(out, state)
	}
	if r.Doing != "" {
		out = append(out, "under way: "+r.Doing)
	}
	if r.Failed != "" {
		out = append(out, r.Failed)
	}
	return strings.Join(out, "; ")
}

// A Local starts and stops the services of this node, for its own agent and for those of other
// nodes. Make it with NewLocal; methods may be called concurrently with Run.
type Local struct {
	services   Services
	self       func() string
	now        func() time.Time
	log        *slog.Logger
	challenges *challenges
	acts       *acts

	mu      sync.Mutex
	jobs    func() ([]cluster.Job, error) // nil: there are none
	drafts  Hearer                        // nil: there are none
	base    context.Context               //nolint:containedctx // of Run, for what is under way
	running sync.WaitGroup
	doing   string
	failed  string
	last    accepted
	key     []byte
	keyAt   time.Time
}

// An accepted is the last job that this node has started or stopped something for.
type accepted struct {
	job   string
	begun int64
}

// NewLocal makes a Local. self is the name of this node in the cluster.
func NewLocal(s Services, root Root, self func() string, now func() time.Time, log *slog.Logger) *Local {
	l := &Local{services: s, acts: &acts{root: root, log: log}, self: self, now: now, log: log, challenges: newChallenges(now)}
	l.acts.hasLeft = l.forgetKey
	return l
}

// Knows sets what tells the jobs that start, stop or take out nodes now. Its error says that they are
// not known yet.
func (l *Local) Knows(jobs func() ([]cluster.Job, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = jobs
}

// Run lets services be started and stopped until ctx ends, which is no error. What root has been
// asked for goes on.
func (l *Local) Run(ctx context.Context) error {
	l.mu.Lock()
	l.base = ctx
	l.mu.Unlock()
	l.acts.begin(ctx)
	<-ctx.Done()
	l.running.Wait()
	l.acts.running.Wait()
	return nil
}

// Report is how the services are now.
func (l *Local) Report(ctx context.Context) (Report, error) {
	l.mu.Lock()
	r := Report{Doing: l.doing, Failed: l.failed}
	l.mu.Unlock()
	var err error
	r.Services, err = l.services.State(ctx)
	return r, err
}

// A laterError says which job has come after the one that something is asked for.
type laterError struct{ job string }

// Error names the job.
func (e *laterError) Error() string { return "job " + e.job + " was begun after it" }

// refuse is why nothing is done here for a job. The agent of an old one may not have heard of a
// later one, since a cluster that is down carries nothing. The caller holds the mutex.
func (l *Local) refuse(q Question) error {
	now := l.now()
	if now.UnixMilli() >= q.Until {
		return &lb.ConflictError{ID: "job/" + q.Job, Reason: "its time was over at " + time.UnixMilli(q.Until).UTC().Format(time.RFC3339) + ", and the clock of this node has " + now.UTC().Format(time.RFC3339)}
	}
	if q.Job != l.last.job && q.Begun < l.last.begun {
		return &laterError{l.last.job}
	}
	return nil
}

// accept makes a job the last one. That of a node whose clock is ahead counts as begun now, so
// that it does not outdo those that follow. The caller holds the mutex.
func (l *Local) accept(q Question) {
	if q.Job == l.last.job {
		return
	}
	l.last = accepted{q.Job, min(q.Begun, l.now().UnixMilli())}
}

// Obey does what a question wants, who comes by, and reports how the services are then.
func (l *Local) Obey(ctx context.Context, verb, by string, q Question) (Report, error) {
	var err error
	switch {
	case verb == Look:
		return l.look(ctx)
	case verb == Sync:
		return l.acts.sync(ctx, by), nil
	case verb == Leave:
		return l.leave(ctx, by, q)
	case verb == Start || verb == Stop:
		err = l.Begin(ctx, verb, by, q)
	case q.Until != 0: // whether that would be refused
		l.mu.Lock()
		err = l.refuse(q)
		l.mu.Unlock()
	}
	later, isLater := errors.AsType[*laterError](err)
	if err != nil && !isLater {
		return Report{}, err
	}
	if verb == Ping {
		return Report{}, nil
	}
	r, err := l.Report(ctx)
	if isLater {
		r.Later = later.job
	}
	return r, err
}

// Begin begins to start or stop a service, or both if the question has none, and does not wait
// for the end, see Report. What is under way already does not begin again. The error is an
// *lb.ConflictError while the opposite is under way or this node joins or leaves a cluster, or if the
// time of the job is over.
func (l *Local) Begin(ctx context.Context, verb, by string, q Question) error {
	service := q.Service
	what := verb + " " + service
	if service == "" {
		what = verb + " all"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.base == nil || l.base.Err() != nil {
		return &lb.UnavailableError{What: "the agent is starting or stopping"}
	}
	if err := l.refuse(q); err != nil {
		return err
	}
	if l.doing != what { // what is under way has begun before
		if err := l.idle(); err != nil {
			return err
		}
		if err := l.acts.movesServices(); err != nil {
			return err
		}
	}
	l.accept(q)
	if l.doing == what {
		return nil
	}
	l.doing, l.failed = what, ""
	l.log.InfoContext(ctx, "services of the cluster", "doing", what, "by", by, "job", q.Job)
	l.running.Go(func() {
		act := l.services.Start
		if verb == Stop {
			act = l.services.Stop
		}
		_, err := act(l.base, service)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.doing = ""
		if err != nil && l.base.Err() == nil {
			l.failed = err.Error()
			l.log.ErrorContext(l.base, "services of the cluster", "done", what, "error", err)
		}
	})
	return nil
}

// idle refuses while services are being started or stopped. The caller holds the mutex.
func (l *Local) idle() error {
	if l.doing == "" {
		return nil
	}
	return &lb.ConflictError{ID: "cluster", Reason: "the services of this node are being started or stopped (" + l.doing + "): try again when that has ended"}
}

// noteJoin notes that this node joins a cluster, which starts and stops its services, unless they are
// being started or stopped, or a job is about to do that. The function notes what has become of it;
// empty: its end. The error is an *lb.ConflictError that names what is under way.
func (l *Local) noteJoin() (become func(verb string), err error) {
	l.mu.Lock()
	err = l.idle()
	become = func(string) {}
	if err == nil {
		become = l.acts.note(membership.VerbJoin)
	}
	jobs := l.jobs
	l.mu.Unlock()
	if err != nil || jobs == nil {
		return become, err
	}
	// A job is known before it looks for a join, and the join is noted: at least one sees the other.
	list, err := jobs()
	for _, j := range list {
		if err == nil && isService(j.Kind) {
			err = &lb.ConflictError{ID: "cluster", Reason: goingOf(j).String() + "; wait for the end, or cancel it"}
		}
	}
	if err != nil {
		become("")
	}
	return become, err
}

// Challenge is what the next question must have, as JSON.
func (l *Local) Challenge() ([]byte, error) {
	self := l.self()
	if self == "" {
		return nil, &lb.UnavailableError{What: "the name of this node in the cluster is not known"}
	}
	return json.Marshal(Challenge{Node: self, Nonce: l.challenges.next()})
}

// errSeal refuses a question. It does not say more to who has no key.
var errSeal = errors.New("the question has no seal of this cluster, or is old")

// IsSealError reports whether a question was refused because nobody with the key of the cluster
// has asked it just now.
func IsSealError(err error) bool { return errors.Is(err, errSeal) }

// Answer answers a question of another node as JSON, and says who wants it and for which job.
// Errors: *lb.InvalidError, IsSealError, those of Begin.
func (l *Local) Answer(ctx context.Context, verb string, body []byte) (out []byte, by, job string, err error) {
	var q Question
	if err := strictjson.Decode(body, &q); err != nil {
		return nil, "", "", err
	}
	if !l.challenges.knows(q.Nonce) || q.Node != l.self() {
		return nil, "", "", errSeal
	}
	key, err := l.keyFor(ctx, func(key []byte) bool { return q.isSealed(key, verb) })
	if err != nil {
		return nil, "", "", err
	}
	if key == nil || !l.challenges.use(q.Nonce, verb) {
		return nil, "", "", errSeal
	}
	by, job = q.By+" on "+q.From, q.Job
	var r Report
	if verb == Drafts {
		by = "the agent on " + q.From
		r, err = l.answerMessage(ctx, q, key)
	} else {
		r, err = l.Obey(ctx, verb, by, q)
	}
	if err != nil {
		return nil, by, job, err
	}
	a, err := answerTo(q, key, r)
	if err != nil {
		return nil, by, job, err
	}
	out, err = json.Marshal(a)
	return out, by, job, err
}

// keyAgain is how long a key that does not fit is not read again.
const keyAgain = 5 * time.Second

// keyFor is the key of the cluster if it fits, else nil. It is read again when it does not. The
// error is an *lb.UnavailableError.
func (l *Local) keyFor(ctx context.Context, fits func(key []byte) bool) ([]byte, error) {
	l.mu.Lock()
	key, age := l.key, l.now().Sub(l.keyAt)
	l.mu.Unlock()
	if key != nil && fits(key) {
		return key, nil
	}
	switch again := age < 0 || age >= keyAgain; {
	case !again && key == nil:
		return nil, noKeyError()
	case !again:
		return nil, nil //nolint:nilnil // documented
	}
	key, err := l.Key(ctx)
	switch {
	case err != nil:
		return nil, noKeyError()
	case !fits(key):
		return nil, nil //nolint:nilnil // documented
	}
	return key, nil
}

// noKeyError says that the key of the cluster is not known. Why says more of this machine than
// whoever has no key is told.
func noKeyError() error {
	return &lb.UnavailableError{What: "this node's agent cannot ask thalassa-node.socket, which starts and stops corosync and Pacemaker: enable it there"}
}

// sharedKey is the key of the cluster as it was read last.
func (l *Local) sharedKey(ctx context.Context) ([]byte, error) {
	l.mu.Lock()
	key := l.key
	l.mu.Unlock()
	if key != nil {
		return key, nil
	}
	return l.Key(ctx)
}

// Key is the key of the cluster, as it is now.
func (l *Local) Key(ctx context.Context) ([]byte, error) {
	l.mu.Lock()
	l.keyAt = l.now()
	l.mu.Unlock()
	key, err := l.services.Key(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.key = key
	return key, nil
}
