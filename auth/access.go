package auth

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// An Access is an access file: users with passwords, tokens that may expire, and
// certificates of clients, each with a role. In YAML:
//
//	users:
//	  - name: ann
//	    role: admin
//	    password: $argon2id$v=19$m=32768,t=3,p=1$…$…
//	tokens:
//	  - name: ci
//	    role: deploy
//	    sha256: f7427558c415b90991cda4680025abb161b74047a0db2dc1556317f2707ba8dd
//	    expires: 2027-02-01T00:00:00Z
//	certificates:
//	  - name: pipeline
//	    role: deploy
//	    dns: ci.example.com
//	oidc:
//	  issuer: https://id.example.com
//	  client-id: thalassa
//	  client-secret-file: /etc/thalassa/oidc-secret
//	  groups: {ops: admin}
//	pam: {service: thalassa, groups: {haclient: admin}}
//
// A certificate is matched by one of dns, email, uri (subject alternative names) and
// commonName. A changed file is read again on the next use, at most once a second; one
// that has become unusable changes nothing. All methods may be called concurrently; those
// of a nil *Access know nobody.
type Access struct {
	file   reloaded[*accessList]
	hasher *hasher
	known  knownPasswords
	now    func() time.Time
}

// OpenAccess reads an access file. The error names the entry and the field, and never a
// secret. Other users must not be able to read the file. A nil logger discards.
func OpenAccess(path string, now func() time.Time, logger *slog.Logger) (*Access, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	list, at, err := readAccess(path)
	if err != nil {
		return nil, fmt.Errorf("reading the access file: %w", err)
	}
	at.shared = false // statFile does not know it
	return &Access{
		file: reloaded[*accessList]{
			path: path, load: readAccess, value: list, checked: time.Now(), read: at,
			changed: func(*accessList, *accessList, bool) { logger.Info("access file reloaded", "path", path) },
			unusable: func(err error) {
				logger.Error("access file unusable, its previous content stays valid: nothing is revoked", "path", path, "error", err)
			},
		},
		hasher: newHasher(), now: now,
	}, nil
}

// Problem is a sentence that says why the file is unusable, so that the previous content stays
// valid; empty if it is usable.
func (a *Access) Problem() string {
	if a == nil {
		return ""
	}
	return a.file.trouble()
}

// look reads the file if it has changed.
func (a *Access) look() {
	if a != nil {
		a.file.current(0)
	}
}

// readAccess opens, checks and parses an access file.
func readAccess(path string) (*accessList, fileVersion, error) {
	data, at, err := readSecret(path, "/", true)
	if err != nil {
		return nil, at, err
	}
	list, err := parseAccess(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return list, at, err
}

// token finds the owner of a token that has not expired, after a look at the file unless
// the last one is more recent than the given time.
func (a *Access) token(hash TokenHash, recent time.Duration) (Identity, bool) {
	if a == nil {
		return Identity{}, false
	}
	var found *accessToken
	list := a.file.current(recent)
	for i := range list.Tokens {
		if subtle.ConstantTimeCompare(hash[:], list.Tokens[i].hash[:]) == 1 {
			found = &list.Tokens[i] // no early return, so that the time does not depend on the place
		}
	}
	if found == nil || !found.isValid(a.now()) {
		return Identity{}, false
	}
	return found.who, true
}

// isValid reports whether a token has not expired.
func (t accessToken) isValid(now time.Time) bool { return t.ends.IsZero() || now.Before(t.ends) }

// user finds a user who can log in.
func (a *Access) user(name string, recent time.Duration) (accessUser, bool) {
	if a == nil {
		return accessUser{}, false
	}
	list := a.file.current(recent)
	i := slices.IndexFunc(list.Users, func(u accessUser) bool { return u.Name == name && u.Password != "" })
	if i < 0 {
		return accessUser{}, false
	}
	return list.Users[i], true
}

// hasUser reports whether there is a user of that name, who may not be able to log in.
func (a *Access) hasUser(name string) bool {
	return slices.ContainsFunc(a.file.current(checkEvery).Users, func(u accessUser) bool { return u.Name == name })
}

// password checks a user's password. A wrong name takes as long as a wrong password. The
// error is ErrBusy or that of ctx.
func (a *Access) password(ctx context.Context, name, password string) (accessUser, bool, error) {
	u, ok := a.user(name, checkEvery)
	if ok && a.known.has(u, password) {
		return u, true, nil
	}
	hash := u.hash
	if !ok {
		hash = a.nobody()
	}
	right, err := a.hasher.matches(ctx, hash, password)
	if err != nil || !right || !ok {
		return accessUser{}, false, err
	}
	a.known.add(u, password)
	return u, true, nil
}

// nobody is a hash that matches no password, with the parameters of the first user, or those of new
// hashes.
func (a *Access) nobody() passwordHash {
	h := passwordHash{memory: hashMemory, time: hashTime, threads: hashThreads}
	list := a.file.current(checkEvery).Users
	if i := slices.IndexFunc(list, func(u accessUser) bool { return u.Password != "" }); i >= 0 {
		h = list[i].hash
	}
	h.salt, h.key = make([]byte, saltLength), make([]byte, keyLength)
	return h
}

// HasPasswords reports whether anybody can log in with a password.
func (a *Access) HasPasswords() bool {
	return a != nil && slices.ContainsFunc(a.file.current(checkEvery).Users, func(u accessUser) bool { return u.Password != "" })
}

// certificate finds the owner of a client's certificate, which a trusted CA has signed.
func (a *Access) certificate(c *x509.Certificate, recent time.Duration) (Identity, bool) {
	if a == nil {
		return Identity{}, false
	}
	list := a.file.current(recent)
	i := slices.IndexFunc(list.Certificates, func(e accessCertificate) bool { return e.fits(c) })
	if i < 0 {
		return Identity{}, false
	}
	return list.Certificates[i].who, true
}

func (c accessCertificate) fits(cert *x509.Certificate) bool {
	switch {
	case c.DNS != "":
		return slices.ContainsFunc(cert.DNSNames, func(name string) bool { return strings.EqualFold(name, c.DNS) })
	case c.Email != "":
		return slices.Contains(cert.EmailAddresses, c.Email)
	case c.URI != "":
		for _, u := range cert.URIs {
			if u.String() == c.URI {
				return true
			}
		}
		return false
	}
	return cert.Subject.CommonName == c.CommonName
}

// hidesSome reports whether an entry hides objects.
func (a *Access) hidesSome() bool { return a != nil && a.file.current(checkEvery).hides }
