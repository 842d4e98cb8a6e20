package auth

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// TheNode is the object of actions that concern the whole node, such as a reload.
const TheNode = ""

// A Grant is what a caller may do: a role on all objects, or on those of some patterns.
// The zero Grant allows nothing. A Grant is immutable and may be used by any goroutine.
//
// Objects are named by kind and name: "frontend/www", "backend/live", "service/shop",
// "certificate/www", and "cluster/paris" for another cluster that this agent shows.
type Grant struct {
	Role Role
	on   *objects // nil: all objects
}

// objects are those that a grant is limited to.
type objects struct {
	patterns  []string // "backend/shop-*"
	hidesRest bool     // the others are not seen
}

// NewGrant makes a Grant. Patterns are a kind (frontend, backend,
// service, certificate or cluster), a slash and
// a name, in which * stands for any characters; nil: all objects. seesRest says whether
// the objects that no pattern matches may be read. The error names the field.
func NewGrant(role Role, patterns []string, seesRest bool) (Grant, error) {
	g := Grant{Role: role}
	switch {
	case patterns == nil && !seesRest:
		return Grant{}, errors.New("see: is false, and there is no on: expected the objects that are seen")
	case patterns == nil:
		return g, nil
	case len(patterns) == 0:
		return Grant{}, errors.New("on: is empty, expected patterns such as backend/shop-*, or no on for all objects")
	case len(patterns) > maxPatterns:
		return Grant{}, fmt.Errorf("on: has %d patterns, expected at most %d", len(patterns), maxPatterns)
	case role == Read && seesRest:
		return Grant{}, errors.New("see: is not false, and on limits nothing else for the role read: expected see: false")
	}
	for i, p := range patterns {
		if err := checkPattern(p); err != nil {
			return Grant{}, fmt.Errorf("on[%d]: %w", i, err)
		}
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(patterns)))
	g.on = &objects{patterns: sorted, hidesRest: !seesRest}
	return g, nil
}

const (
	maxPatterns = 100
	maxPattern  = 140 // characters: a kind and a name
)

// checkPattern does not repeat what may be a secret in the wrong place.
func checkPattern(p string) error {
	kind, name, _ := strings.Cut(p, "/")
	valid := slices.Contains([]string{"frontend", "backend", "service", "certificate", "cluster"}, kind) && name != "" && len(p) <= maxPattern
	for i := range len(name) {
		c := name[i]
		valid = valid && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.:-*", c) >= 0)
	}
	if !valid {
		return errors.New("is not a pattern, expected frontend/NAME, backend/NAME, service/NAME, certificate/NAME or cluster/NAME, where * stands for any characters")
	}
	return nil
}

// Allows reports whether the grant allows what a role may do to an object, or to TheNode. A grant
// that is limited to objects allows only reading TheNode, and not even that if it hides other
// objects.
func (g Grant) Allows(need Role, object string) bool {
	return g.Role.Allows(need) && (g.on == nil || g.on.match(object) || need == Read && !g.on.hidesRest)
}

// Sees reports whether the grant allows reading an object, or TheNode.
func (g Grant) Sees(object string) bool { return g.Allows(Read, object) }

// IsLimited reports whether the grant is limited to some objects.
func (g Grant) IsLimited() bool { return g.on != nil }

// HidesRest reports whether the grant hides all other objects.
func (g Grant) HidesRest() bool { return g.on != nil && g.on.hidesRest }

// Patterns are those that the grant is limited to, sorted; nil: it is not limited. They
// must not be changed.
func (g Grant) Patterns() []string {
	if g.on == nil {
		return nil
	}
	return g.on.patterns
}

// Same reports whether two grants allow the same.
func (g Grant) Same(o Grant) bool {
	return g.Role == o.Role && g.SeesSame(o) && slices.Equal(g.Patterns(), o.Patterns())
}

// SeesSame reports whether two grants allow reading the same objects.
func (g Grant) SeesSame(o Grant) bool { return g.Sight() == o.Sight() }

// Sight identifies the visible objects: grants with the same Sight allow reading the same objects.
// It is empty for grants that hide nothing.
func (g Grant) Sight() string {
	if !g.HidesRest() {
		return ""
	}
	return strings.Join(g.on.patterns, " ")
}

// String is the role with its limits: "deploy on backend/shop-*".
func (g Grant) String() string {
	if g.on == nil {
		return g.Role.String()
	}
	return g.Role.String() + " on " + strings.Join(g.on.patterns, ", ")
}

func (o *objects) match(object string) bool {
	return slices.ContainsFunc(o.patterns, func(p string) bool {
		ok, err := path.Match(p, object)
		return ok && err == nil // checkPattern admits no other pattern
	})
}
