package lb

import "time"

// A Recorded is a haproxy.cfg that was in effect, without its text: one for each revision, and for
// each other change of its structure. Changes of members do not count.
type Recorded struct {
	Number uint64    // of the text, counted from 1
	Time   time.Time // it took effect
	// Revision of the intent that it was made of.
	Revision uint64
	// Cause is what led to it, and Author who requested it, if somebody did.
	Cause  string
	Author string
	Path   string // taken: "runtime", "reload" or "none"
	// Fingerprint of the configuration without its members.
	Fingerprint string
	Size        int // of the text in bytes
}

// Same reports whether r was made of the same revision in the same structure.
func (r Recorded) Same(other Recorded) bool {
	return r.Revision == other.Revision && r.Fingerprint == other.Fingerprint
}
