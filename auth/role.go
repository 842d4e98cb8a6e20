package auth

import "fmt"

// A Role says what a token allows. Roles are ordered: each one includes
// those before it. The zero Role allows nothing.
type Role int

// The roles, weakest first.
const (
	Read    Role = iota + 1 // read everything
	Deploy                  // and switch backends to another version
	Operate                 // and reload, and act on the cluster
	Admin                   // and create, replace and delete
)

// roleNames are the names in the order of the constants.
func roleNames() []string { return []string{"read", "deploy", "operate", "admin"} }

// ParseRole accepts "read", "deploy", "operate" or "admin". The error does not quote s,
// which may be a token in the wrong column.
func ParseRole(s string) (Role, error) {
	for i, name := range roleNames() {
		if s == name {
			return Role(i + 1), nil
		}
	}
	return 0, fmt.Errorf("the role is not one of %v", roleNames())
}

// String gives the name that ParseRole accepts; "none" for the zero Role.
func (r Role) String() string {
	if r < Read || r > Admin {
		return "none"
	}
	return roleNames()[r-1]
}

// Allows reports whether r includes need.
func (r Role) Allows(need Role) bool {
	return r >= Read && r <= Admin && need >= Read && need <= r
}

// An Identity is an authenticated caller, with its rights.
type Identity struct {
	Name string // of the token, e.g. "ci"; follows the rule of lb.Name
	// Subject is sub of a user of a provider, whose users may have the same name or change theirs;
	// empty: the name alone tells who it is.
	Subject string
	Grant
}

// Owner tells apart those who own sessions, by what they have shown: a user of the provider by the
// Subject, anybody else by the name. A token may have the name of a user. Only one provider counts
// at a time: sessions of a former one are not valid.
func (i Identity) Owner(kind ProofKind) string {
	switch {
	case i.Subject != "":
		return "\n" + i.Subject // no name has a line break
	case kind == ByToken, kind == ByCertificate:
		return string(kind) + "\n" + i.Name
	}
	return i.Name
}
