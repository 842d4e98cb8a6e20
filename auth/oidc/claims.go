package oidc

import (
	"encoding/json"
	"fmt"
	"strings"
)

// claims are a provider's claims about a user.
type claims map[string]any

// find finds a claim by its name, or inside of objects by names with dots between them.
func (c claims) find(name string) (any, bool) {
	if v, ok := c[name]; ok {
		return v, true
	}
	first, rest, isPath := strings.Cut(name, ".")
	object, ok := c[first].(map[string]any)
	if !isPath || !ok {
		return nil, false
	}
	return claims(object).find(rest)
}

// groups reads a claim with groups: a list of texts, or one text. false: there is none.
func (c claims) groups(name string) ([]string, bool, error) {
	v, ok := c.find(name)
	if !ok {
		return nil, false, nil
	}
	switch v := v.(type) {
	case string:
		return []string{v}, true, nil
	case []any:
		out := make([]string, 0, len(v))
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, false, fmt.Errorf("the claim %s has an element that is not a text", name)
			}
			out = append(out, text)
		}
		return out, true, nil
	}
	return nil, false, fmt.Errorf("the claim %s is not a list of groups", name)
}

// userName is the name of a user for people: the claim of that name, or without one
// preferred_username, a verified email or sub, whichever is the first that can be a name.
func (c claims) userName(claim, subject string) (string, error) {
	if claim != "" {
		v, _ := c.find(claim)
		name, _ := v.(string)
		if !isName(name) {
			return "", fmt.Errorf("the claim %s is not a name: expected 1 to %d characters out of A-Z a-z 0-9 _ . @ -", claim, maxName)
		}
		return name, nil
	}
	candidates := []string{c.text("preferred_username")}
	if verified, _ := c["email_verified"].(bool); verified {
		candidates = append(candidates, c.text("email"))
	}
	for _, name := range append(candidates, subject) {
		if isName(name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("neither preferred_username nor sub is a name: expected 1 to %d characters out of A-Z a-z 0-9 _ . @ -", maxName)
}

func (c claims) text(name string) string {
	text, _ := c[name].(string)
	return text
}

// maxName bounds the name of a user.
const maxName = 120

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.@-", c) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// decoded is what a token or an answer has, in which numbers keep their digits.
func decoded(from interface{ Claims(v any) error }) (claims, error) {
	var raw json.RawMessage
	if err := from.Claims(&raw); err != nil {
		return nil, err
	}
	out := claims{}
	return out, json.Unmarshal(raw, &out)
}
