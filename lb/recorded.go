package lb

import "time"

// A Recorded is a haproxy.cfg that was in effect, without its text: a new one
// for each revision, and for each other change of its structure. Members that
// come and go make none.
type Recorded struct {
	Number uint64    // of the text, counted from 1
	Time   time.Time // it took effect
	// Revision of the intent that it was made of.
	Revision uint64
	// Cause is what led to it, and Author who asked for it, where somebody did.
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
