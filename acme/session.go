package acme

import (
	"context"
	"errors"
	"sync"
	"time"

	"thalassa/consul"
	"thalassa/internal/wake"
)

// A session owns this node's session in Consul, and takes the locks of orders with it.
type session struct {
	kv      *kv
	changed func() // called when there is another session, or none

	mu  sync.Mutex
	now *poolSession // nil: there is none
}

// A poolSession is a session in Consul. ctx ends before another node can take what it holds.
type poolSession struct {
	id  string
	ctx context.Context //nolint:containedctx // of the session
}

// looking precedes the name of a node in a lock for a look.
const looking = "looking: "

// keep has a session in Consul until ctx ends.
func (s *session) keep(ctx context.Context) {
	pause := time.Second
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, s.kv.TTL/5)
		id, err := s.kv.sessions.Begin(asking, "thalassa-acme-"+s.kv.Node, s.kv.TTL, s.kv.Delay)
		cancel()
		if ctx.Err() != nil {
			return
		}
		s.kv.note("beginning a session", diagnosed(err))
		if err != nil {
			_ = wake.Pause(ctx, consul.Jitter(pause))
			pause = min(2*pause, s.kv.TTL)
			continue
		}
		pause = time.Second
		s.hold(ctx, id)
	}
}

// hold renews a session until it is lost, or ctx ends. The session counts as lost some time
// before Consul lets another node take what it holds.
func (s *session) hold(ctx context.Context, id string) {
	held, lose := context.WithCancel(ctx)
	defer lose()
	lasts := s.kv.TTL * 4 / 5 // from an answer to a renewal, which takes a fifth at most
	timer := time.AfterFunc(lasts, lose)
	defer timer.Stop()
	s.use(&poolSession{id, held})
	defer s.use(nil)
	for wake.Pause(held, s.kv.TTL/4) == nil {
		asking, cancel := context.WithTimeout(held, s.kv.TTL/5)
		isThere, err := s.kv.sessions.Renew(asking, id)
		cancel()
		if err == nil && !isThere {
			break // Consul has ended it
		}
		if held.Err() == nil {
			s.kv.note("renewing the session", diagnosed(err))
		}
		if err == nil {
			timer.Reset(lasts)
		}
	}
	lose()
	s.kv.note("renewing the session", nil) // the next begins
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.kv.TTL/5)
	defer cancel()
	if err := s.kv.sessions.End(ending, id); err != nil && ctx.Err() == nil {
		s.kv.logger.DebugContext(ctx, "session in consul not ended", "error", err)
	}
}

func (s *session) use(other *poolSession) {
	s.mu.Lock()
	s.now = other
	s.mu.Unlock()
	s.changed()
}

// last is the session, though it may be over; nil: there is none.
func (s *session) last() *poolSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// current is the session; an error says why there is none.
func (s *session) current() (*poolSession, error) {
	now := s.last()
	if now == nil || now.ctx.Err() != nil {
		text := "the other nodes cannot be reached through Consul"
		if problem := s.kv.problem(); problem != "" {
			text += ": " + problem
		}
		return nil, &waitError{text: text}
	}
	return now, nil
}

// take takes the lock of an order. end is called when it is lost. release gives it back, and
// is never nil.
func (s *session) take(ctx context.Context, identity string, end func(error)) (release func(), err error) {
	nothing := func() {}
	now, err := s.current()
	if err != nil {
		return nothing, err
	}
	asking, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	isHeld, err := s.kv.sessions.Hold(asking, now.id, s.kv.keys.lock(identity), []byte(looking+s.kv.Node))
	switch {
	case err != nil:
		return nothing, &waitError{text: "taking the lock of the order: " + diagnosed(err).Error()}
	case !isHeld:
		return nothing, &waitError{text: "another node works on the order, or has until a moment ago", elsewhere: true}
	}
	stop := context.AfterFunc(now.ctx, func() { end(errLockLost) }) //nolint:contextcheck // of the session
	return func() {
		stop()
		if now.ctx.Err() != nil {
			return
		}
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
		defer cancel()
		_, err := s.kv.sessions.Write(asking, now.id, s.kv.keys.lock(identity), consul.Write{Key: s.kv.keys.lock(identity), Anyway: true})
		if err != nil && !errors.Is(err, consul.ErrNotHeld) {
			s.kv.logger.WarnContext(ctx, "lock of an order not given back", "error", diagnosed(err))
		}
	}, nil
}

var errLockLost = errors.New("the lock of the order is lost")

// announce lets the other nodes know that this one makes an order now. The error says that
// it has not, or does not know that it has, the lock of the order.
func (s *session) announce(ctx context.Context, identity string) error {
	now, err := s.current()
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	isHeld, err := s.kv.sessions.Hold(asking, now.id, s.kv.keys.lock(identity), []byte(s.kv.Node))
	if err == nil && !isHeld {
		err = consul.ErrNotHeld
	}
	if err != nil {
		return &waitError{text: "holding the lock of the order: " + diagnosed(err).Error()}
	}
	return nil
}
