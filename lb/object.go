package lb

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
)

// An Object is something that operators define: a Frontend, Backend, Section or Certificate.
type Object interface {
	// ID is "frontend/KEY", "backend/KEY", "certificate/KEY" or "section/KIND/NAME".
	ID() string
	// ETag is the entity tag of the definition, quotes included.
	ETag() string

	digest() digest
}

// keyOf is the key in an object's id; empty where there is none.
func keyOf(id string) Name {
	_, key, _ := strings.Cut(id, "/")
	return Name(key)
}

// idsOf lists the ids of the objects for which is reports true, sorted.
func idsOf(in Intent, is func(Object) bool) []string {
	var out []string
	for _, o := range in.Objects() {
		if is(o) {
			out = append(out, o.ID())
		}
	}
	slices.Sort(out)
	return out
}

// sameObject reports whether two definitions are equal; nil is none.
func sameObject(a, b Object) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if c, ok := a.(Certificate); ok && c.isIdentical(b) {
		return true
	}
	return a.digest().sum() == b.digest().sum()
}

// entityTag is an entity tag of 64 bits of a digest of the definition.
func entityTag(o Object) string {
	sum := o.digest().sum()
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// A digest is a hash over lists of texts. Each list begins with the number of its texts,
// and each text with its length, so that no two sequences of lists look alike.
type digest struct{ h hash.Hash }

func newDigest(texts ...string) digest {
	d := digest{sha256.New()}
	d.list(texts...)
	return d
}

func (d digest) list(texts ...string) {
	d.number(len(texts))
	for _, t := range texts {
		d.number(len(t))
		d.h.Write([]byte(t))
	}
}

func (d digest) number(n int) { d.h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) } //nolint:gosec // lengths

func (d digest) sum() (out [sha256.Size]byte) {
	d.h.Sum(out[:0])
	return out
}
