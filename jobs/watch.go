package jobs

import (
	"context"
	"maps"
	"slices"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

// watchPause is the pause between two looks for jobs whose node is lost.
const watchPause = time.Second

// watch goes on with jobs whose node is lost, and with those that this node has left when it
// stopped, until ctx ends.
func (r *Runner) watch(ctx context.Context) {
	for wake.Pause(ctx, watchPause) == nil {
		v := r.cfg.View()
		if v.Self == "" || v.State == cluster.StateNone || v.State == cluster.StateOffline {
			continue
		}
		for _, rec := range r.abandoned(v) {
			r.takeOver(rec, v.Self)
		}
	}
}

// abandoned are the running jobs that this node is to finish.
func (r *Runner) abandoned(v cluster.Status) []record {
	r.mu.Lock()
	var open []record
	for id, rec := range r.records {
		if !rec.Over() && r.tasks[id] == nil {
			open = append(open, rec)
		}
	}
	r.mu.Unlock()
	if len(open) == 0 {
		return nil
	}
	online := map[string]bool{}
	for _, n := range v.Nodes {
		online[n.Name] = n.State == "online" || n.State == "standby" || n.State == "maintenance"
	}
	s := &r.share
	s.mu.Lock()
	defer s.mu.Unlock()
	live := []string{v.Self}
	for name, p := range s.peers {
		if online[name] && !p.dead {
			live = append(live, name)
		}
	}
	slices.Sort(live)
	return slices.DeleteFunc(open, func(rec record) bool {
		if rec.Node == v.Self {
			return false
		}
		return s.lives(rec.Node, online) || live[0] != v.Self
	})
}

// lives reports whether the agent of a node answers. If it has said nothing for a while, it
// is asked. The caller holds the mutex.
func (s *sharing) lives(node string, online map[string]bool) bool {
	p := s.peers[node]
	switch {
	case !online[node] || p == nil:
		return false
	case time.Since(p.since) < silentAfter:
	case p.asked.IsZero():
		p.asked = time.Now()
		s.ask = append(s.ask, node)
		s.dirty, s.ring = true, true
	case time.Since(p.asked) > answerWithin:
		p.dead = true
	}
	return !p.dead
}

// takeOver finishes a job here.
func (r *Runner) takeOver(rec record, self string) {
	t := newTask(r.base, cluster.Order{Author: rec.Author})
	t.rec, t.resumed = rec, true
	t.rec.Node = self
	t.rec.Version++
	t.rec.Foretold = maps.Clone(rec.Foretold)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.base.Err() != nil || r.tasks[rec.ID] != nil || r.records[rec.ID].Over() {
		return
	}
	r.cfg.Logger.Info("job taken over", "job", rec.ID, "from", rec.Node)
	r.launch(t)
}
