package pacemaker

import (
	"context"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
)

const (
	// pollEvery is the pause between two questions for the CIB's version where
	// nobody tells about changes; a question takes about 17 ms.
	pollEvery = 250 * time.Millisecond
	// restFor is the least time between two looks. One runs two of Pacemaker's tools
	// for some 40 ms of a processor, on every node, just when Pacemaker itself is
	// busiest: a failover is dozens of changes. The first of them is looked at at
	// once.
	restFor = 250 * time.Millisecond
	// checkEvery is pollEvery where somebody does, to find out that they do not.
	checkEvery = 5 * time.Second
	// joinEvery is how often a cluster is looked for where there is none.
	joinEvery = 2 * time.Second
	// installEvery is how often a missing thalassa-cib is looked for again.
	installEvery = time.Minute
)

// A Watcher knows how the cluster stands, as fresh as Pacemaker on this node
// has it. All methods may be called concurrently; Run once.
type Watcher struct {
	cluster *Cluster
	poke    chan struct{} // one slot: look again
	changed wake.Signal

	mu        sync.Mutex
	view      cluster.Status
	cib       *CIB
	err       error
	streaming bool
	lines     uint64                  // that the stream has told so far
	hangUp    context.CancelCauseFunc // ends the stream
	joined    bool                    // there is a cluster

	// Of Run alone.
	missed bool   // the stream did not tell of a change
	since  uint64 // after so many lines
}

// NewWatcher makes a Watcher. It starts nothing; until Run has had a first look
// the View's State is empty.
func NewWatcher(c *Cluster) *Watcher {
	return &Watcher{cluster: c, poke: make(chan struct{}, 1), view: nothing()}
}

// View is the last known state; it is never changed. When Pacemaker does not
// answer, its State is ClusterOffline and everything else as it was before; or
// ClusterNone, see Config.
func (w *Watcher) View() cluster.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.view
}

// CIB is the one that the view is of; nil while there is none. The error tells
// why Pacemaker does not answer now.
func (w *Watcher) CIB() (*CIB, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cib, w.err
}

// Changed returns a channel that closes with the next change of the view. Take
// it before the View, so that nothing is missed.
func (w *Watcher) Changed() <-chan struct{} { return w.changed.Next() }

// Look makes Run look at once.
func (w *Watcher) Look() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// Run keeps the view fresh until ctx ends, which is no error. thalassa-cib tells
// it when to look; where that is not installed, or does not run, the version of
// the CIB is asked for four times a second. It is asked for now and then in any
// case, so that a stream that has gone silent is noticed and started anew. At first
// it removes the copies of CIBs that programs which were killed have left.
func (w *Watcher) Run(ctx context.Context) error {
	w.cluster.sweep(ctx)
	var streams sync.WaitGroup
	streams.Go(func() { w.listen(ctx) })
	defer streams.Wait()
	failures := 0
	for {
		begun := time.Now()
		fresh := w.join(ctx) && w.refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		failures++
		if fresh {
			failures = 0
		}
		if !w.pause(ctx, failures) || wake.Pause(ctx, time.Until(begun.Add(restFor))) != nil {
			return nil
		}
	}
}

// pause waits until there is a reason to look; false: ctx has ended.
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
		case <-w.poke:
			return true
		case <-time.After(max(wait, min(backoff(failures)-pollEvery, time.Second))):
		}
		if failures > 0 {
			return true
		}
		epoch, err := w.cluster.Epoch(ctx)
		news := err != nil || epoch != w.View().Epoch
		w.listenToStream(err == nil && news)
		if news {
			return true
		}
	}
}

// listenToStream ends a stream that has told nothing since the last time when
// there was something to tell. news: there is now, which may yet be told.
func (w *Watcher) listenToStream(news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streaming && w.missed && w.lines == w.since {
		w.hangUp(errSilent)
		w.streaming = false
	}
	w.missed, w.since = news && w.streaming, w.lines
}

// refresh looks at the cluster and publishes what it sees; false: Pacemaker did
// not answer.
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
	w.mu.Lock()
	before, known := w.view, w.err
	w.joined = w.joined || err == nil
	if err != nil {
		view = before
		view.State, view.Role, view.Reasons = cluster.StateOffline, "offline", []string{err.Error()}
		cib = w.cib
		if !w.joined {
			view.State = cluster.StateNone
		}
	}
	same := before.State == view.State && before.Epoch == view.Epoch && (err == nil) == (known == nil)
	w.view, w.cib, w.err = view, cib, err
	w.mu.Unlock()
	if same && (err == nil || known != nil && err.Error() == known.Error()) {
		return
	}
	w.changed.Broadcast()
	switch {
	case before.State == "" && view.State == cluster.StateNone:
		log.InfoContext(ctx, "no cluster runs on this node")
	case before.State != view.State:
		log.InfoContext(ctx, "cluster state changed", "state", view.State, "reasons", view.Reasons, "dc", view.DC)
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
		w.Look() // whatever came last may have been lost
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
			log.DebugContext(ctx, "thalassa-cib has ended", "error", err, "again_in", wait)
		default:
			log.WarnContext(ctx, "thalassa-cib has ended, polling the cluster meanwhile", "error", err, "again_in", wait)
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
	ctx, hangUp := context.WithCancelCause(ctx)
	defer hangUp(nil)
	w.mu.Lock()
	w.hangUp = hangUp
	w.mu.Unlock()
	err := w.cluster.stream(ctx, w.noteEpoch)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streaming = false
	return err
}

// noteEpoch takes note of an update.
func (w *Watcher) noteEpoch(epoch cluster.Epoch) {
	w.mu.Lock()
	w.streaming = true
	w.lines++
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

// MaskedCIB is the CIB that the view is of as XML, without secrets. While
// Pacemaker does not answer it is an *cluster.Error, or what else is wrong.
func (w *Watcher) MaskedCIB() ([]byte, error) {
	cib, err := w.CIB()
	if err != nil {
		return nil, err
	}
	if cib == nil {
		return nil, &lb.UnavailableError{What: "the cluster has not been looked at yet"}
	}
	return cib.Masked(), nil
}
