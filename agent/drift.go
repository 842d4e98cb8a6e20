package agent

import (
	"context"
	"time"

	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
)

// An observation is the state of the running HAProxy at one moment.
type observation struct {
	state   haproxy.State
	isKnown bool             // the worker was known, and nothing else was read
	servers []lb.ServerState // when it shows the expected fingerprint
	// certificates are how those differ from what they should be.
	certificates []string
	err          error
	took         time.Duration
}

// observe reads the state of HAProxy. The servers are read only where it shows the
// expected fingerprint, and not of a worker that is known (0: none is). It may run
// beside the loop.
func observe(ctx context.Context, cfg *Config, fingerprint string, known int) (o observation) {
	begin := time.Now()
	defer func() { o.took = time.Since(begin) }()
	o.state, o.err = cfg.HAProxy.State(ctx)
	if o.err != nil || !o.state.Answers {
		return o
	}
	if o.isKnown = known != 0 && o.state.WorkerPID == known; o.isKnown || o.state.Fingerprint != fingerprint {
		return o
	}
	o.servers, o.err = cfg.Runtime.Servers(ctx)
	return o
}

// observeCertificates is observe that also compares certificates, where the servers were read.
func observeCertificates(ctx context.Context, cfg *Config, fingerprint string, known int, s haproxy.Serving) observation {
	o := observe(ctx, cfg, fingerprint, known)
	if o.err == nil && o.servers != nil && len(s.Lists) > 0 {
		o.certificates, o.err = cfg.Certificates.Deviations(ctx, s)
	}
	return o
}

// check compares what HAProxy runs with what it should run, at once, and repairs what
// somebody else changed.
func (m *driftMonitor) check(ctx context.Context) {
	if m.mayCheck() {
		m.repair(ctx, observeCertificates(ctx, m.cfg, m.running.fingerprint, 0, m.certificates.all()))
	}
}

// mayCheck reports whether it is known what HAProxy should run; else a round is due
// anyway.
func (m *driftMonitor) mayCheck() bool { return m.running.isKnown() && !m.running.awaitsReload() }

// repair is check for an observation, since which no round has changed anything. It
// reports whether there was anything to repair.
func (m *driftMonitor) repair(ctx context.Context, o observation) bool {
	change := m.drift(o)
	if change.Empty() || !m.pace.take(time.Now()) {
		return false
	}
	e, reasons := m.reporter.repairedEvent(m.running.revision, change), change.Reload
	if o.servers != nil {
		err := m.servers.repair(ctx, change)
		if err == nil && change.Certificates > 0 {
			_, err = m.certificates.updater.serve(ctx, nil, m.running.config)
		}
		if reasons = reasonsOf(err); err != nil && !needsReload(err) {
			e.Error = err.Error()
		}
	}
	if len(reasons) > 0 && e.Error == "" && m.running.failure != "" {
		m.look.Send() // perhaps HAProxy has come back with what it refused or could not be told
		return false
	}
	if len(reasons) > 0 {
		e.Path = pathReload
		m.running.requireReload(reasons) // a round sorts it out
		m.look.Send()
	}
	isReported, isLast := m.pace.reports()
	if isLast {
		e.Reasons = append(e.Reasons, contestedReason)
	}
	if isReported {
		m.reporter.repaired(ctx, e)
	}
	return true
}

// drift is how HAProxy differs from what it should be: it runs another configuration, or its
// servers are in other states. One that is reloading does not differ, nor does one that does not
// run, which is noticed elsewhere.
func (m *driftMonitor) drift(o observation) plan.Change {
	switch {
	case o.err != nil || !o.state.Answers:
		return plan.Change{}
	case o.state.Fingerprint != m.running.fingerprint:
		return plan.Change{Reload: []plan.Reason{{Object: "process", What: "configuration", Detail: []string{"it was not the agent's"}}}}
	}
	reportDown(m.cfg, m.inputs, o.servers)
	change := plan.Repair(m.running.config, o.servers).Change
	change.AddCertificates(o.certificates)
	return change.Without(m.running.lacks)
}
