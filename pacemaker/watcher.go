package pacemaker

import (
	"context"
	"slices"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
)

const (
	// pollEvery is the pause between two requests for the CIB's version while no
	// stream reports changes. A request takes about 17 ms.
	pollEvery = 250 * time.Millisecond
	// refreshPace is the minimum time between two refreshes. Each runs four of
	// Pacemaker's tools, with about 80 ms of CPU time, on every node, just when
	// Pacemaker is busiest: a failover has dozens of changes. After a pause, the first
	// change causes a refresh at once. On a machine so busy that a refresh takes longer, the
	// pause after it is twice as long, up to refreshRest: three nodes that look all the time
	// take the time that Pacemaker needs.
	refreshPace, refreshRest = 250 * time.Millisecond, 4 * time.Second
	// checkEvery replaces pollEvery while a stream reports changes, to detect one that
	// hangs.
	checkEvery = 5 * time.Second
	// joinEvery is the interval of the search for a cluster while there is none.
	joinEvery = 2 * time.Second
	// installEvery is the interval of the search for a missing thalassa-cib.
	installEvery = time.Minute
	// formerSecrets is how many changes of secrets are remembered: logs have the former ones.
	formerSecrets = 16
)

// A Watcher keeps the status of the cluster up to date. Its methods are safe for
// concurrent use. Run is called once.
type Watcher struct {
	cluster *Cluster
	due     wake.Poke // refresh now
	changed wake.Signal

	monitored monitored

	mu        sync.Mutex
	view      cluster.Status
	cib       *CIB
	err       error
	streaming bool
	updates   uint64                  // number of updates from the stream
	stop      context.CancelCauseFunc // ends the stream
	joined    bool                    // this node is in a cluster

	// former are the secrets of configurations before that of cib, the latest last.
	former []Secrets

	// Owned by Run.
	missed bool   // the stream had not reported a change
	since  uint64 // updates at that time
}

// NewWatcher returns a Watcher. It starts nothing. Until the first refresh in Run, the
// State of View is empty.
func NewWatcher(c *Cluster) *Watcher {
	return &Watcher{cluster: c, due: wake.NewPoke(), monitored: newMonitored(), view: unknownStatus()}
}

// View returns the last known status, which must not be changed. If Pacemaker does not
// answer, its State is cluster.StateOffline, or cluster.StateNone (see Config), and
// everything else is as before. Of a cluster that this node has left, nothing is kept.
func (w *Watcher) View() cluster.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.view
}

// CIB returns the CIB of the view; nil if there is none yet. The error says why
// Pacemaker does not answer now.
func (w *Watcher) CIB() (*CIB, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cib, w.err
}

// Changed returns a channel that is closed at the next change of the view. Call it
// before View, so that no change is missed.
func (w *Watcher) Changed() <-chan struct{} { return w.changed.Next() }

// Look makes Run refresh the view now.
func (w *Watcher) Look() {
	w.due.Send()
}

// Run keeps the view up to date until ctx ends, which is not an error. thalassa-cib
// reports changes. If it is not installed or does not run, Run reads the version of
// the CIB four times a second. It always does so every five seconds, to detect and
// restart a stream that hangs. First, Run removes the CIB copies of killed programs.
func (w *Watcher) Run(ctx context.Context) error {
	w.cluster.removeLeftovers(ctx)
	var streams sync.WaitGroup
	streams.Go(func() { w.listen(ctx) })
	defer streams.Wait()
	failures := 0
	for {
		begun := time.Now()
		fresh := w.join(ctx) && w.refresh(ctx)
		next := begun.Add(refreshPace)
		if rested := time.Now().Add(min(2*time.Since(begun), refreshRest)); time.Since(begun) > refreshPace {
			next = rested
		}
		if ctx.Err() != nil {
			return nil
		}
		failures++
		if fresh {
			failures = 0
		}
		if !w.pause(ctx, failures) || wake.Pause(ctx, time.Until(next)) != nil {
			return nil
		}
	}
}

// pause waits until there is a reason to refresh; false: ctx has ended.
func (w *Watcher) pause(ctx context.Context, failures int) bool {
	for {
		wait := pollEvery
		switch {
		case w.View().State == cluster.StateNone:
			wait = joinEvery
		case w.isStreaming() && failures == 0:
			wait = checkEvery
		}
		select {
		case <-ctx.Done():
			return false
		case <-w.due:
			return true
		case <-time.After(max(wait, min(backoff(failures)-pollEvery, time.Second))):
		}
		if failures > 0 {
			return true
		}
		epoch, err := w.cluster.Epoch(ctx)
		news := err != nil || epoch != w.View().Epoch
		w.checkStream(err == nil && news)
		if news {
			return true
		}
	}
}

// checkStream stops a stream that has not reported the change of the previous check.
// news: there is a change now, which the stream may report soon.
func (w *Watcher) checkStream(news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streaming && w.missed && w.updates == w.since {
		w.stop(errSilent)
		w.streaming = false
	}
	w.missed, w.since = news && w.streaming, w.updates
}

