package auth

// SetMost bounds the sessions there are.
func (s *Sessions) SetMost(n int) { s.most = n }

// Authenticate finds the owner of a token.
func (t *Tokens) Authenticate(bearer string) (Identity, bool) {
	who, _, ok := NewAuthority(t, nil).Token(bearer)
	return who, ok
}
