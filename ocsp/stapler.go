package ocsp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/internal/wake"
	"thalassa/lb"
)

const (
	// atOnce bounds the requests under way, and perLook those of one look.
	atOnce  = 4
	perLook = 16
	// firstPause is the pause after a first failure, and longestPause the longest one.
	firstPause   = time.Minute
	longestPause = time.Hour
)

// A Stapler keeps the OCSP responses of what clients get fresh. Status and Warnings may be
// called from any goroutine.
type Stapler struct {
	cfg    Config
	client *http.Client

	mu      sync.Mutex
	entries map[string]*entry // by the digest of the file
}

// An entry is what is known of one certificate. Only Run changes it, with the lock.
type entry struct {
	target   lb.StapleTarget
	pair     pair
	problem  string // why there will be no response; empty: there may be
	isUnread bool   // the certificate could not be read: it is tried again
	response response
	failures int
	last     error     // of the last attempt to get a response
	given    given     // what HAProxy has
	giving   error     // why HAProxy has not got it
	next     time.Time // when the responder is asked again
}

// given says which response which worker staples to which file.
type given struct {
	worker int
	file   string
	until  time.Time // its nextUpdate
}

// New makes a Stapler.
func New(cfg Config) *Stapler {
	cfg = cfg.withDefaults()
	return &Stapler{cfg: cfg, client: newClient(cfg.AllowLocal), entries: map[string]*entry{}}
}

// Run keeps the responses fresh until ctx ends, which is no error.
func (s *Stapler) Run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	for {
		changed := s.cfg.Changed()
		s.follow(s.cfg.Targets())
		more := s.fetchDue(ctx)
		s.give(ctx)
		if ctx.Err() != nil {
			return nil
		}
		pause := s.cfg.LookEvery
		if more {
			pause = 0
		}
		timer := time.NewTimer(min(pause, s.untilDue()))
		select {
		case <-ctx.Done():
		case <-changed:
			_ = wake.Pause(ctx, settle) // one look at many changes
		case <-timer.C:
		}
		timer.Stop()
	}
}

// settle is the pause after a change, in which others may follow.
const settle = 200 * time.Millisecond

// follow notes which certificates clients get.
func (s *Stapler) follow(targets []lb.StapleTarget) {
	next := make(map[string]*entry, len(targets))
	for _, t := range targets {
		s.mu.Lock()
		known := s.entries[t.File.Digest]
		s.mu.Unlock()
		if known == nil || known.isUnread {
			known = s.newEntry(t)
		}
		next[t.File.Digest] = known
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range targets {
		next[t.File.Digest].target = t
	}
	s.entries = next
}

func (s *Stapler) newEntry(t lb.StapleTarget) *entry {
	e := &entry{target: t, next: s.cfg.Now()}
	text, err := s.cfg.Text(t.File.Digest)
	if e.isUnread = err != nil; err == nil {
		e.pair, err = parsePair(text)
	}
	switch {
	case err != nil:
		e.problem = err.Error()
	case !s.cfg.Enabled:
		e.problem = "ocsp-stapling is off"
	case e.pair.responder() == "":
		e.problem = "the certificate names no responder"
	}
	if e.problem != "" {
		return e
	}
	if der, err := s.cfg.HAProxy.Stapled(t); err == nil {
		if r, err := e.pair.check(der, s.cfg.Now()); err == nil {
			e.response, e.next = r, s.renewAt(r)
		}
	}
	return e
}

// renewAt is when a response is renewed: at half of its life, some of them earlier, so that
// not all are asked for at once.
func (s *Stapler) renewAt(r response) time.Time {
	half := r.end().Sub(r.thisUpdate) / 2
	at := r.thisUpdate.Add(half - s.cfg.Chance(half/5))
	if soon := s.cfg.Now().Add(min(firstPause, r.end().Sub(s.cfg.Now())/2)); at.Before(soon) {
		return soon // a responder that hands out what it made long ago is not asked at once again
	}
	return at
}

// due are the certificates whose responder is to be asked now, those that wait longest first.
func (s *Stapler) due() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*entry
	for _, e := range s.entries {
		if e.problem == "" && !e.next.After(s.cfg.Now()) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *entry) int {
		return cmp.Or(a.next.Compare(b.next), cmp.Compare(a.target.File.Name, b.target.File.Name))
	})
	return out
}

// untilDue is the time until a responder is to be asked.
func (s *Stapler) untilDue() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.cfg.LookEvery
	for _, e := range s.entries {
		if e.problem == "" {
			left = min(left, e.next.Sub(s.cfg.Now()))
		}
	}
	return max(left, 0)
}

// fetchDue asks responders. more: others are due.
func (s *Stapler) fetchDue(ctx context.Context) (more bool) {
	due := s.due()
	if more = len(due) > perLook; more {
		due = due[:perLook]
	}
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, e := range due {
		g.Go(func() error {
			r, err := fetch(ctx, s.client, e.pair, s.cfg.Now())
			if ctx.Err() == nil {
				s.note(ctx, e, r, err)
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return more
}

// note notes the outcome of a request. The former response stays until it ends, unless the
// certificate is revoked.
func (s *Stapler) note(ctx context.Context, e *entry, r response, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		if e.last != nil {
			s.cfg.Logger.InfoContext(ctx, "ocsp response renewed again", "certificate", e.target.Certificate)
		}
		e.response, e.last, e.failures, e.next = r, nil, 0, s.renewAt(r)
		return
	}
	if e.last == nil || e.last.Error() != err.Error() {
		s.cfg.Logger.WarnContext(ctx, "ocsp response not renewed", "certificate", e.target.Certificate, "error", err)
	}
	e.last = err
	e.failures++
	pause := min(firstPause<<min(e.failures-1, 10), longestPause)
	e.next = s.cfg.Now().Add(pause - s.cfg.Chance(pause/4))
}

// give has HAProxy staple what it does not yet.
func (s *Stapler) give(ctx context.Context) {
	var todo []*entry
	s.mu.Lock()
	for _, e := range s.entries {
		if e.isUsable(s.cfg.Now()) {
			todo = append(todo, e)
		}
	}
	s.mu.Unlock()
	if len(todo) == 0 {
		return
	}
	worker, err := s.cfg.HAProxy.Worker(ctx)
	if err != nil || worker == 0 {
		return // it loads the files when it starts
	}
	for _, e := range todo {
		wanted := given{worker: worker, file: e.target.File.Name, until: e.response.nextUpdate}
		if e.given == wanted || ctx.Err() != nil {
			continue
		}
		err := s.cfg.HAProxy.Staple(ctx, e.target, e.response.der)
		s.mu.Lock()
		if err != nil && (e.giving == nil || e.giving.Error() != err.Error()) && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "ocsp response not stapled", "certificate", e.target.Certificate, "error", err)
		}
		if e.giving = err; err == nil {
			e.given = wanted
		}
		s.mu.Unlock()
	}
}

// isUsable reports whether the response is valid now.
func (e *entry) isUsable(now time.Time) bool {
	return e.problem == "" && e.response.der != nil && e.response.end().After(now) && !errors.Is(e.last, errRevoked)
}
