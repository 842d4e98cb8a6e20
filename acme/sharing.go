package acme

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/consul"
	"thalassa/internal/wake"
)

// A Sealer encrypts what is stored where others may read and write it. All nodes of a
// cluster have the same.
type Sealer interface {
	Seal(name string, data []byte) []byte
	// Open takes what Seal has made under the same name.
	Open(name string, sealed []byte) ([]byte, error)
	// ID tells the keys of two Sealers apart. It is a part of keys in Consul.
	ID() string
}

// Sharing is how the nodes of a cluster order together: through Consul's key-value store.
type Sharing struct {
	Consul *consul.Client
	Seal   Sealer
	// Prefix begins the keys in Consul, and ends with a slash.
	Prefix string
	// Node names this one for people.
	Node string
	// TTL is how long the locks of a node outlast it, at most twice as long, and Delay how
	// long no other node takes them after that (15 s, 10 s).
	TTL, Delay time.Duration
}

// A pool is what the nodes of a cluster have in common. In Consul it has these keys below
// its prefix; ID is that of the Sealer:
//
//	stored/ID/certificate/IDENTITY  a sealedRecord
//	stored/ID/account/ACCOUNT       a sealedAccount
//	live/lock/ID/IDENTITY           the node that works on an order, held by its session
//	live/answers/ID/IDENTITY        its answers to HTTP-01 challenges, sealed
//	live/node/SESSION               which answers a node gives, held by its session, sealed
//
// Whatever is stored of an order is written by the session that holds its lock, and only if
// nobody else has written meanwhile.
type pool struct {
	cfg      Sharing
	keys     poolKeys
	sessions consul.Sessions
	i        *Issuer
	logger   *slog.Logger
	changed  wake.Signal // what other nodes serve, and the session
	answer   wake.Poke   // there may be other answers to give

	mu       sync.Mutex
	session  *poolSession               // nil: there is none
	problems map[string]string          // sentences by what cannot be done
	isRead   bool                       // entries have been read once
	entries  map[string]entry           // below stored/ID/
	locks    map[string]poolLock        // of other sessions, by identity
	answers  map[string]string          // of other nodes, by token
	served   map[string]map[string]bool // the tokens that other nodes answer, by their sessions
	told     string                     // what this node has last said that it answers
}

// A poolSession is this node's session in Consul. ctx ends before another node can take what
// it holds.
type poolSession struct {
	id  string
	ctx context.Context //nolint:containedctx // of the session
}

// A poolLock is a lock of another session.
type poolLock struct {
	node string
	// orders: the node makes an order, and does not only look.
	orders bool
}

const (
	defaultTTL   = 15 * time.Second
	defaultDelay = 10 * time.Second
	// looking precedes the name of a node in a lock for a look.
	looking = "looking: "
)

func newPool(i *Issuer, cfg Sharing) *pool {
	if cfg.TTL <= 0 {
		cfg.TTL = defaultTTL
	}
	if cfg.Delay <= 0 {
		cfg.Delay = defaultDelay
	}
	return &pool{
		cfg: cfg, keys: poolKeys{cfg.Prefix, cfg.Seal.ID()}, sessions: cfg.Consul.Sessions(), i: i, logger: i.cfg.Logger, answer: wake.NewPoke(), problems: map[string]string{},
		entries: map[string]entry{}, locks: map[string]poolLock{}, answers: map[string]string{}, served: map[string]map[string]bool{},
	}
}

// poolKeys are the keys of a pool in Consul.
type poolKeys struct{ prefix, id string }

func (k poolKeys) stored() string              { return k.prefix + "stored/" + k.id + "/" }
func (k poolKeys) live() string                { return k.prefix + "live/" }
func (k poolKeys) lock(identity string) string { return k.live() + "lock/" + k.id + "/" + identity }
func (k poolKeys) answers(identity string) string {
	return k.live() + "answers/" + k.id + "/" + identity
}
func (k poolKeys) node(session string) string { return k.live() + "node/" + session }

// run keeps up with the other nodes until ctx ends.
func (p *pool) run(ctx context.Context) {
	var group sync.WaitGroup
	for _, part := range []func(context.Context){p.keepSession, p.followStored, p.followLive, p.answerOthers, p.adoptAgain} {
		group.Go(func() { part(ctx) })
	}
	group.Wait()
}

// problem says why this node cannot order together with the others now; empty: it can.
func (p *pool) problem() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Values(p.problems)), "; ")
}

// note keeps and logs a problem, or that it is over.
func (p *pool) note(doing string, err error) {
	text := ""
	if err != nil {
		text = doing + ": " + errorText(err)
	}
	p.mu.Lock()
	former := p.problems[doing]
	delete(p.problems, doing)
	if text != "" {
		p.problems[doing] = text
	}
	p.mu.Unlock()
	switch {
	case text != "" && former == "":
		p.logger.Warn("orders of certificates are not shared", "error", text)
	case text == "" && former != "":
		p.logger.Info("orders of certificates are shared again", "after", former)
	}
}

