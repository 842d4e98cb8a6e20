package acme

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
)

const (
	// atOnce bounds the attempts that are under way.
	atOnce = 4
	// waitPause is the pause after an attempt that could not begin, and elsewherePause after
	// one that another node makes.
	waitPause      = 30 * time.Second
	elsewherePause = 5 * time.Second
)

// An Issuer orders the certificates that the intent asks for, and renews them in time. Create it
// with New and call Run; the other methods may be called from any goroutine while Run runs.
type Issuer struct {
	cfg     Config
	changed wake.Signal
	poke    chan struct{} // looks again
	slots   chan struct{} // one is taken for each attempt under way
	tokens  *tokens
	keys    keyring
	pool    *pool // nil: this node orders on its own

	registering sync.Mutex // guards the making of accounts
	writing     sync.Mutex // guards changes of records

	mu       sync.Mutex // guards what follows; nothing waits while it is held
	records  map[string]*record
	accounts map[string]*account
	wanted   map[string]*want    // by identity
	running  map[string]*attempt // by identity
	waits    map[string]wait     // by identity
	unsaved  map[string]bool     // identities whose record is not on disk
	failed   map[string]uint64   // attempts that failed since New, by identity
	// asked is since when somebody wants a certificate renewed now, by identity.
	asked map[string]time.Time
}

// A wait is why an attempt does not begin.
type wait struct {
	text string
	// elsewhere: another node works on the order.
	elsewhere bool
	until     time.Time
}

// A want is an order that the intent asks for, and the certificates that it is for.
type want struct {
	lb.ACME
	identity string
	names    []lb.Name // sorted
	isOwn    bool      // of this node, besides the intent
}

