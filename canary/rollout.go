package canary

import (
	"context"
	"fmt"
	"time"

	"thalassa/client"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// An Agent is the node agent that carries out the steps, as *client.Client does.
type Agent interface {
	Backend(ctx context.Context, key string) (client.Backend, error)
	MembersWithStats(ctx context.Context, key string) ([]client.Member, error)
	Deploy(ctx context.Context, key string, d client.DeployRequest, conditions ...client.Condition) (client.Backend, client.Applied, error)
}

// Config says what to deploy, and how. Backend, Version and Steps are required.
type Config struct {
	Backend string // key
	Version string // to deploy
	// Steps are the percentages of the traffic that the version gets in turn:
	// ascending, the last one 100; see ParseSteps.
	Steps []int
	// Every is how long a step lasts (1 min).
	Every time.Duration
	// AbortOn are the conditions under which the rollout rolls back.
	AbortOn []Condition
	// MinRequests is how many requests the version must have had in a step before
	// conditions are checked (20).
	MinRequests int64
	// Wait is how long to wait for a healthy instance before the first step.
	Wait time.Duration
	// Interval is the time between two readings of the counters (a twentieth of Every,
	// between 100 ms and 1 s).
	Interval time.Duration
	// MaxOutage is how long the agent may be unreachable before the rollout rolls back,
	// and how long the rollback is retried (1 min).
	MaxOutage time.Duration
	// Report gets every event; an error ends the rollout. nil: events are discarded.
	Report func(Event) error
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.Every, time.Minute)
	def(&c.Interval, min(max(c.Every/20, 100*time.Millisecond), time.Second))
	def(&c.MaxOutage, time.Minute)
	if c.MinRequests <= 0 {
		c.MinRequests = 20
	}
	if c.Report == nil {
		c.Report = func(Event) error { return nil }
	}
	return c
}

// A rollout is a deploy in progress.
type rollout struct {
	Config
	agent   Agent
	id      string   // of the backend
	service string   // of the backend at the start
	old     lb.Split // the versions with traffic beside the new one

	backend client.Backend // after the last step, or at the start
	wanted  string         // the versions of the last request; empty: none
	begun   bool           // a request has changed the backend, or may have
	percent int            // of the step that is in effect; 0: none is
	figures *Figures       // of the present step; nil: there are none
}

// Run deploys, and returns when the version has all traffic, or none again.
// Errors: *AbortedError after a rollback, *ForeignError if somebody else has
// changed the backend, *StuckError if the rollback failed, and before the
// first step those of the agent. When ctx ends, it rolls back.
func Run(ctx context.Context, agent Agent, cfg Config) error {
	r := &rollout{Config: cfg.withDefaults(), agent: agent}
	b, err := agent.Backend(ctx, cfg.Backend)
	if err != nil {
		return err
	}
	if b.Type != "dynamic" {
		return &lb.ConflictError{ID: b.ID, Reason: "is static: it lists its members itself and has no version to deploy"}
	}
	r.id, r.service, r.old, r.backend = b.ID, b.Name, others(b, cfg.Version), b
	for _, percent := range r.Steps {
		if len(r.old) == 0 { // the version has all traffic already
			percent = 100
		}
		applied, err := r.step(ctx, percent)
		e := Event{Kind: Stepped, Path: applied.Path, DurationMS: applied.DurationMS, Revision: applied.Revision}
		if err == nil && percent == 100 {
			e.Kind = Done
			return r.Report(r.complete(e))
		}
		if err == nil {
			err = r.report(e)
		}
		if err == nil {
			err = r.watch(ctx)
		}
		if err != nil {
			return r.conclude(ctx, err)
		}
	}
	return nil
}

// others are the versions with traffic, except one.
func others(b client.Backend, version string) lb.Split {
	split := lb.Split(b.Versions)
	if len(split) == 0 {
		split = lb.Split{{Version: lb.Version(b.Version), Weight: 100}}
	}
	var out lb.Split
	for _, share := range split {
		if share.Weight > 0 && string(share.Version) != version {
			out = append(out, share)
		}
	}
	return out
}

// forward is the request that gives the version its percentage, and the others
// the rest in proportion.
func (r *rollout) forward(percent int) (client.DeployRequest, error) {
	if percent == 100 {
		return client.DeployRequest{Version: r.Version}, nil
	}
	parts := 1 // of a percent
	total := 0
	for _, share := range r.old {
		total += share.Weight
	}
	if len(r.old) > 1 {
		parts = 100
	}
	shares := []lb.Share{{Version: lb.Version(r.Version), Weight: parts * percent}}
	for _, share := range r.old {
		share.Weight = max(1, parts*(100-percent)*share.Weight/total)
		shares = append(shares, share)
	}
	split, err := lb.NewSplit(shares...)
	return client.DeployRequest{Versions: split}, err
}

// backward is the request that gives the others all traffic again.
func (r *rollout) backward() client.DeployRequest {
	if len(r.old) == 1 {
		return client.DeployRequest{Version: string(r.old[0].Version)}
	}
	return client.DeployRequest{Versions: r.old}
}

// step gives the version its percentage.
func (r *rollout) step(ctx context.Context, percent int) (client.Applied, error) {
	d, err := r.forward(percent)
	if err != nil {
		return client.Applied{}, fmt.Errorf("dividing the traffic: %w", err)
	}
	var applied client.Applied
	if r.wanted == "" {
		applied, err = r.requestWhenHealthy(ctx, d)
	} else {
		applied, err = r.request(ctx, d)
	}
	switch {
	case err != nil:
		return applied, err
	case !applied.Applied:
		return applied, &abortError{fmt.Sprintf("the step to %d%% is stored and not in effect: %s", percent, applied.Reason)}
	}
	r.percent, r.figures = percent, nil
	return applied, nil
}

// watch reads the version's members until the step's time is over.
func (r *rollout) watch(ctx context.Context) error {
	end := time.Now().Add(r.Every)
	m := meter{version: r.Version}
	for {
		members, err := r.readMembers(ctx)
		if err != nil {
			return err
		}
		figures := m.read(members)
		r.figures = &figures
		if reason := r.failedCondition(members, figures); reason != "" {
			return &abortError{reason}
		}
		left := time.Until(end)
		if left <= 0 {
			return r.report(Event{Kind: Watched, Judged: figures.Requests >= r.MinRequests})
		}
		if err := wake.Pause(ctx, min(left, r.Interval)); err != nil {
			return err
		}
	}
}

// failedCondition is the condition that failed, as a clause; empty: none.
func (r *rollout) failedCondition(members []client.Member, f Figures) string {
	healthy, up := 0, 0
	for _, m := range members {
		if m.Version != r.Version {
			continue
		}
		healthy++
		if m.Stats == nil || !isDown(m.Stats.Status) {
			up++
		}
	}
	switch {
	case healthy == 0:
		return "version " + r.Version + " has no healthy instance any more"
	case up == 0:
		return "HAProxy's checks find every instance of version " + r.Version + " down"
	case f.Requests < r.MinRequests:
		return ""
	}
	for _, c := range r.AbortOn {
		if c.holds(f) {
			return "version " + r.Version + " broke " + c.String()
		}
	}
	return ""
}
