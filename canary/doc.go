// Package canary deploys a version step by step: it lets a node agent give the
// version a small part of a backend's traffic, watches what HAProxy counts for
// the version's members, gives it more when nothing is wrong, and goes back by
// itself when something is.
//
// What it promises: a walk that ends with an error has either gone back to the
// old version, or says that the backend stands elsewhere, and where. A change by
// somebody else ends the walk and stays as it is: every step is conditional on
// the definition that the step before has left.
//
// What it must never do: judge by counters from before a step, or by those of the
// old version; go on when the agent cannot be asked; put anything but versions
// into the backend. It holds no state beyond the walk: a walk whose process is
// killed leaves the backend at its last step.
package canary
