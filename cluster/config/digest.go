package config

import (
	"crypto/sha256"
	"encoding/hex"

	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// Digests are digests of all objects of a configuration by "KIND/ID": of what each means, as
// Same compares it. Those of objects with secrets could be used to guess these, so digests
// stay inside the program.
func Digests(configuration *cibxml.Element) map[string]string {
	out := map[string]string{}
	for _, k := range Kinds() {
		for _, e := range Elements(configuration, k) {
			out[k.one(e.Attr("id"))] = digestOf(k, e)
		}
	}
	return out
}

func digestOf(k Kind, e *cibxml.Element) string {
	c := shallow(k, e)
	normalize(c)
	sum := sha256.Sum256(c.Bytes())
	return hex.EncodeToString(sum[:16])
}

// normalize makes elements that mean the same equal, byte for byte.
func normalize(e *cibxml.Element) {
	group(e)
	e.Children = e.Elements()
	e.SortAttributes()
	for _, c := range e.Children {
		normalize(c)
	}
}

// checkUnchanged refuses an object that is not as Digest says.
func (c *change) checkUnchanged() error {
	now := ""
	if c.old != nil {
		now = digestOf(c.Kind, c.old)
	}
	if now != c.Digest {
		return &lb.ConflictError{ID: c.name(), Reason: "it was changed meanwhile", By: []string{c.name()}}
	}
	return nil
}