// refresh reads and publishes the status of the cluster; false: Pacemaker did not
// answer.
func (w *Watcher) refresh(ctx context.Context) bool {
	cib, err := w.cluster.Query(ctx)
	var view cluster.Status
	if err == nil {
		view, err = w.cluster.View(ctx, cib)
	}
	if ctx.Err() != nil {
		return false
	}
	w.publish(ctx, cib, view, err)
	return err == nil
}

func (w *Watcher) publish(ctx context.Context, cib *CIB, view cluster.Status, err error) {
	log := w.cluster.cfg.Logger
	hasLeft := err != nil && w.cluster.cfg.hasLeft()
	w.mu.Lock()
	before, known := w.view, w.err
	w.joined = w.joined || err == nil
	if err != nil {
		view = before
		view.State, view.Role, view.Reasons = cluster.StateOffline, "offline", []string{err.Error()}
		cib = w.cib
		if w.joined && hasLeft {
			w.joined = false
			view, cib = unknownStatus(), nil
			view.Role, view.Reasons = "offline", []string{err.Error()}
		}
		if !w.joined {
			view.State = cluster.StateNone
		}
	}
	same := before.State == view.State && before.Epoch == view.Epoch && (err == nil) == (known == nil)
	w.remember(cib)
	w.view, w.cib, w.err = view, cib, err
	w.mu.Unlock()
	if same && (err == nil || known != nil && err.Error() == known.Error()) {
		return
	}
	w.changed.Broadcast()
	switch {
	case before.State == "" && view.State == cluster.StateNone:
		log.InfoContext(ctx, "this node is not in a cluster")
	case before.State != view.State:
		log.InfoContext(ctx, "cluster state changed", "state", view.State, "reasons", view.Reasons, "dc", view.DC)
	}
}

// remember keeps what was secret before a CIB takes the place of the last one. The caller holds the
// mutex.
func (w *Watcher) remember(next *CIB) {
	switch last := w.cib; {
	case next == nil:
		w.former = nil
	case last != nil && last.Epoch.Configuration() != next.Epoch.Configuration() && !slices.Equal(SecretsOf(last).list, SecretsOf(next).list):
		w.former = append(slices.Clone(w.former), SecretsOf(last))
		w.former = w.former[max(0, len(w.former)-formerSecrets):]
	}
}

// listen keeps thalassa-cib running until ctx ends.
func (w *Watcher) listen(ctx context.Context) {
	log := w.cluster.cfg.Logger
	failures := 0
	for ctx.Err() == nil {
		next := w.Changed()
		if state := w.View().State; state == "" || state == cluster.StateNone {
			select {
			case <-next:
			case <-ctx.Done():
			}
			continue
		}
		begun := time.Now()
		err := w.follow(ctx)
		w.Look() // the last update may be lost
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > time.Minute {
			failures = 0
		}
		wait := backoff(failures)
		switch {
		case cluster.IsKind(err, cluster.KindNotInstalled):
			if failures == 0 {
				log.InfoContext(ctx, "thalassa-cib is not installed, polling the cluster instead", "error", err)
			}
			wait = installEvery
		case w.isDown():
			log.DebugContext(ctx, "thalassa-cib exited", "error", err, "retry_in", wait)
		default:
			log.WarnContext(ctx, "thalassa-cib exited, polling the cluster", "error", err, "retry_in", wait)
		}
		failures++
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// follow runs thalassa-cib once.
func (w *Watcher) follow(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w.mu.Lock()
	w.stop = stop
	w.mu.Unlock()
	err := w.cluster.stream(ctx, w.noteEpoch)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streaming = false
	return err
}

// noteEpoch processes an update of the stream.
func (w *Watcher) noteEpoch(epoch cluster.Epoch) {
	w.mu.Lock()
	w.streaming = true
	w.updates++
	w.mu.Unlock()
	if w.View().Epoch != epoch || w.isDown() {
		w.Look()
	}
}

func (w *Watcher) isStreaming() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.streaming
}

// isDown reports whether Pacemaker itself does not answer.
func (w *Watcher) isDown() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// MaskedCIB returns the CIB of the view as XML without secrets. If Pacemaker does not
// answer, the error is a *cluster.Error or another one.
func (w *Watcher) MaskedCIB() ([]byte, error) {
	cib, err := w.known()
	if err != nil {
		return nil, err
	}
	return cib.Masked(), nil
}

// Operations are the results of operations in the CIB of the view, the latest last, without
// secrets. Errors are those of MaskedCIB.
func (w *Watcher) Operations() ([]cluster.OperationResult, error) {
	cib, err := w.known()
	if err != nil {
		return nil, err
	}
	return cib.Operations(), nil
}

// Secrets are those of the CIB of the view, also while Pacemaker does not answer, and those that were in
// its place since Run began: of the last formerSecrets changes. false: there is no CIB yet, or this node
// has left its cluster.
func (w *Watcher) Secrets() (Secrets, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cib == nil {
		return Secrets{}, false
	}
	return SecretsOf(w.cib).with(w.former...), true
}

// known is the CIB of the view, or the error that says why there is none.
func (w *Watcher) known() (*CIB, error) {
	cib, err := w.CIB()
	if err == nil && cib == nil {
		err = &lb.UnavailableError{What: "the status of the cluster is not known yet"}
	}
	return cib, err
}
