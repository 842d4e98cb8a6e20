package agent

import (
	"context"
	"sync"
	"time"

	"thalassa/internal/wake"
)

const (
	// checkEvery is the time between two looks at HAProxy. Where reading servers is
	// expensive, as with 10,000 of them, those of the same worker are read again after
	// readCost times the last look, at the latest after readAtLeastEvery: a look is slow
	// as well while HAProxy starts or reloads.
	checkEvery       = time.Second
	readCost         = 80
	readAtLeastEvery = 5 * time.Second
	// maxMissed is how many looks in a row rounds may spoil before one holds the loop.
	maxMissed = 2
)

// A driftMonitor looks at HAProxy and repairs what somebody else changed. It looks
// beside the loop, so that no change waits until ten thousand servers are read.
// Everything but the look belongs to the loop's goroutine.
type driftMonitor struct {
	cfg          *Config
	inputs       *inputs
	running      *running
	servers      *serverUpdater
	reporter     *reporter
	unresolved   *unresolved
	certificates *certificateWatch
	look         wake.Poke // asks for a round

	timer    *time.Timer
	observed chan observation // one slot, for the look under way
	isAway   bool             // a look is under way
	looks    sync.WaitGroup
	rounds   uint64 // so far
	began    uint64 // rounds when that look began
	missed   int    // looks in a row

	pace   repairPace
	worker int       // whose servers were read last; 0: not known
	due    time.Time // when they are to be read again
	lost   string    // the control paths that were lost at the last look
}

// start lets the first look begin after a while.
func (m *driftMonitor) start() {
	m.timer, m.observed = time.NewTimer(checkEvery), make(chan observation, 1)
}

// stop waits for the look under way, whose context has ended.
func (m *driftMonitor) stop() {
	m.timer.Stop()
	m.looks.Wait()
}

// begin begins a look when one is due. It reports what repair does.
func (m *driftMonitor) begin(ctx context.Context) (repaired bool) {
	if !m.mayCheck() {
		m.timer.Reset(checkEvery)
		return false
	}
	fingerprint, known := m.running.fingerprint, m.worker
	if !time.Now().Before(m.due) {
		known = 0
	}
	if m.missed == maxMissed {
		return m.take(ctx, observeCertificates(ctx, m.cfg, fingerprint, known, m.certificates.next()))
	}
	m.began, m.isAway = m.rounds, true
	serving := m.certificates.next()
	m.looks.Go(func() { m.observed <- observeCertificates(ctx, m.cfg, fingerprint, known, serving) })
	return false
}

// finish ends a look. What was observed while a round changed something proves
// nothing: another look begins at once.
func (m *driftMonitor) finish(ctx context.Context, o observation) (repaired bool) {
	m.isAway = false
	if m.began != m.rounds {
		m.missed++
		m.timer.Reset(0)
		return false
	}
	return m.take(ctx, o)
}

// invalidate voids the look under way: a round begins, or HAProxy is another one.
func (m *driftMonitor) invalidate() { m.rounds++ }

// hasten makes the next check begin at once when the last round found servers that
// somebody else had changed.
func (m *driftMonitor) hasten() {
	if !m.servers.takeSuspicion() {
		return
	}
	m.worker = 0
	if !m.isAway { // else that round voids the look, and another one follows
		m.timer.Reset(0)
	}
}

func (m *driftMonitor) take(ctx context.Context, o observation) (repaired bool) {
	defer m.timer.Reset(checkEvery)
	m.missed = 0
	if o.err == nil {
		m.watchPaths(ctx, o.state)
	}
	if o.isKnown {
		return false
	}
	repaired = m.mayCheck() && m.repair(ctx, o)
	m.worker, m.due = 0, time.Now().Add(min(max(checkEvery, readCost*o.took), readAtLeastEvery))
	if o.servers != nil {
		m.unresolved.note(o.servers)
		m.worker = o.state.WorkerPID
	}
	return repaired
}
