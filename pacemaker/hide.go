package pacemaker

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"thalassa/cluster/cibxml"
)

const (
	// minSecret is the length from which a masked value is also hidden in texts. Shorter
	// ones are usual words.
	minSecret = 4
	// minPart is the same for a part of a masked value, such as an argument in a list.
	minPart = 8
)

// Hide masks secrets in a message of a tool or an agent: what Masked masks in this CIB, and
// what has the form of a secret. Of a nil CIB, only the latter is known.
func (c *CIB) Hide(text string) string {
	if c == nil {
		return cibxml.MaskText(text)
	}
	return SecretsOf(c).Hide(text)
}

// Secrets are those of a CIB. The zero value has none.
type Secrets struct{ list []string }

// SecretsOf are what Masked masks of a CIB, for as long as they are needed without it.
func SecretsOf(c *CIB) Secrets {
	c.once.Do(func() { c.secrets = c.findSecrets() })
	return Secrets{c.secrets}
}

// with are these and others.
func (s Secrets) with(others ...Secrets) Secrets {
	all := slices.Clone(s.list)
	for _, o := range others {
		all = append(all, o.list...)
	}
	slices.SortFunc(all, longestFirst)
	return Secrets{slices.Compact(all)}
}

func longestFirst(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }

// Hide is that of the CIB.
func (s Secrets) Hide(text string) string {
	if text == "" {
		return text
	}
	for _, secret := range s.list {
		text = replaceWord(text, secret)
	}
	return cibxml.MaskText(text)
}

// findSecrets lists the values that Masked masks, and the parts of those that have some,
// the longest first. What is also the name of something is not listed, nor are numbers.
func (c *CIB) findSecrets() []string {
	public, secrets := c.names(), map[string]bool{}
	note := func(s string, least int) {
		if len(s) >= least && !public[s] && !cibxml.HasPlainForm(s) {
			secrets[s] = true
		}
	}
	cibxml.Mask(c.root.Clone(), "", func(value string) {
		note(value, minSecret)
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`,;=&|'":/@`, r) }) {
			note(part, minPart)
		}
	})
	return slices.SortedFunc(maps.Keys(secrets), longestFirst)
}

// names are the ids of elements and the names of nodes, agents and operations. A secret of
// the same spelling is masked where it is, and not wherever the name is.
func (c *CIB) names() map[string]bool {
	out := map[string]bool{}
	var walk func(*cibxml.Element)
	walk = func(e *cibxml.Element) {
		for _, name := range []string{"id", "uname", "type", "provider", "class", "name", "operation", "ticket"} {
			out[e.Attr(name)] = true
		}
		for _, child := range e.Children {
			walk(child)
		}
	}
	walk(c.root)
	return out
}

// replaceWord masks a word in a text, but not where it is a part of a longer one.
func replaceWord(text, word string) string {
	var b strings.Builder
	for rest := text; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			if b.Len() == 0 {
				return text
			}
			b.WriteString(rest)
			return b.String()
		}
		before, _ := utf8.DecodeLastRuneInString(text[:len(text)-len(rest)+i])
		after, _ := utf8.DecodeRuneInString(rest[i+len(word):])
		b.WriteString(rest[:i])
		if isWordRune(before) || isWordRune(after) {
			b.WriteString(word)
		} else {
			b.WriteString(cibxml.Masked)
		}
		rest = rest[i+len(word):]
	}
}

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
