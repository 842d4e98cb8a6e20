package lb

import (
	"slices"
	"strings"
	"time"
)

// An Edit is one change of the intent. Exactly one of Frontend, Backend,
// Certificate, Section, Switch and Delete is set.
type Edit struct {
	Frontend *Frontend // create or replace
	Backend  *Backend  // create or replace
	// Certificate creates or replaces one. Its keys are stored already.
	Certificate *Certificate
	Section     *Section // create or replace
	Switch      *Switch  // to other versions; its conditions are those of the edit
	Delete      string   // id of the object to remove, e.g. "frontend/KEY"
	// IfMatch lists entity tags: the object must have one of them now; "*" is any. Empty: no
	// condition.
	IfMatch []string
	// IfNoneMatch demands that the object does not exist yet.
	IfNoneMatch bool
	// Keeps: what the gateways/pools dialect has set stays if Frontend or Backend does not mention
	// it: names of addresses and members, weights, states.
	Keeps bool
	// Force changes a backend that a frontend leads to even if it then has no member.
	Force bool
	// Wait is how long a healthy instance of each version may take to appear.
	Wait   time.Duration
	Origin Origin
}

// An Origin says who made a change, when, and why.
type Origin struct {
	Author string
	Cause  string // e.g. "PUT /backends/live"
	// Message is the author's reason; at most MaxMessage bytes.
	Message string
	Time    time.Time
}

// ID of the object the edit is about.
func (e Edit) ID() string {
	if o := e.Object(); o != nil {
		return o.ID()
	}
	if e.Switch != nil {
		return Backend{Key: e.Switch.Backend}.ID()
	}
	return e.Delete
}

// A Switch points a dynamic backend at another version, and service, or divides
// its traffic between versions.
type Switch struct {
	Backend Name
	Service Name // empty: the service it has
	// Version gets all traffic; empty: Versions divide it.
	Version  Version
	Versions Split
	// Force switches even to a version without a healthy instance.
	Force bool
	// Wait is how long a healthy instance of each version may take to appear.
	Wait    time.Duration
	IfMatch []string
	Origin  Origin
}

// Edit is the switch as one edit among others.
func (s Switch) Edit() Edit {
	return Edit{Switch: &s, IfMatch: s.IfMatch, Force: s.Force, Wait: s.Wait, Origin: s.Origin}
}

// Applied is the outcome of an accepted change.
type Applied struct {
	// Applied is false while the change is stored but not yet in effect, e.g.
	// because HAProxy is not running; Reason says why.
	Applied bool
	// Path taken: "runtime", "reload", or "none" when nothing had to change.
	Path     string
	Reason   string
	Duration time.Duration // from the request to being in effect
	Revision uint64
	// Draft is the ID of the draft that has the change; nothing is in effect.
	Draft string
	// Backend is the backend right after a Switch; nil after an Edit.
	Backend *Backend
	// Changes are the changes of objects by a changeset, sorted by id.
	Changes []ObjectChange
	// Warnings are sentences about effects that are probably not intended, e.g. that a backend has
	// no member.
	Warnings []string
}

// A Proposal is an intent that should become a revision, and its origin.
type Proposal struct {
	Intent
	Origin Origin
}

// A Revision is one accepted change in the store's history.
type Revision struct {
	Number  uint64
	Origin  // who, why, when
	Changes []ObjectChange
}

// An ObjectChange is the change of one object by a revision. Before is nil for an object that
// it created, After for one that it removed.
type ObjectChange struct {
	ID            string
	Before, After Object
}

// Changes lists the objects that differ between two intents, sorted by id.
func (in Intent) Changes(next Intent) []ObjectChange {
	var out []ObjectChange
	for _, before := range in.Objects() {
		id := before.ID()
		if after := next.Object(id); !sameObject(before, after) {
			out = append(out, ObjectChange{ID: id, Before: before, After: after})
		}
	}
	for _, after := range next.Objects() {
		if id := after.ID(); in.Object(id) == nil {
			out = append(out, ObjectChange{ID: id, After: after})
		}
	}
	slices.SortFunc(out, func(a, b ObjectChange) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// MayDifferAtRuntime reports whether two intents differ only in what can change without a reload:
// members, certificates, and the certificates of frontends.
func (in Intent) MayDifferAtRuntime(next Intent) bool {
	return !slices.ContainsFunc(in.Changes(next), func(c ObjectChange) bool {
		switch after := c.After.(type) {
		case Backend:
			before, was := c.Before.(Backend)
			return !was || !sameObject(before.withoutMembers(), after.withoutMembers())
		case Frontend:
			before, was := c.Before.(Frontend)
			return !was || !sameObject(before.withoutCertificates(), after.withoutCertificates())
		case Certificate:
			return false
		}
		_, wasCertificate := c.Before.(Certificate)
		return !wasCertificate
	})
}

// withoutCertificates is the frontend without those of its certificates that may change at
// run time.
func (f Frontend) withoutCertificates() Frontend {
	if f.TLS != nil {
		tls := *f.TLS
		tls.Certificates = []Name{tls.Default}
		f.TLS = &tls
	}
	return f
}

// withoutMembers is the backend without what decides on its members.
func (b Backend) withoutMembers() Backend {
	b.Service, b.Version, b.Versions, b.Members = "", "", nil, nil
	return b
}

// A StaleRevisionError says that a commit is based on a revision that is not the newest one. Load
// again and repeat.
type StaleRevisionError struct {
	Base, Current uint64
}

// Error says that the intent has moved on.
func (e *StaleRevisionError) Error() string {
	return "the stored configuration has moved on since it was read"
}

// With is the intent after the changes of objects; in does not change. References between objects
// are not checked.
func (in Intent) With(changes []ObjectChange) Intent {
	next := in.Clone()
	for _, c := range changes {
		if c.After != nil {
			next.Put(c.After)
		} else {
			next.Remove(c.ID)
		}
	}
	return next
}
