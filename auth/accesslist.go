package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"thalassa/lb"
)

// accessList is what an access file says.
type accessList struct {
	Users        []accessUser        `yaml:"users"`
	Tokens       []accessToken       `yaml:"tokens"`
	Certificates []accessCertificate `yaml:"certificates"`
	OIDC         *OpenID             `yaml:"oidc"`
	PAM          *pamSection         `yaml:"pam"`

	hides bool // some entry hides objects
}

type accessUser struct {
	Name     string `yaml:"name"`
	Role     string `yaml:"role"`
	Password string `yaml:"password"` // empty: this user cannot log in

	limits `yaml:",inline"`

	who  Identity
	hash passwordHash
}

type accessToken struct {
	Name    string `yaml:"name"`
	Role    string `yaml:"role"`
	SHA256  string `yaml:"sha256"`
	Expires string `yaml:"expires"` // RFC 3339; empty: never

	limits `yaml:",inline"`

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

	limits `yaml:",inline"`

	who Identity
}

// limits are the fields that limit an entry to some objects. They are nodes, so that an
// empty one is refused and not taken for a missing one.
type limits struct {
	On  yaml.Node `yaml:"on"`  // patterns; missing: all objects
	See yaml.Node `yaml:"see"` // false: the others are not seen
}

// grant reads a role with its limits.
func (l limits) grant(role Role) (Grant, error) {
	var patterns []string
	if l.On.Kind != 0 {
		patterns = []string{}
		if l.On.Kind != yaml.SequenceNode || l.On.Decode(&patterns) != nil {
			return Grant{}, errors.New("on: is not a list, expected patterns such as [backend/shop-*]")
		}
	}
	sees := true
	if l.See.Kind != 0 && (l.See.ShortTag() != "!!bool" || l.See.Decode(&sees) != nil) {
		return Grant{}, errors.New("see: is not true or false")
	}
	return NewGrant(role, patterns, sees)
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
	if list.OIDC != nil {
		if err := list.OIDC.complete(); err != nil {
			return nil, fmt.Errorf("oidc.%w", err)
		}
	}
	if list.PAM != nil {
		if err := list.PAM.complete(); err != nil {
			return nil, fmt.Errorf("pam.%w", err)
		}
	}
	list.hides = slices.ContainsFunc(list.grants(), Grant.HidesRest)
	return list, nil
}

// grants are those of all entries.
func (l *accessList) grants() []Grant {
	out := make([]Grant, 0, len(l.Users)+len(l.Tokens)+len(l.Certificates)+len(l.groups()))
	for _, u := range l.Users {
		out = append(out, u.who.Grant)
	}
	for _, t := range l.Tokens {
		out = append(out, t.who.Grant)
	}
	for _, c := range l.Certificates {
		out = append(out, c.who.Grant)
	}
	for _, g := range l.groups() {
		out = append(out, g.grant)
	}
	return out
}

// groups are those of all sections with groups.
func (l *accessList) groups() []groupGrant {
	var out []groupGrant
	if l.OIDC != nil {
		out = append(out, l.OIDC.grants...)
	}
	if l.PAM != nil {
		out = append(out, l.PAM.grants...)
	}
	return out
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

// identity reads name, role and limits, which all kinds of entries have.
func identity(name, role string, l limits) (Identity, error) {
	if _, err := lb.ParseName(name); err != nil || strings.Contains(name, ":") {
		return Identity{}, errors.New("name: is not valid, expected 1 to 128 characters out of A-Z a-z 0-9 _ . -")
	}
	r, err := ParseRole(role)
	if err != nil {
		return Identity{}, fmt.Errorf("role: %w", err)
	}
	grant, err := l.grant(r)
	return Identity{Name: name, Grant: grant}, err
}

func (u *accessUser) complete(names map[string]bool) (err error) {
	if u.who, err = identity(u.Name, u.Role, u.limits); err != nil {
		return err
	}
	if names[u.Name] {
		return fmt.Errorf("name: %s is set twice", u.Name)
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
	if t.who, err = identity(t.Name, t.Role, t.limits); err != nil {
		return err
	}
	hash, err := parseToken(prefix + t.SHA256)
	if err != nil {
		return errors.New("sha256: is not 64 hexadecimal digits; thalassa token new writes it")
	}
	if t.hash = hash; hashes[t.hash] {
		return errors.New("sha256: is that of another token, too")
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
	if c.who, err = identity(c.Name, c.Role, c.limits); err != nil {
		return err
	}
	set := slices.DeleteFunc([]string{c.DNS, c.Email, c.URI, c.CommonName}, func(s string) bool { return s == "" })
	if len(set) != 1 {
		return errors.New("dns: expected one of dns, email, uri and commonName")
	}
	return nil
}
