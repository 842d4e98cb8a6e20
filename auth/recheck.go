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
	// recheckTimeout bounds one question.
	recheckTimeout = 10 * time.Second
)

// Recheck checks, with the provider or the system, the user of each session that was used since the
// last check. The session of a user who no longer exists ends; changed groups take effect at once.
// Without an answer nothing changes: the session ends at the time that was set at the login. ended
// is called with each session that has ended.
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
			if gone, _ := s.EndListed(session.ID, ""); gone { // it would not outlive the next question
				s.shared.leave(session)
				ended(session)
			}
		case groups != nil:
			changed = s.regroup(session, groups) || changed
		}
	}
	if changed {
		_ = s.store() // which has logged it
	}
}

// maxRecheckFailures is the number of failures that ends a round of questions: PAM or the provider
// does not answer now.
const maxRecheckFailures = 3

// vouched are the sessions to ask about.
func (s *Sessions) vouched() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	all := append(slices.Collect(maps.Values(s.byID)), s.shared.list()...)
	return slices.DeleteFunc(all, func(session Session) bool {
		return !session.proof.isVouched() || now.Sub(session.Used) >= RecheckEvery || !session.isAlive(now)
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
