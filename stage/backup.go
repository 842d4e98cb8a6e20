package stage

import "thalassa/lb"

// A Backup is what can be restored at once.
type Backup struct {
	Intent  lb.Intent
	Members []lb.Override // of single members, sorted by backend and member
	Drafts  []Draft
}
