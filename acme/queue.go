package acme

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
)

const (
	// atOnce bounds the attempts that are under way.
	atOnce = 4
	// firstWait is the pause after an attempt that could not begin. It doubles up to longestWait,
	// and begins again when operators change something. elsewherePause is the pause after one
	// that another node makes.
	firstWait      = time.Second
	longestWait    = 30 * time.Second
	elsewherePause = 5 * time.Second
)

// A queue owns what is wanted, and the attempts at it: which are under way, what the next ones
// wait for, and which somebody asks for.
type queue struct {
	ledger    *ledger
	now       func() time.Time
	lookEvery time.Duration
	poke      wake.Poke     // attempts may be due
	slots     chan struct{} // one is taken for each attempt under way

	mu      sync.Mutex          // guards what follows; nothing waits while it is held
	wanted  map[string]*want    // by identity
	running map[string]*attempt // by identity
	waits   map[string]wait     // by identity
	failed  map[string]uint64   // attempts that failed since New, by identity
	// asked is since when somebody wants a certificate renewed now, by identity.
	asked map[string]time.Time
}

func newQueue(l *ledger, now func() time.Time, lookEvery time.Duration) *queue {
	return &queue{
		ledger: l, now: now, lookEvery: lookEvery, poke: wake.NewPoke(), slots: make(chan struct{}, atOnce), wanted: map[string]*want{},
		running: map[string]*attempt{}, waits: map[string]wait{}, failed: map[string]uint64{}, asked: map[string]time.Time{},
	}
}

// A wait is why an attempt does not begin.
type wait struct {
	text string
	// elsewhere: another node works on the order.
	elsewhere bool
	pause     time.Duration
	until     time.Time
}

// A want is an order that the intent asks for, and the certificates that it is for.
type want struct {
	lb.ACME
	identity string
	names    []lb.Name // sorted
	isOwn    bool      // of this node, besides the intent
}

// wantedOf is what an intent asks for, and what this node wants besides, by identity.
func wantedOf(in lb.Intent, own []lb.ACME) map[string]*want {
	wanted := map[string]*want{}
	for _, c := range in.SortedCertificates() {
		if c.ACME == nil {
			continue
		}
		id := c.ACME.Identity()
		if wanted[id] == nil {
			wanted[id] = &want{ACME: *c.ACME, identity: id}
		}
		wanted[id].names = append(wanted[id].names, c.Key)
	}
	for _, a := range own {
		id := a.Identity()
		if wanted[id] == nil {
			wanted[id] = &want{ACME: a, identity: id}
		}
		wanted[id].isOwn = true
	}
	return wanted
}

var errUnwanted = errors.New("nobody asks for the certificate any more")

// set sets what to order. It ends attempts for orders that nobody wants any more, and lets those
// look soon that have waited for something on this node.
func (q *queue) set(wanted map[string]*want) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted = wanted
	soon := q.now().Add(firstWait)
	for id, w := range q.waits {
		if !w.elsewhere && w.until.After(soon) {
			w.pause, w.until = firstWait, soon
			q.waits[id] = w
		}
	}
	for id, a := range q.running {
		if wanted[id] == nil {
			a.cancel(errUnwanted)
		}
	}
}

// want is what is wanted of an identity; nil: nobody wants it.
func (q *queue) want(identity string) *want {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.wanted[identity]
}

func (q *queue) isWanted(identity string) bool { return q.want(identity) != nil }

// begin takes the attempts that are due, and returns when the next is. The caller runs them, and
// calls leave after each.
func (q *queue) begin(ctx context.Context, i *Issuer) (due []*attempt, next time.Time) {
	now := q.now()
	next = now.Add(24 * time.Hour)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(q.wanted)) {
		if q.running[id] != nil {
			continue
		}
		if at := q.nextLook(id); at.After(now) {
			if at.Before(next) {
				next = at
			}
			continue
		}
		select {
		case q.slots <- struct{}{}:
		default:
			return due, now.Add(q.lookEvery) // the end of an attempt pokes
		}
		a := newAttempt(ctx, i, q.wanted[id])
		q.running[id] = a
		due = append(due, a)
	}
	return due, next
}

// nextLook is when an attempt is to begin. The caller holds mu.
func (q *queue) nextLook(id string) time.Time {
	r := q.ledger.record(id)
	due := r.due()
	if _, issued := r.leaf(); issued && r.Order == nil && r.LookAt.Before(due) {
		due = r.LookAt
	}
	if q.ledger.isAhead(id) {
		due = time.Time{}
	}
	if _, isAsked := q.asked[id]; isAsked {
		due = r.Held
	}
	if w, waits := q.waits[id]; waits && w.until.After(due) {
		return w.until
	}
	return due
}

// end notes that an attempt is over.
func (q *queue) end(identity string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, identity)
}

// answered forgets what somebody has asked for since a time. What was asked for later stays.
func (q *queue) answered(identity string, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if at, isAsked := q.asked[identity]; isAsked && at.Equal(since) {
		delete(q.asked, identity)
	}
}

// leave gives back the slot of an attempt that has ended.
func (q *queue) leave() {
	<-q.slots
	q.poke.Send()
}

// note keeps what became of an attempt: what the next one waits for, or that it failed.
func (q *queue) note(identity string, err error) {
	waiting, waits := errors.AsType[*waitError](err)
	q.mu.Lock()
	defer q.mu.Unlock()
	former := q.waits[identity].pause
	delete(q.waits, identity)
	if waits {
		w := wait{text: errorText(waiting), elsewhere: waiting.elsewhere, pause: min(max(2*former, firstWait), longestWait)}
		if w.elsewhere {
			w.pause = elsewherePause
		}
		w.until = q.now().Add(w.pause)
		q.waits[identity] = w
	} else if err != nil {
		q.failed[identity]++
	}
}

// forgetWaits lets attempts begin that have waited for something of other nodes.
func (q *queue) forgetWaits() {
	q.mu.Lock()
	clear(q.waits)
	q.mu.Unlock()
	q.poke.Send()
}

// ask has an order made now, unless it is under way.
func (q *queue) ask(identity string) {
	q.mu.Lock()
	if a := q.running[identity]; a == nil || !a.orders.Load() || a.isClosed.Load() {
		q.asked[identity] = q.now()
		delete(q.waits, identity)
	}
	q.mu.Unlock()
	q.poke.Send()
}

// askedSince is since when somebody wants an order made now; false: nobody does.
func (q *queue) askedSince(identity string) (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	since, isAsked := q.asked[identity]
	return since, isAsked
}

// A place is how far an order is in the queue.
type place struct {
	running *attempt // nil: none is
	wait    wait
	isAsked bool
	failed  uint64 // attempts since New
}

func (q *queue) place(identity string) place {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, isAsked := q.asked[identity]
	return place{q.running[identity], q.waits[identity], isAsked, q.failed[identity]}
}