// New reads what an earlier run has stored. It orders nothing; Run does.
func New(ctx context.Context, cfg Config) (*Issuer, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.LookEvery <= 0 {
		cfg.LookEvery = 15 * time.Second
	}
	if cfg.Chance == nil {
		cfg.Chance = func(most time.Duration) time.Duration { return rand.N(max(most, 1)) } //nolint:gosec // no secret
	}
	if cfg.BeforeStep == nil {
		cfg.BeforeStep = func(string) {}
	}
	if cfg.Sharing == nil && cfg.Alone == "" {
		cfg.Alone = "each node orders on its own"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	i := &Issuer{
		cfg: cfg, keys: keyring{cfg.Keys}, poke: make(chan struct{}, 1), slots: make(chan struct{}, atOnce),
		records: map[string]*record{}, accounts: map[string]*account{}, wanted: map[string]*want{}, running: map[string]*attempt{},
		waits: map[string]wait{}, unsaved: map[string]bool{}, failed: map[string]uint64{}, asked: map[string]time.Time{},
	}
	i.tokens = &tokens{web: cfg.Web, answers: map[string]string{}}
	if cfg.Sharing != nil {
		i.pool = newPool(i, *cfg.Sharing)
	}
	return i, i.load(ctx)
}

// Changed returns a channel that is closed when another certificate has been issued.
func (i *Issuer) Changed() <-chan struct{} { return i.changed.Next() }

// Run orders and renews until ctx ends, which is no error. The next Run continues an order that has
// not ended.
func (i *Issuer) Run(ctx context.Context) error {
	var group, pool sync.WaitGroup
	defer pool.Wait()
	pooled, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave() // after the last attempt has stored what it has done
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if i.pool != nil {
		pool.Go(func() { i.pool.run(pooled) })
	}
	group.Go(func() { i.follow(ctx) })
	for {
		i.saveUnsaved(ctx)
		next := i.begin(ctx, &group)
		timer := time.NewTimer(min(max(next.Sub(i.cfg.Now()), 10*time.Millisecond), i.cfg.LookEvery))
		select {
		case <-i.poke:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// look has Run look again.
func (i *Issuer) look() {
	select {
	case i.poke <- struct{}{}:
	default: // it will
	}
}

// follow keeps up with what operators ask for.
func (i *Issuer) follow(ctx context.Context) {
	for ctx.Err() == nil {
		in, err := i.cfg.Store.Load(ctx)
		if err != nil {
			_ = wake.Pause(ctx, i.cfg.LookEvery) // the store says what is wrong with it
			continue
		}
		i.want(in)
		if i.pool != nil {
			i.pool.adopt(ctx)
		}
		i.forget(ctx)
		i.look()
		if err := i.cfg.Store.Wait(ctx, in.Revision); err != nil && ctx.Err() == nil {
			_ = wake.Pause(ctx, i.cfg.LookEvery)
		}
	}
}

// want sets what to order. It ends attempts for orders that nobody wants any more.
func (i *Issuer) want(in lb.Intent) {
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
	for _, a := range i.cfg.Own {
		id := a.Identity()
		if wanted[id] == nil {
			wanted[id] = &want{ACME: a, identity: id}
		}
		wanted[id].isOwn = true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.wanted = wanted
	for id, a := range i.running {
		if wanted[id] == nil {
			a.cancel(errUnwanted)
		}
	}
}

var errUnwanted = errors.New("nobody asks for the certificate any more")

// begin begins the attempts that are due, and returns when the next is.
func (i *Issuer) begin(ctx context.Context, group *sync.WaitGroup) time.Time {
	now := i.cfg.Now()
	next := now.Add(24 * time.Hour)
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(i.wanted)) {
		if i.running[id] != nil {
			continue
		}
		r := i.records[id]
		if r == nil {
			r = &record{}
		}
		due := i.nextLook(id, r)
		if due.After(now) {
			if due.Before(next) {
				next = due
			}
			continue
		}
		select {
		case i.slots <- struct{}{}:
		default:
			return now.Add(i.cfg.LookEvery) // the end of an attempt pokes
		}
		a := newAttempt(ctx, i, i.wanted[id])
		i.running[id] = a
		group.Go(func() { //nolint:contextcheck // that of the attempt
			a.run()
			<-i.slots
			i.look()
		})
	}
	return next
}

// nextLook is when an attempt is to begin. The caller holds mu.
func (i *Issuer) nextLook(id string, r *record) time.Time {
	due := r.due()
	if _, issued := r.leaf(); issued && r.Order == nil && r.LookAt.Before(due) {
		due = r.LookAt
	}
	if i.pool != nil && i.pool.lacks(id, r) {
		due = time.Time{}
	}
	if _, isAsked := i.asked[id]; isAsked {
		due = r.Held
	}
	if w, waits := i.waits[id]; waits && w.until.After(due) {
		return w.until
	}
	return due
}

// forgetWaits lets attempts begin that have waited for something of other nodes.
func (i *Issuer) forgetWaits() {
	i.mu.Lock()
	clear(i.waits)
	i.mu.Unlock()
	i.look()
}

// Files are the certificate that was issued last for an order, or a stand-in until then; see
// lb.Intent.WithIssued.
func (i *Issuer) Files(a lb.ACME) []lb.PEMFile {
	id := a.Identity()
	r := i.record(id)
	switch {
	case len(r.Files) > 0:
		return domainFiles(r.Files)
	case len(r.StandIn) > 0:
		return domainFiles(r.StandIn)
	}
	return i.standIn(id, a)
}

// standIn makes the stand-in of an order, once. One that cannot be stored is made again.
func (i *Issuer) standIn(id string, a lb.ACME) []lb.PEMFile {
	b, err := newStandIn(a, i.cfg.Now())
	if err == nil {
		err = i.cfg.Keys.Put(b.Files)
	}
	if err == nil {
		err = i.updateHere(context.Background(), id, func(r *record) {
			if len(r.StandIn) == 0 {
				r.Domains, r.Directory, r.KeyType, r.StandIn = a.Domains, a.Directory, a.KeyType, storedFiles(b.Certificate.Files)
			}
		})
	}
	if err != nil {
		i.cfg.Logger.Warn("no certificate to serve until one is issued", "domains", a.Domains, "error", err)
		return nil
	}
	r := i.record(id)
	if len(r.Files) > 0 {
		return domainFiles(r.Files)
	}
	return domainFiles(r.StandIn)
}

// IsIssued reports whether a server has issued what Files returns.
func (i *Issuer) IsIssued(a lb.ACME) bool { return len(i.record(a.Identity()).Files) > 0 }

// Renew orders a certificate again now. It has no effect while an order is in progress. The error
// is an *lb.ConflictError if the server does not accept requests yet.
func (i *Issuer) Renew(c lb.Certificate) error {
	if c.ACME == nil {
		return &lb.ConflictError{ID: c.ID(), Reason: "is not ordered by ACME: store a new one instead"}
	}
	id := c.ACME.Identity()
	r := i.record(id)
	if now := i.cfg.Now(); r.Held.After(now) {
		return &lb.ConflictError{ID: c.ID(), Reason: "the server wants no further request before " + r.Held.UTC().Format(time.RFC3339)}
	}
	i.mu.Lock()
	if i.running[id] == nil || !i.running[id].orders.Load() {
		i.asked[id] = i.cfg.Now()
		delete(i.waits, id)
	}
	i.mu.Unlock()
	i.look()
	return nil
}
