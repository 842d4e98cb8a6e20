package auth

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"time"
)

const (
	// RecheckEvery is the time between two checks of the user of a session with the provider or the
	// system.
	RecheckEvery = 5 * time.Minute
	// RecheckAgain is how soon those are asked about whom the last check got no answer about.
	RecheckAgain = 5 * time.Second
	// MaxUnanswered is how long a session of an account of the system lasts from the first check
	// without an answer on, while it is used and no check gets one.
	MaxUnanswered = 15 * time.Minute
	// recheckTimeout bounds one question.
	recheckTimeout = 10 * time.Second
)

// Recheck checks, with the provider (ByOpenID) or the system (ByAccount), the user of each session
// of that kind that was used since the last check. The session of a user who no longer exists ends; changed groups take effect at once.
// Without an answer nothing changes for a user of a provider: the session ends at the time that was
// set at the login. That of an account of the system ends after MaxUnanswered. ended is called with
// each session that has ended, and why: a clause.
//
// unanswered says that RecheckUnanswered has something to do.
func (s *Sessions) Recheck(ctx context.Context, kind ProofKind, ended func(one Session, why string)) (unanswered bool) {
	return s.recheck(ctx, s.vouched(kind), ended)
}

// RecheckUnanswered is Recheck for the sessions that the last check got no answer about. Call it
// after RecheckAgain; one call of either at a time for each kind.
func (s *Sessions) RecheckUnanswered(ctx context.Context, kind ProofKind, ended func(one Session, why string)) (unanswered bool) {
	s.mu.Lock()
	waiting := maps.Clone(s.unanswered)
	s.mu.Unlock()
	sessions := slices.DeleteFunc(s.vouched(kind), func(one Session) bool {
		_, waits := waiting[one.key]
		return !waits
	})
	return s.recheck(ctx, sessions, ended)
}

func (s *Sessions) recheck(ctx context.Context, sessions []Session, ended func(one Session, why string)) (unanswered bool) {
	changed, failures := false, 0
	for _, session := range sessions {
		if ctx.Err() != nil {
			return false
		}
		if failures == maxRecheckFailures {
			s.unansweredBy(session, ended)
			continue
		}
		asking, cancel := context.WithTimeout(ctx, recheckTimeout)
		groups, known, err := s.authority.ask(asking, session.proof)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				failures++
				s.unansweredBy(session, ended)
			}
			continue
		}
		s.answered(session)
		switch {
		case !known:
			s.authority.forget(session)
			if gone, _ := s.EndListed(session.ID, ""); gone { // it would not outlive the next question
				s.shared.leave(session)
				ended(session, "its user is gone")
			}
		case groups != nil:
			changed = s.regroup(session, groups) || changed
		}
	}
	if changed {
		_ = s.store() // which has logged it
	}
	return failures > 0
}

// maxRecheckFailures is the number of failures that ends the questions of a check: PAM or the
// provider does not answer now.
const maxRecheckFailures = 3

// unansweredBy notes that nobody has answered about the user of a session, and ends the session of
// an account if that is so for too long. One of another node ends on this node alone: the other
// nodes have a system of their own.
func (s *Sessions) unansweredBy(session Session, ended func(one Session, why string)) {
	now := s.now()
	s.mu.Lock()
	if s.unanswered == nil {
		s.unanswered = map[[sha256.Size]byte]time.Time{}
	}
	since, known := s.unanswered[session.key]
	if !known {
		since = now
		s.unanswered[session.key] = now
	}
	s.mu.Unlock()
	if session.proof.Kind != ByAccount || now.Sub(since) < MaxUnanswered {
		return
	}
	s.answered(session)
	if s.doubt(session) {
		ended(session, "the system has not answered about its account for too long")
	}
}

// doubt ends a session on this node; false: there is none.
func (s *Sessions) doubt(session Session) bool {
	if s.removeListed(session.ID, "") {
		_ = s.store() // Problem tells
		return true
	}
	if s.shared == nil {
		return false
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	return s.shared.foreign.doubt(session.key)
}

// answered notes that there is nothing to ask about a session again soon.
func (s *Sessions) answered(session Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unanswered, session.key)
}

