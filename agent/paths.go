package agent

import (
	"context"

	"thalassa/activity"
	"thalassa/haproxy"
	"thalassa/plan"
)

// watchPaths notes which control paths of HAProxy are lost, and their return. It asks
// for a reload when that restores them. Changes reach HAProxy meanwhile.
func (m *driftMonitor) watchPaths(ctx context.Context, state haproxy.State) {
	if state.Running && state.Lost != m.lost {
		m.notePaths(ctx, state.Lost)
	}
	if !state.Regain || !m.mayCheck() || m.running.idle || m.running.failure != "" {
		return // or a round reloads anyway
	}
	m.running.requireReload([]plan.Reason{{Object: "process", What: "control path", Detail: []string{state.Lost}}})
	m.look.Send()
}

// notePaths notes which paths are lost now; none: all lead to HAProxy again.
func (m *driftMonitor) notePaths(ctx context.Context, lost string) {
	e := activity.Event{Verb: activity.ControlPathLost, Object: haproxyObject(), Error: lost}
	if lost == "" {
		e.Verb = activity.ControlPathRegained
		m.cfg.Logger.InfoContext(ctx, "haproxy control paths restored")
	} else {
		m.cfg.Logger.WarnContext(ctx, "haproxy control paths lost, using the others", "lost", lost)
	}
	m.lost = lost
	m.cfg.Journal.Note(e)
	m.inputs.views.Broadcast()
}
