package stage

import "thalassa/lb"

// A Preview is what a changeset would do now.
type Preview struct {
	Base    uint64            // the revision that it was made on
	Changes []lb.ObjectChange // sorted by id; empty: nothing would change
	// Path is how it would reach HAProxy: "runtime", "reload" or "none".
	Path string
	// Reasons say what needs the reload, e.g. "frontend/web created".
	Reasons []string
	// Before and After are haproxy.cfg now and then.
	Before, After []byte
	// Warnings are sentences, e.g. that a backend would have no member.
	Warnings []string
}
