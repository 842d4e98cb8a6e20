package auth

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"sync/atomic"
	"time"
)

// A Proof is the credential of a caller, in a form that can be stored and checked again. It cannot
// be used to log in.
type Proof struct {
	Kind ProofKind
	User string // whose password it was, or the name of a user of a provider
	// Hash is the SHA-256 of the token, of the user's line in the access file, of the
	// certificate, or of the provider or system and the user's name there.
	Hash TokenHash

	// What a provider, or the system, said of a user; empty for the other kinds.
	Subject string
	Groups  []string
	Until   time.Time // zero: the system has not said

	certificate *x509.Certificate
	between     []*x509.Certificate // that the client has shown with it
	// ask asks the provider about the user again; see OpenIDUser. nil: it cannot be asked.
	ask func(ctx context.Context) (groups []string, known bool, err error)
}

// A ProofKind is a kind of credential.
type ProofKind string

// The kinds of proofs.
const (
	ByToken       ProofKind = "token"
	ByPassword    ProofKind = "password"
	ByCertificate ProofKind = "certificate"
	ByOpenID      ProofKind = "oidc" // a login at a provider of OpenID Connect
	ByAccount     ProofKind = "pam"  // the password of an account of the system
)

// An Authority identifies callers by their credentials, with a token file, an access file or both.
// All methods may be called concurrently. A nil *Authority identifies nobody.
type Authority struct {
	files    atomic.Pointer[authorityFiles]
	visitors visitors
	clients  atomic.Pointer[clientTrust] // see TrustClients

	accounts      Accounts // nil: users of the system cannot log in
	knownAccounts knownAccounts
}

// authorityFiles are the files of an Authority; nil: there is no such file.
type authorityFiles struct {
	tokens *Tokens
	access *Access
}

// NewAuthority makes an Authority of a token file and an access file; nil if there is
// neither.
func NewAuthority(tokens *Tokens, access *Access) *Authority {
	if tokens == nil && access == nil {
		return nil
	}
	a := &Authority{}
	a.Replace(tokens, access)
	return a
}

// Replace replaces the files. What only the former ones allow ends with the next request. One of
// the files may be nil.
func (a *Authority) Replace(tokens *Tokens, access *Access) {
	a.files.Store(&authorityFiles{tokens: tokens, access: access})
}

// Look reads changed files now, instead of at the next use.
func (a *Authority) Look() {
	if a == nil {
		return
	}
	files := a.files.Load()
	files.tokens.current(0)
	files.access.look()
}

// Problems are sentences that say why a file is unusable, so that its previous content stays valid.
func (a *Authority) Problems() []string {
	if a == nil {
		return nil
	}
	files := a.files.Load()
	var out []string
	for _, p := range []string{files.tokens.Problem(), files.access.Problem()} {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

// HasPasswords reports whether anybody can log in with a password.
func (a *Authority) HasPasswords() bool {
	return a != nil && (a.files.Load().access.HasPasswords() || a.pam() != nil)
}

// HasUser reports whether there is a user of that name who can log in with a password.
func (a *Authority) HasUser(name string) bool {
	if a == nil {
		return false
	}
	_, ok := a.files.Load().access.user(name, checkEvery)
	return ok
}

// MayBeAccount reports whether a name may be that of a user of the system who can log in.
func (a *Authority) MayBeAccount(name string) bool {
	return a != nil && a.pam() != nil && isAccountName(name)
}

// HidesSome reports whether there are callers who may not see all objects.
func (a *Authority) HidesSome() bool { return a != nil && a.files.Load().access.hidesSome() }

// Token finds the owner of a token. Its duration does not depend on how similar a wrong
// token is.
func (a *Authority) Token(bearer string) (Identity, Proof, bool) {
	if len(bearer) < minToken {
		return Identity{}, Proof{}, false
	}
	p := Proof{Kind: ByToken, Hash: sha256.Sum256([]byte(bearer))}
	who, ok := a.identify(p, checkEvery)
	return who, p, ok
}

// Password finds a user by name and password: one of the access file, else one of the system. The
// error is ErrBusy, that of ctx, an *AccountError or a *NoRoleError, or says why the system could
// not be asked. With a *NoRoleError, the Identity has the name of the user.
func (a *Authority) Password(ctx context.Context, name, password string) (Identity, Proof, bool, error) {
	if a == nil || len(password) > maxPassword || strings.Contains(password, "\x00") { // where PAM would end it
		return Identity{}, Proof{}, false, nil
	}
	access := a.files.Load().access
	if access == nil {
		return Identity{}, Proof{}, false, nil
	}
	if section := a.pam(); section != nil && !access.hasUser(name) {
		who, proof, err := a.account(ctx, section, name, password)
		if errors.Is(err, ErrWrong) {
			return Identity{}, Proof{}, false, nil
		}
		return who, proof, err == nil, err
	}
	u, ok, err := access.password(ctx, name, password)
	if !ok {
		return Identity{}, Proof{}, false, err
	}
	return u.who, u.proof(), true, nil
}

// Certificate finds the owner of a client's certificate, which came with those between it and its
// authority. The client has proved in a handshake that it has the key, and the caller has checked
// that an authority of that time had signed it. TrustClients says which ones count now.
func (a *Authority) Certificate(c *x509.Certificate, between ...*x509.Certificate) (Identity, Proof, bool) {
	p := Proof{Kind: ByCertificate, Hash: sha256.Sum256(c.Raw), certificate: c, between: between}
	who, ok := a.identify(p, checkEvery)
	return who, p, ok
}

// Identify finds the owner of a proof; false: it is no longer valid.
func (a *Authority) Identify(p Proof) (Identity, bool) { return a.identify(p, checkEvery) }

// IdentifyNow is Identify after a look at the files, however recent the last one is.
func (a *Authority) IdentifyNow(p Proof) (Identity, bool) { return a.identify(p, 0) }

func (a *Authority) identify(p Proof, recent time.Duration) (Identity, bool) {
	if a == nil {
		return Identity{}, false
	}
	files := a.files.Load()
	switch p.Kind {
	case ByToken:
		if who, ok := files.tokens.identify(p.Hash, recent); ok {
			return who, true
		}
		return files.access.token(p.Hash, recent)
	case ByPassword:
		u, ok := files.access.user(p.User, recent)
		if !ok || u.proof().Hash != p.Hash {
			return Identity{}, false
		}
		return u.who, true
	case ByCertificate:
		if p.certificate == nil || files.access == nil || files.access.now().After(p.certificate.NotAfter) {
			return Identity{}, false
		}
		if !a.clients.Load().trusts(p, files.access.now()) {
			return Identity{}, false
		}
		return files.access.certificate(p.certificate, recent)
	case ByOpenID:
		return files.access.openIDUser(p, recent)
	case ByAccount:
		if a.accounts == nil {
			return Identity{}, false
		}
		return files.access.accountUser(p, recent)
	}
	return Identity{}, false
}

// proof is that of the user's present password.
func (u accessUser) proof() Proof {
	return Proof{Kind: ByPassword, User: u.Name, Hash: sha256.Sum256([]byte(strings.Join([]string{u.Name, u.Password}, "\n")))}
}
