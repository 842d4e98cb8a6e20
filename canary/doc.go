// Package canary deploys a version step by step: it lets a node agent give the
// version a small part of a backend's traffic, watches HAProxy's statistics of
// the version's members, gives it more while all is well, and rolls back by
// itself otherwise.
//
// What it promises: a rollout that ends with an error has either rolled back to the
// old version, or says which versions the backend has. A change by
// somebody else ends the rollout and stays: every step is conditional on
// the definition after the previous step.
//
// What it must never do: judge by counters from before a step, or by those of the
// old version; continue while the agent does not answer; change anything but versions
// in the backend. It keeps no state beyond the rollout: if its process is
// killed, the backend stays at the last step.
package canary
