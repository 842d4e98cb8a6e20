package agent

import "thalassa/haproxy"

// watchedAtOnce is how many certificates a look at HAProxy compares: it takes a tenth of a
// millisecond to show one.
const watchedAtOnce = 64

// A certificateWatch says which certificates a look at HAProxy compares. It belongs to the
// loop's goroutine.
type certificateWatch struct {
	running *running
	updater *certificateUpdater
	from    int // the next one among all files
}

// all is everything that HAProxy should have; nothing if it has no certificates.
func (w *certificateWatch) all() haproxy.Serving {
	if !w.running.isKnown() || w.updater.cfg.Certificates == nil || !usesCertificates(w.running.config) {
		return haproxy.Serving{}
	}
	return w.updater.files.serving(w.running.config)
}

// next is all, of which the contents of some are compared, and others the next time.
func (w *certificateWatch) next() haproxy.Serving {
	s := w.all()
	if len(s.Files) == 0 {
		return s
	}
	s.Compared = map[string]bool{}
	for range min(watchedAtOnce, len(s.Files)) {
		w.from = (w.from + 1) % len(s.Files)
		s.Compared[s.Files[w.from].Role] = true
	}
	return s
}
