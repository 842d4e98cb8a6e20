package agent

import (
	"slices"

	"thalassa/lb"
)

// Keys has certificates with their private keys under their digests.
type Keys interface {
	Has(digest string) bool
}

// checkKeys refuses an intent with a new certificate whose key is not stored, as one of a
// former revision may be. The error is an *lb.ConflictError.
func (i *inputs) checkKeys(before, next lb.Intent) error {
	for _, c := range next.SortedCertificates() {
		digests := c.Digests()
		if former, isThere := before.Certificates[c.Key]; isThere && slices.Equal(former.Digests(), digests) {
			continue
		}
		for _, digest := range digests {
			if i.cfg.Keys == nil || !i.cfg.Keys.Has(digest) {
				return &lb.ConflictError{ID: c.ID(), Reason: "is not stored with its key any more (SHA-256 " + digest + "): put it again"}
			}
		}
	}
	return nil
}
