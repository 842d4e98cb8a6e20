package auth

// MaxSessions bounds the sessions there are.
const MaxSessions = maxSessions

// Authenticate finds the owner of a token.
func (t *Tokens) Authenticate(bearer string) (Identity, bool) {
	who, _, ok := NewAuthority(t, nil).Token(bearer)
	return who, ok
}
