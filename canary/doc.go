// Package canary carries out deploys in steps: it gives a version a small part of a
// backend's requests, watches HAProxy's statistics of the version's members, gives it
// more while all is well, and goes back by itself otherwise.
//
// The Runner owns the state of every canary of the node. It stores the position before
// each request, so that a canary continues after a restart of the agent. The step under
// way is measured again then.
//
// What it promises: a canary that ends has either given the version all requests, or
// gone back, or says which versions the backend has. A change by somebody else ends the
// canary and stays: every step is conditional on the definition after the previous step.
//
// What it must never do: judge by counters from before a step, or by those of the old
// version; continue without readings; change anything but versions in the backend.
package canary
