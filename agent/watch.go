package agent

import "thalassa/lb"

// Changed returns a channel that is closed when what Intent, Snapshot, Status or
// Effective tell may have changed. Take it before reading them, so that nothing
// is missed.
func (a *Agent) Changed() <-chan struct{} { return a.views.Next() }

// Effective is the configuration that HAProxy runs, with the slots of its
// members; ok is false while that is not known yet. It must not be changed.
func (a *Agent) Effective() (c lb.Config, ok bool) {
	e := a.effective.Load()
	if e == nil {
		return lb.Config{}, false
	}
	return e.config, true
}
