package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// An Accounts asks the system about its accounts, as *pam.Client does.
type Accounts interface {
	// Login says whether a user may log in with a password. The error is ErrWrong, an
	// *AccountError, ErrBusy, or says why there was no answer.
	Login(ctx context.Context, service, user, password string) (Account, error)
	// Account says whether a user may still log in.
	Account(ctx context.Context, service, user string) (Account, error)
}

// An Account is a user of the system.
type Account struct {
	Name   string // as the system calls the user
	Groups []string
}

// ErrWrong says that there is no account of that name with that password.
var ErrWrong = errors.New("name or password is wrong")

// An AccountError says that the system refuses an account, such as one that has expired.
type AccountError struct {
	User  string
	Words string // of the system
}

// Error has the message of the system.
func (e *AccountError) Error() string { return "the system refuses " + e.User + ": " + e.Words }

// accountPrefix begins the names of users of the system. No name in an access file has a
// colon.
const accountPrefix = "pam:"

// pamSection is the section pam of an access file: the service of PAM whose users may log
// in, and the roles of the system's groups.
type pamSection struct {
	Service string    `yaml:"service"` // thalassa by default
	Groups  yaml.Node `yaml:"groups"`

	grants []groupGrant
}

func (p *pamSection) complete() (err error) {
	if p.Service == "" {
		p.Service = "thalassa"
	}
	if !isAccountName(p.Service) {
		return errors.New("service: is not valid, expected the name of a file in /etc/pam.d")
	}
	p.grants, err = parseGroups(p.Groups)
	return err
}

// isAccountName reports whether a text may be the name of an account or a service, as
// thalassa-pam takes it.
func isAccountName(s string) bool {
	const most = 120
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.@-", c) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= most && s[0] != '-' && s[0] != '.'
}

// UseAccounts sets the source of the system's accounts, which is used if an access file has a
// section pam. Call it before any other method.
func (a *Authority) UseAccounts(accounts Accounts) {
	if a != nil {
		a.accounts = accounts
	}
}

// pam is the section of the access file; nil: users of the system cannot log in.
func (a *Authority) pam() *pamSection {
	access := a.files.Load().access
	if a.accounts == nil || access == nil {
		return nil
	}
	return access.file.current(checkEvery).PAM
}

// account logs a user of the system in. The error is ErrWrong, an *AccountError, ErrBusy or
// a *NoRoleError, or says why nobody has answered.
func (a *Authority) account(ctx context.Context, section *pamSection, name, password string) (Identity, Proof, error) {
	if !isAccountName(name) || password == "" {
		return Identity{}, Proof{}, ErrWrong
	}
	found, known := a.knownAccounts.find(section.Service, name, password)
	if !known {
		var err error
		if found, err = a.accounts.Login(ctx, section.Service, name, password); err != nil {
			if errors.As(err, new(*AccountError)) { // the password was right
				return Identity{Name: accountPrefix + name}, Proof{}, err
			}
			return Identity{}, Proof{}, err
		}
		a.knownAccounts.add(section.Service, name, password, found)
	}
	p := Proof{Kind: ByAccount, User: accountPrefix + found.Name, Subject: found.Name, Groups: keptGroups(section.grants, found.Groups), Hash: section.hash(found.Name)}
	if who, ok := a.IdentifyNow(p); ok {
		a.remember(p, who.Name, time.Now()) // who shows the password with each request has no session
		return who, p, nil
	}
	return Identity{Name: p.User}, Proof{}, &NoRoleError{User: p.User, Groups: found.Groups}
}

// A NoRoleError says that a user has logged in correctly, but has no role.
type NoRoleError struct {
	User   string
	Groups []string
}

// Error names the groups of the user.
func (e *NoRoleError) Error() string {
	return fmt.Sprintf("%s has no role here: no group of the access file is among the user's (%s)", e.User, quotedGroups(e.Groups))
}

// hash identifies a user of the system. It changes with the service.
func (p *pamSection) hash(name string) TokenHash {
	return sha256.Sum256([]byte(strings.Join([]string{"pam", p.Service, name}, "\n")))
}

// accountUser finds what a user of the system may do now.
func (a *Access) accountUser(p Proof, recent time.Duration) (Identity, bool) {
	if a == nil {
		return Identity{}, false
	}
	section := a.file.current(recent).PAM
	if section == nil || section.hash(p.Subject) != p.Hash || !p.Until.IsZero() && !a.now().Before(p.Until) {
		return Identity{}, false
	}
	grant, ok := grantOf(section.grants, p.Groups)
	return Identity{Name: p.User, Grant: grant}, ok
}

// askAccount asks the system about a user who has logged in before; see OpenIDUser.Ask.
func (a *Authority) askAccount(ctx context.Context, p Proof) (groups []string, known bool, err error) {
	section := a.pam()
	if section == nil {
		return nil, true, errors.New("users of the system cannot log in")
	}
	found, err := a.accounts.Account(ctx, section.Service, p.Subject)
	switch {
	case errors.As(err, new(*AccountError)), errors.Is(err, ErrWrong):
		a.knownAccounts.clear()
		return nil, false, nil
	case err != nil:
		return nil, true, err
	}
	return append([]string{}, found.Groups...), true, nil
}

// knownAccounts remembers for RecheckEvery which passwords the system has accepted, for clients
// that send one with each request. It keeps keyed hashes, with a key that ends with the process.
// The zero value is ready.
type knownAccounts struct {
	mu  sync.Mutex
	key []byte
	set map[[sha256.Size]byte]knownAccount
}

type knownAccount struct {
	Account
	until time.Time
}

func (k *knownAccounts) find(service, name, password string) (Account, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.set[k.digest(service, name, password)]
	return known.Account, ok && time.Now().Before(known.until)
}

func (k *knownAccounts) add(service, name, password string, account Account) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set == nil || len(k.set) >= maxKnown {
		k.set = map[[sha256.Size]byte]knownAccount{}
	}
	k.set[k.digest(service, name, password)] = knownAccount{account, time.Now().Add(RecheckEvery)}
}

func (k *knownAccounts) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.set)
}

// digest is a keyed hash; mu is held.
func (k *knownAccounts) digest(service, name, password string) [sha256.Size]byte {
	if k.key == nil {
		k.key = make([]byte, sha256.Size)
		_, _ = rand.Read(k.key) // never fails
	}
	m := hmac.New(sha256.New, k.key)
	fmt.Fprintf(m, "%s\n%s\n%s", service, name, password)
	return [sha256.Size]byte(m.Sum(nil))
}
