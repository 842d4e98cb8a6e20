package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A groupGrant is what the members of a group may do. Somebody else says who they are: the
// system, or a provider of OpenID Connect.
type groupGrant struct {
	group string
	grant Grant
}

// maxGroup bounds the name of a group, in bytes.
const maxGroup = 256

// parseGroups reads the groups of an access file: of each name a role, or a role with
// limits.
//
//	groups:
//	  ops: admin
//	  shop: {role: deploy, on: [backend/shop-*], see: false}
func parseGroups(node yaml.Node) ([]groupGrant, error) {
	if node.Kind != yaml.MappingNode || len(node.Content) == 0 {
		return nil, errors.New("groups: is not a mapping, expected GROUP: ROLE")
	}
	out := make([]groupGrant, 0, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		e := groupGrant{group: node.Content[i].Value}
		switch {
		case node.Content[i].Kind != yaml.ScalarNode || e.group == "" || len(e.group) > maxGroup:
			return nil, fmt.Errorf("groups: line %d: the name is not valid, expected 1 to %d bytes", node.Content[i].Line, maxGroup)
		case slices.ContainsFunc(out, func(o groupGrant) bool { return o.group == e.group }):
			return nil, fmt.Errorf("groups.%s: is set twice", e.group)
		}
		var err error
		if e.grant, err = parseGroupGrant(node.Content[i+1]); err != nil {
			return nil, fmt.Errorf("groups.%s: %w", e.group, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// parseGroupGrant reads a role, or a mapping with a role and limits.
func parseGroupGrant(node *yaml.Node) (Grant, error) {
	if node.Kind == yaml.ScalarNode {
		role, err := ParseRole(node.Value)
		return Grant{Role: role}, err
	}
	if node.Kind != yaml.MappingNode {
		return Grant{}, errors.New("is neither a role nor a mapping with role, on and see")
	}
	var role string
	var l limits
	for i := 0; i+1 < len(node.Content); i += 2 {
		value := node.Content[i+1]
		switch node.Content[i].Value {
		case "role":
			role = value.Value
		case "on":
			l.On = *value
		case "see":
			l.See = *value
		default:
			return Grant{}, fmt.Errorf("line %d: is an unknown field, expected role, on and see", node.Content[i].Line)
		}
	}
	r, err := ParseRole(role)
	if err != nil {
		return Grant{}, err
	}
	return l.grant(r)
}

// grantOf is what the members of some groups may do: the strongest role of these. Groups of
// the same role add up. false: none of the groups has a role.
func grantOf(grants []groupGrant, groups []string) (Grant, bool) {
	var out Grant
	for _, e := range grants {
		if slices.Contains(groups, e.group) {
			out = out.or(e.grant)
		}
	}
	return out, out.Role != 0
}

// or is the stronger of two grants, and the sum of two with the same role.
func (g Grant) or(o Grant) Grant {
	switch {
	case g.Role > o.Role || g.Role == o.Role && !g.IsLimited():
		return g
	case o.Role > g.Role || !o.IsLimited():
		return o
	}
	patterns := slices.Concat(g.on.patterns, o.on.patterns)
	slices.Sort(patterns)
	return Grant{Role: g.Role, on: &objects{patterns: slices.Compact(patterns), hidesRest: g.on.hidesRest && o.on.hidesRest}}
}

// Bounds of the groups that are kept of a user.
const (
	maxGroups     = 50
	maxGroupBytes = 2 << 10
)

// keptGroups are the groups of a user that are kept: those with a role first, so that no
// other one takes their place.
func keptGroups(grants []groupGrant, groups []string) []string {
	hasRole := func(group string) bool {
		return slices.ContainsFunc(grants, func(e groupGrant) bool { return e.group == group })
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(groups)))
	slices.SortStableFunc(sorted, func(a, b string) int {
		switch inA, inB := hasRole(a), hasRole(b); {
		case inA == inB:
			return 0
		case inA:
			return -1
		}
		return 1
	})
	out, size := []string{}, 0
	for _, g := range sorted {
		if size += len(g); len(out) == maxGroups || size > maxGroupBytes {
			break
		}
		out = append(out, g)
	}
	return out
}

// quotedGroups are the first groups as a text for the user, who is a member of them.
func quotedGroups(groups []string) string {
	if len(groups) == 0 {
		return "no group"
	}
	const most = 10
	text := strings.Join(groups[:min(len(groups), most)], ", ")
	if len(groups) > most {
		text += fmt.Sprintf(" and %d more", len(groups)-most)
	}
	return text
}
