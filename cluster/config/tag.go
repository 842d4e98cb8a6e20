package config

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"thalassa/cluster/cibxml"
)

// ConfigurationTag is the entity tag of a configuration by the version of its CIB,
// admin:epoch.
func ConfigurationTag(version string) string { return `"` + version + `"` }

// Tag is the entity tag of an object: a digest of its XML, without that of its members.
// A digest of a secret could be used to guess it, so the tag of an object with secrets
// has the version of the CIB instead of them, and changes with each change of the
// configuration.
func Tag(k Kind, e *cibxml.Element, version string) string {
	c, hasSecret := shallow(k, e), false
	cibxml.Mask(c, "", func(string) { hasSecret = true })
	data := c.Bytes()
	if hasSecret {
		data = append(data, version...)
	}
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// shallow is a copy with the ids of members instead of them.
func shallow(k Kind, e *cibxml.Element) *cibxml.Element {
	c := e.Clone()
	for _, f := range shapeOf(k).refs {
		for i, child := range c.Children {
			if f.members && slices.Contains(f.elements, child.Name) {
				c.Children[i] = cibxml.New(child.Name, "id", child.Attr("id"))
			}
		}
	}
	return c
}

// Revealed is an object with its secrets.
func Revealed(k Kind, e *cibxml.Element) Object { return Read(k, shallow(k, e)) }

// Masked is an object without secrets.
func Masked(k Kind, e *cibxml.Element) Object {
	c := shallow(k, e)
	cibxml.Mask(c, "", func(string) {})
	return Read(k, c)
}
