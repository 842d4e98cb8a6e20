package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// An OpenID is the section oidc of an access file: a provider of OpenID Connect whose users
// may log in, and the roles of its groups. It is immutable.
type OpenID struct {
	// Issuer is the URL of the provider: https, or http on the loopback.
	Issuer   string `yaml:"issuer"`
	ClientID string `yaml:"client-id"`
	// ClientSecretFile is the path of a file with the client's secret; empty: the provider accepts
	// clients without a secret.
	ClientSecretFile string `yaml:"client-secret-file"`
	// CAFile is the path of a PEM file with the CAs of the provider; empty: the system's.
	CAFile string `yaml:"ca-file"`
	// GroupsClaim is the claim with the groups of a user, "groups" by default. A dot leads
	// into an object: realm_access.roles.
	GroupsClaim string `yaml:"groups-claim"`
	// NameClaim is the claim with the name of a user; empty: preferred_username, else a
	// verified email, else sub.
	NameClaim string `yaml:"name-claim"`
	// Scopes are the requested scopes; nil: openid, and those of profile, email and groups that the
	// provider supports.
	Scopes []string `yaml:"scopes"`
	// Redirect is the address of the login page, as registered with the provider, for agents
	// behind another address; empty: the one that the browser uses, if it is the agent's own.
	Redirect string `yaml:"redirect"`

	Groups yaml.Node `yaml:"groups"`

	grants []groupGrant
}

// complete checks the section and fills in the defaults.
func (o *OpenID) complete() (err error) {
	switch {
	case !isProviderURL(o.Issuer):
		return errors.New("issuer: is not valid, expected a URL such as https://id.example.com without query; http on the loopback only")
	case o.ClientID == "" || len(o.ClientID) > maxGroup:
		return fmt.Errorf("client-id: expected 1 to %d bytes, as registered with the provider", maxGroup)
	case o.ClientSecretFile != "" && !filepath.IsAbs(o.ClientSecretFile):
		return errors.New("client-secret-file: is not an absolute path")
	case o.CAFile != "" && !filepath.IsAbs(o.CAFile):
		return errors.New("ca-file: is not an absolute path")
	case o.Redirect != "" && (!isProviderURL(o.Redirect) || !strings.HasSuffix(o.Redirect, "/login")):
		return errors.New("redirect: is not valid, expected a URL such as https://lb.example.com/login; http on the loopback only")
	case o.Scopes != nil && !slices.Contains(o.Scopes, "openid"):
		return errors.New("scopes: has no openid, which every login needs")
	case slices.ContainsFunc(o.Scopes, func(s string) bool { return s == "" || strings.ContainsAny(s, " \t\"\\") }):
		return errors.New("scopes: a scope has a space or a quote, or is empty")
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	o.grants, err = parseGroups(o.Groups)
	return err
}

// isProviderURL reports whether an issuer is a URL that secrets may be sent to.
func isProviderURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	isLoopback := u.Hostname() == "localhost" || err == nil && address.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback
}

// Secret reads the client's secret; empty: there is none. The error names the file.
func (o *OpenID) Secret() (string, error) {
	if o.ClientSecretFile == "" {
		return "", nil
	}
	data, _, err := readSecret(o.ClientSecretFile, "/", true)
	if err != nil {
		return "", fmt.Errorf("client-secret-file: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("client-secret-file: %s is empty", o.ClientSecretFile)
	}
	return secret, nil
}

// verify reads the client's secret as for a program that runs as that user.
func (o *OpenID) verify(as Reader) error {
	if o == nil || o.ClientSecretFile == "" {
		return nil
	}
	if _, _, err := readSecret(o.ClientSecretFile, "/", false); err != nil {
		return fmt.Errorf("client-secret-file: %w", err)
	}
	if err := as.mayTrust(o.ClientSecretFile); err != nil {
		return fmt.Errorf("client-secret-file: %w", err)
	}
	return nil
}

// SecretFiles are the files with secrets that an access file names; none if it cannot be
// read.
func SecretFiles(accessFile string) []string {
	data, _, err := readSecret(accessFile, "/", false)
	if err != nil {
		return nil
	}
	list, err := parseAccess(data)
	if err != nil {
		return nil
	}
	return list.OIDC.files()
}

// SecretFiles are the files with secrets that the access file names now.
func (a *Authority) SecretFiles() []string { return a.OpenID().files() }

func (o *OpenID) files() []string {
	if o == nil || o.ClientSecretFile == "" {
		return nil
	}
	return []string{o.ClientSecretFile}
}

// An OpenIDUser is a user whom a provider has identified.
type OpenIDUser struct {
	Subject string // sub, which never changes
	Name    string // for people
	Groups  []string
	Until   time.Time // the provider vouches for the user until then
	// Ask asks the provider again; nil: it cannot be asked. known is false if the provider no
	// longer accepts the user, and groups is nil if it does not report them.
	Ask func(ctx context.Context) (groups []string, known bool, err error)
}

// openIDPrefix begins the names of users of a provider, who choose their names. No name in
// an access file has a colon.
const openIDPrefix = "oidc:"

// OpenID is the provider of the access file; nil: there is none.
func (a *Authority) OpenID() *OpenID {
	if a == nil {
		return nil
	}
	access := a.files.Load().access
	if access == nil {
		return nil
	}
	return access.file.current(checkEvery).OIDC
}

// OpenIDUser finds what a user of the provider o may do. The error is a *NoRoleError; the Identity
// then has the name of the user.
func (a *Authority) OpenIDUser(o *OpenID, u OpenIDUser) (Identity, Proof, error) {
	p := Proof{
		Kind: ByOpenID, User: openIDPrefix + u.Name, Subject: u.Subject, Groups: keptGroups(o.grants, u.Groups), Until: u.Until,
		Hash: o.hash(u.Subject), ask: u.Ask,
	}
	if who, ok := a.IdentifyNow(p); ok {
		return who, p, nil
	}
	return Identity{Name: p.User, Subject: p.Subject}, Proof{}, &NoRoleError{User: p.User, Groups: u.Groups}
}

// hash identifies a user of the provider. It changes with the provider and the client.
func (o *OpenID) hash(subject string) TokenHash {
	return sha256.Sum256([]byte(strings.Join([]string{o.Issuer, o.ClientID, subject}, "\n")))
}

// openIDUser finds what a user of the provider may do now.
func (a *Access) openIDUser(p Proof, recent time.Duration) (Identity, bool) {
	if a == nil {
		return Identity{}, false
	}
	o := a.file.current(recent).OIDC
	if o == nil || o.hash(p.Subject) != p.Hash || !a.now().Before(p.Until) {
		return Identity{}, false
	}
	grant, ok := grantOf(o.grants, p.Groups)
	return Identity{Name: p.User, Subject: p.Subject, Grant: grant}, ok
}
