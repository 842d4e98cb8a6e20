package acme

import (
	"context"
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
	kv      *kv
	session *session
	docs    *documents
	live    *live
}

// newPool is what an issuer has in common with others.
func newPool(cfg Config, t *tokens) *pool {
	p := &pool{kv: newKV(*cfg.Sharing, cfg.Logger)}
	p.session = &session{kv: p.kv}
	p.docs = &documents{kv: p.kv, session: p.session, texts: cfg.Keys, entries: map[string]entry{}}
	p.live = &live{
		kv: p.kv, session: p.session, tokens: t, answer: wake.NewPoke(),
		locks: map[string]poolLock{}, answers: map[string]string{}, served: map[string]map[string]bool{},
	}
	return p
}

// connect has a queue begin again what has waited for other nodes or for the session.
func (p *pool) connect(q *queue) {
	p.live.freed = q.forgetWaits
	p.session.changed = func() {
		p.live.wake()
		q.forgetWaits()
	}
}

// run keeps up with the other nodes until ctx ends.
func (p *pool) run(ctx context.Context, i *Issuer) {
	adopted := func(ctx context.Context) {
		p.adopt(ctx, i)
		i.queue.poke.Send()
	}
	adoptAgain := func(ctx context.Context) { // what this node's disk could not take
		for wake.Pause(ctx, i.cfg.LookEvery) == nil {
			p.adopt(ctx, i)
		}
	}
	followStored := func(ctx context.Context) { p.docs.follow(ctx, adopted) }
	var group sync.WaitGroup
	for _, part := range []func(context.Context){p.session.keep, followStored, p.live.follow, p.live.answerOthers, adoptAgain} {
		group.Go(func() { part(ctx) })
	}
	group.Wait()
}

// adopt has an issuer take over what others have stored of the orders that it wants, and
// accounts.
func (p *pool) adopt(ctx context.Context, i *Issuer) {
	for name, e := range p.docs.all() {
		var err error
		switch {
		case e.account != nil:
			err = i.accounts.adopt(ctx, strings.TrimPrefix(name, accountPrefix), e.account)
		case e.record != nil:
			if identity := strings.TrimPrefix(name, recordPrefix); i.queue.isWanted(identity) {
				err = i.ledger.adopt(ctx, identity, e.record)
			}
		}
		p.kv.note("storing here what another node has ordered", err)
		if err != nil {
			return // a full disk, most likely: run tries again
		}
	}
}

// FollowConsul has later requests to Consul use the token and the TLS settings of cfg; see
// consul.Client.Follow. Without Sharing it does nothing.
func (i *Issuer) FollowConsul(cfg consul.Config) error {
	if i.pool == nil {
		return nil
	}
	return i.pool.kv.Consul.Follow(cfg)
}
