// Package canary carries out deploys in steps: it gives a version a small part of a backend's
// requests, watches HAProxy's statistics of the version's members, gives it more as long as the
// conditions hold, and otherwise goes back automatically.
//
// The Runner owns the state of every canary of the node. It stores the position before
// each request, so that a canary continues after a restart of the agent. The step under
// way is measured again then.
//
// When a canary ends, it has either given the version all requests, or gone back, or says which
// versions the backend has. A change by somebody else ends the canary and stays: every step is
// conditional on the definition after the previous step.
//
// The package must never: check conditions with counters from before a step, or with those of the
// old version; continue without readings; change anything but versions in the backend.
package canary
