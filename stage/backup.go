package stage

import (
	"maps"
	"slices"

	"thalassa/lb"
)

// A Backup is what can be restored at once.
type Backup struct {
	Intent  lb.Intent
	Members []lb.Override // of single members, sorted by backend and member
	Drafts  []Draft
	// Keys are the keys of certificates, encrypted; empty: there are none.
	Keys []byte
}

// Digests are those of the certificates of the intent and of the drafts, sorted.
func (b Backup) Digests() []string {
	all := map[string]bool{}
	note := func(c lb.Certificate) {
		for _, digest := range c.Digests() {
			all[digest] = true
		}
	}
	for _, c := range b.Intent.Certificates {
		note(c)
	}
	for _, d := range b.Drafts {
		for _, o := range d.Objects {
			if c, ok := o.After.(lb.Certificate); ok {
				note(c)
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}
