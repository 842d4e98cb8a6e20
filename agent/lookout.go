package agent

import (
	"context"
	"sync"
	"time"
)

const (
	// patrolEvery is the time between two looks. Where one is expensive, as with
	// 10,000 servers, those of the same worker are read after patrolCost times a look,
	// but never later than patrolRarely: a look is slow as well while HAProxy is being
	// started or reloaded.
	patrolEvery  = time.Second
	patrolCost   = 80
	patrolRarely = 5 * time.Second
	// maxMissed is how many looks in a row rounds may spoil before one holds the loop.
	maxMissed = 2
)

// A lookout looks at HAProxy beside the loop, which it tells what it saw: no change
// waits for ten thousand servers to be read. All but its looks is of the loop alone.
type lookout struct {
	agent  *Agent
	timer  *time.Timer
	seen   chan sight // one slot, for the look under way
	away   bool       // there is one
	looks  sync.WaitGroup
	rounds uint64 // when that look began
	missed int    // looks in a row

	worker int       // whose servers were read last; 0: nobody knows
	due    time.Time // when they are to be read again
}

func (a *Agent) newLookout() *lookout {
	return &lookout{agent: a, timer: time.NewTimer(patrolEvery), seen: make(chan sight, 1)}
}

// end waits for the look under way, whose context has ended.
func (l *lookout) end() {
	l.timer.Stop()
	l.looks.Wait()
}

// begin begins a look when one is due. It reports what judge does.
func (l *lookout) begin(ctx context.Context) (repaired bool) {
	a := l.agent
	if !a.mayPatrol() {
		l.timer.Reset(patrolEvery)
		return false
	}
	shows, known := a.running.shows, l.worker
	if !time.Now().Before(l.due) {
		known = 0
	}
	if l.missed == maxMissed {
		return l.take(ctx, a.look(ctx, shows, known))
	}
	l.rounds, l.away = a.rounds, true
	l.looks.Go(func() { l.seen <- a.look(ctx, shows, known) })
	return false
}

// finish ends a look. What was seen while a round changed something shows nothing:
// there is another look at once.
func (l *lookout) finish(ctx context.Context, s sight) (repaired bool) {
	l.away = false
	if l.rounds != l.agent.rounds {
		l.missed++
		l.timer.Reset(0)
		return false
	}
	return l.take(ctx, s)
}

// hasten has the next look begin at once when the last round found some servers
// astray.
func (l *lookout) hasten() {
	if !l.agent.doubtful {
		return
	}
	l.agent.doubtful = false
	l.worker = 0
	if !l.away { // else it comes to nothing after that round, and another one follows
		l.timer.Reset(0)
	}
}

func (l *lookout) take(ctx context.Context, s sight) (repaired bool) {
	defer l.timer.Reset(patrolEvery)
	l.missed = 0
	if s.err == nil {
		l.agent.watchPaths(ctx, s.state)
	}
	if s.known {
		return false
	}
	repaired = l.agent.mayPatrol() && l.agent.judge(ctx, s)
	l.worker, l.due = 0, time.Now().Add(min(max(patrolEvery, patrolCost*s.took), patrolRarely))
	if s.servers != nil {
		l.worker = s.state.WorkerPID
	}
	return repaired
}
