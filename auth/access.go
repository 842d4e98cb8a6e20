package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"thalassa/lb"
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

// accessList is what an access file says.
type accessList struct {
	Users        []accessUser        `yaml:"users"`
	Tokens       []accessToken       `yaml:"tokens"`
	Certificates []accessCertificate `yaml:"certificates"`
}

type accessUser struct {
	Name     string `yaml:"name"`
	Role     string `yaml:"role"`
	Password string `yaml:"password"` // empty: this user cannot log in

	who  Identity
	hash passwordHash
}

type accessToken struct {
	Name    string `yaml:"name"`
	Role    string `yaml:"role"`
	SHA256  string `yaml:"sha256"`
	Expires string `yaml:"expires"` // RFC 3339; empty: never

	who  Identity
	hash TokenHash
	ends time.Time // zero: never
}

type accessCertificate struct {
	Name       string `yaml:"name"`
	Role       string `yaml:"role"`
	DNS        string `yaml:"dns"`
	Email      string `yaml:"email"`
	URI        string `yaml:"uri"`
	CommonName string `yaml:"commonName"`

	who Identity
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
		file:   reloaded[*accessList]{path: path, load: readAccess, logger: logger, value: list, checked: time.Now(), read: at},
		hasher: newHasher(), now: now,
	}, nil
}

// Problem is a sentence that says why the file is unusable, so that what it no longer
// allows stays valid; empty if it is usable.
func (a *Access) Problem() string {
	if a == nil {
		return ""
	}
	return a.file.trouble()
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

// parseAccess reads and checks the text of an access file.
func parseAccess(data []byte) (*accessList, error) {
	list := &accessList{}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(list); err != nil && !errors.Is(err, io.EOF) {
		return nil, withoutValues(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("has more than one document")
	}
	names := map[string]bool{}
	for i := range list.Users {
		u := &list.Users[i]
		if err := u.complete(names); err != nil {
			return nil, fmt.Errorf("users[%d].%w", i, err)
		}
	}
	hashes := map[TokenHash]bool{}
	for i := range list.Tokens {
		t := &list.Tokens[i]
		if err := t.complete(hashes); err != nil {
			return nil, fmt.Errorf("tokens[%d].%w", i, err)
		}
	}
	for i := range list.Certificates {
		c := &list.Certificates[i]
		if err := c.complete(); err != nil {
			return nil, fmt.Errorf("certificates[%d].%w", i, err)
		}
	}
	return list, nil
}

// withoutValues is an error of the YAML library without what it quotes of the file, which
// may be a password in the wrong place.
func withoutValues(err error) error {
	typed, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		line, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: "), ":")
		return errors.New("is not YAML: " + line)
	}
	text := typed.Errors[0]
	if before, _, found := strings.Cut(text, "`"); found {
		text = strings.TrimSpace(before) + " a value of the wrong type"
	}
	return errors.New(text)
}

// identity reads name and role, which all kinds of entries have.
func identity(name, role string) (Identity, error) {
	if _, err := lb.ParseName(name); err != nil || strings.Contains(name, ":") {
		return Identity{}, errors.New("name: is not valid, expected 1 to 128 characters out of A-Z a-z 0-9 _ . -")
	}
	r, err := ParseRole(role)
	if err != nil {
		return Identity{}, fmt.Errorf("role: %w", err)
	}
	return Identity{Name: name, Role: r}, nil
}

func (u *accessUser) complete(names map[string]bool) (err error) {
	if u.who, err = identity(u.Name, u.Role); err != nil {
		return err
	}
	if names[u.Name] {
		return fmt.Errorf("name: %s is there twice", u.Name)
	}
	names[u.Name] = true
	if u.Password == "" {
		return nil
	}
	if u.hash, err = parsePasswordHash(u.Password); err != nil {
		return fmt.Errorf("password: %w", err)
	}
	return nil
}

func (t *accessToken) complete(hashes map[TokenHash]bool) (err error) {
	if t.who, err = identity(t.Name, t.Role); err != nil {
		return err
	}
	hash, err := parseToken(prefix + t.SHA256)
	if err != nil {
		return errors.New("sha256: is not 64 hexadecimal digits; thalassa token new writes it")
	}
	if t.hash = hash; hashes[t.hash] {
		return errors.New("sha256: another token has it, too")
	}
	hashes[t.hash] = true
	if t.Expires == "" {
		return nil
	}
	if t.ends, err = time.Parse(time.RFC3339, t.Expires); err != nil {
		return errors.New("expires: is not a time, expected one such as 2027-02-01T00:00:00Z")
	}
	return nil
}

func (c *accessCertificate) complete() (err error) {
	if c.who, err = identity(c.Name, c.Role); err != nil {
		return err
	}
	set := slices.DeleteFunc([]string{c.DNS, c.Email, c.URI, c.CommonName}, func(s string) bool { return s == "" })
	if len(set) != 1 {
		return errors.New("dns: expected one of dns, email, uri and commonName")
	}
	return nil
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

// password checks a user's password. A wrong name takes as long as a wrong password. The
// error is ErrBusy or that of ctx.
func (a *Access) password(ctx context.Context, name, password string) (accessUser, bool, error) {
	u, ok := a.user(name, checkEvery)
	if ok && a.known.has(u, password) {
		return u, true, nil
	}
	hash := u.hash
	if !ok {
		hash = passwordHash{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, saltLength), key: make([]byte, keyLength)}
	}
	right, err := a.hasher.matches(ctx, hash, password)
	if err != nil || !right || !ok {
		return accessUser{}, false, err
	}
	a.known.add(u, password)
	return u, true, nil
}

// HasPasswords reports whether anybody can log in with a password.
func (a *Access) HasPasswords() bool {
	return a != nil && slices.ContainsFunc(a.file.current(checkEvery).Users, func(u accessUser) bool { return u.Password != "" })
}

// certificate finds whom a client's certificate, which a trusted CA has signed, is for.
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

// knownPasswords remembers passwords that were right, so that a client that shows one
// with every request does not cost 100 ms each time. It keeps a keyed hash of each, with
// a key that ends with the process. The zero value is ready.
type knownPasswords struct {
	mu  sync.Mutex
	key []byte
	set map[[sha256.Size]byte]struct{}
}

// maxKnown bounds them.
const maxKnown = 1024

// has reports whether a password was right for the user's present hash.
func (k *knownPasswords) has(u accessUser, password string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		return false
	}
	_, ok := k.set[k.digest(u, password)]
	return ok
}

func (k *knownPasswords) add(u accessUser, password string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		k.key = make([]byte, sha256.Size)
		_, _ = rand.Read(k.key) // never fails
	}
	if k.set == nil || len(k.set) >= maxKnown {
		k.set = map[[sha256.Size]byte]struct{}{}
	}
	k.set[k.digest(u, password)] = struct{}{}
}

// digest is a password's keyed hash; mu is held. The stored hash is part of it, so that
// another password ends it.
func (k *knownPasswords) digest(u accessUser, password string) [sha256.Size]byte {
	m := hmac.New(sha256.New, k.key)
	fmt.Fprintf(m, "%d %s %s %s", len(u.Name), u.Name, u.Password, password)
	return [sha256.Size]byte(m.Sum(nil))
}
