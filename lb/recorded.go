package lb

import "time"

// A Recorded is a haproxy.cfg that was in effect, without its text: a new one
// for each revision, and for each other change of its structure. Members that
// come and go make none.
type Recorded struct {
	Number uint64    `json:"number"` // of the text, counted from 1
	Time   time.Time `json:"time"`   // it took effect
	// Revision of the intent that it was made of.
	Revision uint64 `json:"revision"`
	// Cause is what led to it, and Author who asked for it, where somebody did.
	Cause  string `json:"cause,omitempty"`
	Author string `json:"author,omitempty"`
	Path   string `json:"path"` // taken: "runtime", "reload" or "none"
	// Fingerprint of the configuration without its members.
	Fingerprint string `json:"fingerprint"`
	Size        int    `json:"size"` // of the text in bytes
}

// Same reports whether r was made of the same revision in the same structure.
func (r Recorded) Same(other Recorded) bool {
	return r.Revision == other.Revision && r.Fingerprint == other.Fingerprint
}
