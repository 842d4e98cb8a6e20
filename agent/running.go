package agent

import (
	"sync/atomic"

	"thalassa/lb"
	"thalassa/plan"
)

// running is what the loop knows about the configuration in effect. It belongs to the
// loop's goroutine, and only its methods write it.
type running struct {
	*effective             // nil: not known yet
	revision   uint64      // of the intent in effect
	idle       bool        // HAProxy does not run here, and need not; effective is for its start
	dealt      lb.Snapshot // that the last round dealt with
	failure    string      // of the last round, to tell a transition from a repetition
	// fingerprint is what HAProxy shows while it runs that; "" where the template leaves
	// it out.
	fingerprint string
	// lacks is what HAProxy does not offer for changes at run time.
	lacks string
	// reasons say why only a new worker helps, though HAProxy has the right file: its servers
	// differ from it and cannot be restored at run time.
	reasons []plan.Reason
	files   uint64 // the number of the last haproxy.cfg

	published *atomic.Pointer[effective] // effective, for other goroutines
}

func (r *running) isKnown() bool { return r.effective != nil }

// awaitsReload reports whether a round has to reload HAProxy.
func (r *running) awaitsReload() bool { return len(r.reasons) > 0 }

// nextFile is the number of another haproxy.cfg.
func (r *running) nextFile() uint64 {
	r.files++
	return r.files
}

// enter notes that HAProxy runs a configuration, or is to start with it, made for that
// snapshot, and the fingerprint that it shows.
func (r *running) enter(now *effective, fingerprint string) {
	r.revision, r.fingerprint, r.dealt = now.revision, fingerprint, now.snapshot
	r.failure, r.reasons = "", nil
	r.publish(now)
}

// setConfig notes that the servers have changed at run time.
func (r *running) setConfig(config lb.Config) {
	now := *r.effective
	now.config, now.file = config, r.nextFile()
	r.publish(&now)
}

// fixLines notes what an error of a change at run time says about lines. It holds as long
// as the revision and the template.
func (r *running) fixLines(err error) {
	if !r.isKnown() || err == nil {
		return
	}
	now := *r.effective
	now.fixed = fixedBy(r.fixed, err)
	r.publish(&now)
}

// allowSpares lets backends grow again: another HAProxy runs, which may be allowed more.
func (r *running) allowSpares() {
	if !r.isKnown() || !r.noSpares && r.fixed == nil {
		return
	}
	now := *r.effective
	now.noSpares, now.fixed = false, nil
	r.publish(&now)
}

func (r *running) publish(now *effective) {
	r.effective = now
	r.published.Store(now)
}

// requireReload has a round reload HAProxy for these reasons.
func (r *running) requireReload(reasons []plan.Reason) { r.reasons = reasons }

// withdrawReload undoes requireReload: HAProxy has refused it, and what it
// runs is what it should run.
func (r *running) withdrawReload() { r.reasons, r.failure = nil, "" }

// expectFingerprint notes what an adopted HAProxy shows.
func (r *running) expectFingerprint(fingerprint string) { r.fingerprint = fingerprint }

func (r *running) setIdle(idle bool) { r.idle = idle }

func (r *running) setLacks(lacks string) { r.lacks = lacks }

// fail notes why a round failed, and reports whether the round before did not fail for
// the same reason.
func (r *running) fail(err error) (isNew bool) {
	isNew = err.Error() != r.failure
	r.failure = err.Error()
	return isNew
}

// dealWith notes that a round that failed has dealt with a snapshot.
func (r *running) dealWith(snap lb.Snapshot) { r.dealt = snap }
