package acme

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
)

// An Issuer orders the certificates that the intent asks for, and renews them in time. Create it
// with New and call Run; the other methods may be called from any goroutine while Run runs.
type Issuer struct {
	cfg        Config
	changed    wake.Signal
	keys       keyring
	ledger     *ledger
	accounts   *accounts
	queue      *queue
	challenges *challenges
	pool       *pool // nil: this node orders on its own
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
	i := &Issuer{cfg: cfg, keys: keyring{cfg.Keys}}
	t := &tokens{web: cfg.Web, answers: map[string]string{}}
	i.challenges = &challenges{tokens: t, zones: cfg.DNS, logger: cfg.Logger, skipSelfCheck: cfg.SkipSelfCheck}
	i.ledger = &ledger{
		store: cfg.Store, keys: cfg.Keys, logger: cfg.Logger, adopted: i.adopted, records: map[string]*record{}, unsaved: map[string]bool{},
	}
	i.accounts = &accounts{store: cfg.Store, keys: cfg.Keys, all: map[string]*account{}}
	i.queue = newQueue(i.ledger, cfg.Now, cfg.LookEvery)
	if cfg.Sharing != nil {
		i.pool = newPool(cfg, t)
		i.pool.connect(i.queue)
		i.challenges.live, i.ledger.shared, i.accounts.shared = i.pool.live, i.pool.docs, i.pool.docs
	}
	return i, i.load(ctx)
}

// load reads what an earlier run has stored. What cannot be read is left out, which costs
// another order.
func (i *Issuer) load(ctx context.Context) error {
	docs, err := i.cfg.Store.LoadOrders(ctx)
	if err != nil {
		i.cfg.Logger.ErrorContext(ctx, "orders of certificates not read", "error", err)
	}
	for key, doc := range docs {
		var err error
		if identity, ok := strings.CutPrefix(key, recordPrefix); ok {
			err = i.ledger.restore(identity, doc)
		} else if id, ok := strings.CutPrefix(key, accountPrefix); ok {
			err = i.accounts.restore(id, doc)
		}
		if err != nil {
			i.cfg.Logger.ErrorContext(ctx, "order of a certificate not read", "key", key, "error", err)
		}
	}
	return ctx.Err()
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
		pool.Go(func() { i.pool.run(pooled, i) })
	}
	group.Go(func() { i.follow(ctx) })
	for {
		i.ledger.saveUnsaved(ctx)
		due, next := i.queue.begin(ctx, i)
		for _, a := range due {
			group.Go(func() { //nolint:contextcheck // that of the attempt
				a.run()
				i.queue.leave()
			})
		}
		timer := time.NewTimer(min(max(next.Sub(i.cfg.Now()), 10*time.Millisecond), i.cfg.LookEvery))
		select {
		case <-i.queue.poke:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
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
		i.queue.set(wantedOf(in, i.cfg.Own))
		if i.pool != nil {
			i.pool.adopt(ctx, i)
		}
		i.forget(ctx)
		i.queue.poke.Send()
		if err := i.cfg.Store.Wait(ctx, in.Revision); err != nil && ctx.Err() == nil {
			_ = wake.Pause(ctx, i.cfg.LookEvery)
		}
	}
}

// forget removes what has long ended, and is not wanted.
func (i *Issuer) forget(ctx context.Context) {
	if err := i.ledger.forget(ctx, i.cfg.Now(), i.queue.isWanted); err != nil {
		i.cfg.Logger.WarnContext(ctx, "former order not removed", "error", err)
		return
	}
	if i.pool != nil {
		i.pool.docs.sweep(ctx, i.cfg.Now(), i.queue.isWanted)
	}
}

// adopted announces a certificate that another node has ordered.
func (i *Issuer) adopted(ctx context.Context, identity string, before *record) {
	if w := i.queue.want(identity); w != nil {
		i.issued(ctx, w, before, "another node has ordered it")
	}
}

// KeysInUse adds the digests of all texts in Keys that orders, accounts and issued
// certificates name.
func (i *Issuer) KeysInUse(inUse map[string]bool) {
	i.ledger.keysInUse(inUse)
	i.accounts.keysInUse(inUse)
}

// Files are the certificate that was issued last for an order, or a stand-in until then; see
// lb.Intent.WithIssued.
func (i *Issuer) Files(a lb.ACME) []lb.PEMFile {
	id := a.Identity()
	r := i.ledger.record(id)
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
		err = i.ledger.updateHere(context.Background(), id, func(r *record) {
			if len(r.StandIn) == 0 {
				r.Domains, r.Directory, r.KeyType, r.StandIn = a.Domains, a.Directory, a.KeyType, storedFiles(b.Certificate.Files)
			}
		})
	}
	if err != nil {
		i.cfg.Logger.Warn("no certificate to serve until one is issued", "domains", a.Domains, "error", err)
		return nil
	}
	r := i.ledger.record(id)
	if len(r.Files) > 0 {
		return domainFiles(r.Files)
	}
	return domainFiles(r.StandIn)
}

// IsIssued reports whether a server has issued what Files returns.
func (i *Issuer) IsIssued(a lb.ACME) bool { return len(i.ledger.record(a.Identity()).Files) > 0 }

// Renew orders a certificate again now. It has no effect while an order is in progress. The error
// is an *lb.ConflictError if the server does not accept requests yet.
func (i *Issuer) Renew(c lb.Certificate) error {
	if c.ACME == nil {
		return &lb.ConflictError{ID: c.ID(), Reason: "is not ordered by ACME: store a new one instead"}
	}
	id := c.ACME.Identity()
	r := i.ledger.record(id)
	if now := i.cfg.Now(); r.Held.After(now) {
		return &lb.ConflictError{ID: c.ID(), Reason: "the server wants no further request before " + r.Held.UTC().Format(time.RFC3339)}
	}
	i.queue.ask(id)
	return nil
}