// doubt makes a session of another node not valid here until the system of this node has accepted
// its account again; false: there is no such session.
func (fs foreignSessions) doubt(key [sha256.Size]byte) bool {
	f, ok := fs[key]
	if ok {
		f.asked = false
		fs[key] = f
	}
	return ok
}

// vouched are the sessions of a kind to ask about.
func (s *Sessions) vouched(kind ProofKind) []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	all := append(slices.Collect(maps.Values(s.byID)), s.shared.list()...)
	alive := make(map[[sha256.Size]byte]bool, len(all))
	for _, session := range all {
		alive[session.key] = session.isAlive(now)
	}
	maps.DeleteFunc(s.unanswered, func(key [sha256.Size]byte, _ time.Time) bool { return !alive[key] })
	return slices.DeleteFunc(all, func(session Session) bool {
		return session.proof.Kind != kind || !session.proof.isVouched() || now.Sub(session.Used) >= RecheckEvery || !session.isAlive(now)
	})
}

// regroup gives a session the groups that its user has now, and reports whether they are
// other ones.
func (s *Sessions) regroup(session Session, groups []string) bool {
	p := session.proof
	p.Groups = s.authority.keptGroups(p.Kind, groups)
	if slices.Equal(p.Groups, session.proof.Groups) {
		return false
	}
	s.authority.remember(p, session.Name, session.Begun)
	s.shared.regroup(session, p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.byID[session.key]; ok {
		one.proof = p
		s.byID[session.key] = one
	}
	return true
}

// AskAccounts asks the system of this node about the accounts of new sessions from other nodes.
// Until the system has accepted an account, its sessions are not valid here. It asks again later
// about accounts that the system refuses or that it could not ask about. Call it every second or
// so; one call at a time.
func (sh *SharedSessions) AskAccounts(ctx context.Context) {
	now := sh.sessions.now()
	sh.mu.Lock()
	maps.DeleteFunc(sh.asking, func(_ [sha256.Size]byte, at time.Time) bool { return !now.Before(at) })
	unasked := sh.foreign.unasked(sh.asking, now)
	sh.mu.Unlock()
	for _, f := range unasked {
		asking, cancel := context.WithTimeout(ctx, recheckTimeout)
		groups, known, err := sh.sessions.authority.ask(asking, f.proof)
		cancel()
		if err != nil || !known {
			sh.mu.Lock()
			sh.asking[f.key] = now.Add(askAgain)
			sh.mu.Unlock()
			if err != nil {
				return // it cannot be asked at present
			}
			continue
		}
		f.proof.Groups = sh.sessions.authority.keptGroups(f.Kind, groups)
		sh.mu.Lock()
		if now, ok := sh.foreign[f.key]; ok {
			now.proof, now.asked = f.proof, true
			sh.foreign[f.key] = now
		}
		sh.mu.Unlock()
	}
}

// askAgain is the time until an account is asked about again.
const askAgain = time.Minute

// unasked are the sessions whose accounts are to be asked about; asking has those that are to be
// asked about later.
func (fs foreignSessions) unasked(asking map[[sha256.Size]byte]time.Time, now time.Time) []foreignSession {
	var out []foreignSession
	for key, f := range fs {
		if _, waits := asking[key]; !f.asked && !waits && f.isAlive(now) {
			out = append(out, f)
		}
	}
	return out
}

// isVouched reports whether PAM or a provider can be asked about the user of a proof.
func (p Proof) isVouched() bool { return p.ask != nil || p.Kind == ByAccount }

// ask asks PAM or the provider about a user; see OpenIDUser.Ask.
func (a *Authority) ask(ctx context.Context, p Proof) (groups []string, known bool, err error) {
	if p.Kind == ByAccount {
		return a.askAccount(ctx, p)
	}
	return p.ask(ctx)
}

// keptGroups are the groups to keep of a user of the system or the provider.
func (a *Authority) keptGroups(kind ProofKind, groups []string) []string {
	var grants []groupGrant
	if o := a.OpenID(); o != nil && kind == ByOpenID {
		grants = o.grants
	}
	if section := a.pam(); section != nil && kind == ByAccount {
		grants = section.grants
	}
	return keptGroups(grants, groups)
}
