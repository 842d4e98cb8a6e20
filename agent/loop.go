package agent

import (
	"context"
	"errors"
	"time"
)

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// firstMoment is what Consul gets for its first answers before the first
	// round; Consul answers within milliseconds or not at all.
	firstMoment = 500 * time.Millisecond
	allMoments  = 10 * firstMoment
)

// loop runs a round whenever something may have changed, until ctx ends.
func (a *Agent) loop(ctx context.Context) error {
	retry, patrol := time.NewTimer(0), a.newLookout()
	defer retry.Stop()
	defer patrol.end()
	backoff := firstRetry
	a.awaitConsul(ctx)
	for {
		var out outcome
		select {
		case <-ctx.Done():
			return nil
		case <-patrol.timer.C:
			if !patrol.begin(ctx) {
				continue
			}
			out = a.lastOutcome()
		case s := <-patrol.seen:
			if !patrol.finish(ctx, s) {
				continue
			}
			out = a.lastOutcome()
		case <-a.again:
			a.hasRoomAgain()
			a.rounds++ // HAProxy is another one
			a.patrol(ctx)
			out = a.round(ctx)
		case <-a.poke:
			out = a.round(ctx)
		case <-a.cfg.ControlChanged:
			a.sources.Broadcast()
			a.views.Broadcast()
			out = a.round(ctx)
		case <-retry.C:
			out = a.round(ctx)
		case <-a.cfg.Source.Changed():
			a.sources.Broadcast()
			a.views.Broadcast()
			a.settle(ctx)
			out = a.round(ctx)
		}
		if ctx.Err() != nil && errors.Is(out.err, ctx.Err()) {
			return nil // this round has dealt with nothing
		}
		out.inEffect = a.running.revision
		waited := a.report(out)
		if u := a.verdict(out); u != nil && !waited {
			a.takeBackLate(ctx, u, out.err)
		}
		if ctx.Err() != nil {
			return nil
		}
		a.wakeScribe()
		patrol.hasten()
		retry.Stop()
		if out.err == nil {
			backoff = firstRetry
			if turn := a.running.turn; !turn.IsZero() {
				retry.Reset(time.Until(turn))
			}
			continue
		}
		retry.Reset(backoff)
		backoff = min(2*backoff, lastRetry)
	}
}

// awaitConsul gives Consul a moment for its first answers, and as long as they
// keep coming, so that a HAProxy that is to be started starts with its members.
func (a *Agent) awaitConsul(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, allMoments)
	defer cancel()
	patience := time.NewTimer(firstMoment)
	defer patience.Stop()
	in, err := a.Intent(ctx)
	if err != nil {
		return // the first round will say so
	}
	for len(unanswered(in, a.Snapshot())) > 0 {
		select {
		case <-a.cfg.Source.Changed():
			a.sources.Broadcast()
			patience.Reset(firstMoment)
		case <-patience.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// settle lets a burst of discovery changes pass, so that it costs one round.
// Somebody who waits for a round ends it early.
func (a *Agent) settle(ctx context.Context) {
	deadline := time.NewTimer(a.cfg.MaxSettle)
	defer deadline.Stop()
	quiet := time.NewTimer(a.cfg.Quiet)
	defer quiet.Stop()
	for {
		select {
		case <-a.cfg.Source.Changed():
			a.sources.Broadcast()
			quiet.Reset(a.cfg.Quiet)
		case <-a.poke:
			return
		case <-quiet.C:
			return
		case <-deadline.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// report hands the outcome to whoever waits for it, and tells whether somebody does.
func (a *Agent) report(out outcome) (waited bool) {
	defer a.views.Broadcast()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = out
	if a.pending != nil && a.pending.meets(out) {
		a.pending.done <- out // one slot, and only this sends
		a.pending = nil
		return true
	}
	return false
}

func (a *Agent) lastOutcome() outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}
