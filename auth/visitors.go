package auth

import (
	"sync"
	"time"
)

// visitors are the users whom somebody else vouches for, by their names, so that work that
// they have begun continues without them. The zero value is ready.
type visitors struct {
	mu     sync.Mutex
	byName map[string]Proof // of the last login; Until is how long their work may go on
}

// remember keeps the last login of a user whom somebody else vouches for.
func (a *Authority) remember(p Proof, name string, at time.Time) {
	if p.Kind != ByOpenID && p.Kind != ByAccount {
		return
	}
	a.visitors.mu.Lock()
	defer a.visitors.mu.Unlock()
	if a.visitors.byName == nil {
		a.visitors.byName = map[string]Proof{}
	}
	if len(a.visitors.byName) >= maxSessions {
		clear(a.visitors.byName)
	}
	p.Until = at.Add(SessionLifetime)
	a.visitors.byName[name] = p
}

// forget ends what the user of a session has begun, unless another one of the same name has logged
// in since.
func (a *Authority) forget(session Session) {
	a.visitors.mu.Lock()
	defer a.visitors.mu.Unlock()
	if last, ok := a.visitors.byName[session.Name]; ok && last.Hash == session.proof.Hash {
		delete(a.visitors.byName, session.Name)
	}
}

// allows reports whether the groups of a user as of the last login allow something now. It
// counts longer than the session, which ends with the provider's token: at most
// SessionLifetime.
func (v *visitors) allows(access *Access, name string, need Role, object string) bool {
	v.mu.Lock()
	last, ok := v.byName[name]
	v.mu.Unlock()
	if !ok {
		return false
	}
	find := access.openIDUser
	if last.Kind == ByAccount {
		find = access.accountUser
	}
	who, ok := find(last, 0)
	return ok && time.Now().Before(last.Until) && who.Allows(need, object)
}
