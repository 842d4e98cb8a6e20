package auth

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	// RecheckEvery is the time between two questions about the user of a session, to whoever
	// vouches for the user.
	RecheckEvery = 5 * time.Minute
	// recheckTimeout bounds one question.
	recheckTimeout = 10 * time.Second
)

// Recheck asks about the user of each session that was used since the last question, if
// somebody else vouches for the user. The session of a user who is gone ends; other groups
// count at once. Nothing changes for users about whom nobody answers: their sessions end at
// the time that was told at the login. ended is called with each session that has ended.
func (s *Sessions) Recheck(ctx context.Context, ended func(Session)) {
	changed := false
	failures := 0
	for _, session := range s.vouched() {
		if ctx.Err() != nil || failures == maxRecheckFailures {
			break
		}
		asking, cancel := context.WithTimeout(ctx, recheckTimeout)
		groups, known, err := s.authority.ask(asking, session.proof)
		cancel()
		switch {
		case err != nil:
			failures++
			continue
		case !known:
			s.authority.forget(session.Name)
			if s.EndListed(session.ID, "") {
				ended(session)
			}
		case groups != nil:
			changed = s.regroup(session, groups) || changed
		}
	}
	if changed {
		s.store()
	}
}

// maxRecheckFailures ends a round of questions: whoever vouches does not answer now.
const maxRecheckFailures = 3

// vouched are the sessions to ask about.
func (s *Sessions) vouched() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	return slices.Collect(func(yield func(Session) bool) {
		for session := range maps.Values(s.byID) {
			if session.proof.isVouched() && now.Sub(session.Used) < RecheckEvery && session.isAlive(now) && !yield(session) {
				return
			}
		}
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, one := range s.byID {
		if one.ID == session.ID {
			one.proof = p
			s.byID[key] = one
		}
	}
	return true
}

// isVouched reports whether somebody can be asked about whoever has shown the proof.
func (p Proof) isVouched() bool { return p.ask != nil || p.Kind == ByAccount }

// ask asks whoever vouches for a user; see OpenIDUser.Ask.
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