// diagnosed is an error of Consul in words that are the same for the same cause.
func diagnosed(err error) error {
	switch {
	case err == nil, errors.Is(err, consul.ErrNotHeld), errors.Is(err, consul.ErrChanged):
		return err
	}
	return errors.New(consul.Diagnose(err).Reason)
}

// keepSession has a session in Consul until ctx ends.
func (p *pool) keepSession(ctx context.Context) {
	pause := time.Second
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, p.cfg.TTL/5)
		id, err := p.sessions.Begin(asking, "thalassa-acme-"+p.cfg.Node, p.cfg.TTL, p.cfg.Delay)
		cancel()
		if ctx.Err() != nil {
			return
		}
		p.note("beginning a session", diagnosed(err))
		if err != nil {
			_ = wake.Pause(ctx, consul.Jitter(pause))
			pause = min(2*pause, p.cfg.TTL)
			continue
		}
		pause = time.Second
		p.hold(ctx, id)
	}
}

// hold renews a session until it is lost, or ctx ends. The session counts as lost some time
// before Consul lets another node take what it holds.
func (p *pool) hold(ctx context.Context, id string) {
	held, lose := context.WithCancel(ctx)
	defer lose()
	lasts := p.cfg.TTL * 4 / 5 // from an answer to a renewal, which takes a fifth at most
	timer := time.AfterFunc(lasts, lose)
	defer timer.Stop()
	p.use(&poolSession{id, held})
	defer p.use(nil)
	for wake.Pause(held, p.cfg.TTL/4) == nil {
		asking, cancel := context.WithTimeout(held, p.cfg.TTL/5)
		isThere, err := p.sessions.Renew(asking, id)
		cancel()
		if err == nil && !isThere {
			break // Consul has ended it
		}
		if held.Err() == nil {
			p.note("renewing the session", diagnosed(err))
		}
		if err == nil {
			timer.Reset(lasts)
		}
	}
	lose()
	p.note("renewing the session", nil) // the next begins
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.TTL/5)
	defer cancel()
	if err := p.sessions.End(ending, id); err != nil && ctx.Err() == nil {
		p.logger.DebugContext(ctx, "session in consul not ended", "error", err)
	}
}

func (p *pool) use(s *poolSession) {
	p.mu.Lock()
	p.session, p.told = s, ""
	p.mu.Unlock()
	p.changed.Broadcast()
	p.answer.Send()
	p.i.forgetWaits()
}

// current is the session; an error says why there is none.
func (p *pool) current() (*poolSession, error) {
	p.mu.Lock()
	s := p.session
	p.mu.Unlock()
	if s == nil || s.ctx.Err() != nil {
		text := "the other nodes cannot be reached through Consul"
		if problem := p.problem(); problem != "" {
			text += ": " + problem
		}
		return nil, &waitError{text: text}
	}
	return s, nil
}

// take takes the lock of an order. end is called when it is lost. release gives it back, and
// is never nil.
func (p *pool) take(ctx context.Context, identity string, end func(error)) (release func(), err error) {
	nothing := func() {}
	s, err := p.current()
	if err != nil {
		return nothing, err
	}
	asking, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	isHeld, err := p.sessions.Hold(asking, s.id, p.keys.lock(identity), []byte(looking+p.cfg.Node))
	switch {
	case err != nil:
		return nothing, &waitError{text: "taking the lock of the order: " + diagnosed(err).Error()}
	case !isHeld:
		return nothing, &waitError{text: "another node works on the order, or has until a moment ago", elsewhere: true}
	}
	stop := context.AfterFunc(s.ctx, func() { end(errLockLost) })
	return func() {
		stop()
		if s.ctx.Err() != nil {
			return
		}
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
		defer cancel()
		_, err := p.sessions.Write(asking, s.id, p.keys.lock(identity), consul.Write{Key: p.keys.lock(identity), Anyway: true})
		if err != nil && !errors.Is(err, consul.ErrNotHeld) {
			p.logger.WarnContext(ctx, "lock of an order not given back", "error", diagnosed(err))
		}
	}, nil
}

var errLockLost = errors.New("the lock of the order is lost")

// announce lets the other nodes know that this one makes an order now. The error says that
// it has not, or does not know that it has, the lock of the order.
func (p *pool) announce(ctx context.Context, identity string) error {
	s, err := p.current()
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	isHeld, err := p.sessions.Hold(asking, s.id, p.keys.lock(identity), []byte(p.cfg.Node))
	if err == nil && !isHeld {
		err = consul.ErrNotHeld
	}
	if err != nil {
		return &waitError{text: "holding the lock of the order: " + diagnosed(err).Error()}
	}
	return nil
}

// FollowConsul has later requests to Consul use the token and the TLS settings of cfg; see
// consul.Client.Follow. Without Sharing it does nothing.
func (i *Issuer) FollowConsul(cfg consul.Config) error {
	if i.pool == nil {
		return nil
	}
	return i.pool.cfg.Consul.Follow(cfg)
}

// elsewhere is the node that makes an order now; empty: none but this one does.
func (p *pool) elsewhere(identity string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.locks[identity]; l.orders {
		return l.node
	}
	return ""
}
