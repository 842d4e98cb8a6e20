package canary

import (
	"context"
	"fmt"
	"time"

	"thalassa/client"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// An Agent is the node agent that a walk is made through, as *client.Client has
// it.
type Agent interface {
	Backend(ctx context.Context, key string) (client.Backend, error)
	MembersWithStats(ctx context.Context, key string) ([]client.Member, error)
	Deploy(ctx context.Context, key string, d client.DeployRequest, conditions ...client.Condition) (client.Backend, client.Applied, error)
}

// Config says what to deploy, and how. Backend, Version and Steps are required.
type Config struct {
	Backend string // key
	Version string // to deploy
	// Steps are the percentages of the traffic that the version gets one after
	// the other, ascending, the last one 100; see ParseSteps.
	Steps []int
	// Every is how long a step lasts (1 min).
	Every time.Duration
	// AbortOn are the conditions under which the walk goes back.
	AbortOn []Condition
	// MinRequests is how many requests the version must have had in a step before
	// a condition is looked at (20).
	MinRequests int64
	// Wait is how long healthy instances may take to appear before the first step.
	Wait time.Duration
	// Look is the time between two looks at the counters (a twentieth of Every,
	// within 100 ms and 1 s).
	Look time.Duration
	// Patience is how long the agent may give no answer before the walk goes back,
	// and how long it is tried to go back (1 min).
	Patience time.Duration
	// Report is told what happens; an error ends the walk. nil: nobody is.
	Report func(Event) error
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.Every, time.Minute)
	def(&c.Look, min(max(c.Every/20, 100*time.Millisecond), time.Second))
	def(&c.Patience, time.Minute)
	if c.MinRequests <= 0 {
		c.MinRequests = 20
	}
	if c.Report == nil {
		c.Report = func(Event) error { return nil }
	}
	return c
}

// deployment is one deploy under way.
type deployment struct {
	Config
	agent   Agent
	id      string   // of the backend
	service string   // that it was found with
	old     lb.Split // what has the traffic beside the new version

	backend client.Backend // as this walk left it, or found it
	wanted  string         // the versions that were asked for last; empty: none
	begun   bool           // a request has changed the backend, or may have
	percent int            // of the step that is in effect; 0: none is
	figures *Figures       // of the present step; nil: there are none
}

// Run walks, and returns when the version has all traffic or has none any more.
// Errors: *AbortedError after going back, *ForeignError when somebody else has
// changed the backend, *StuckError when going back did not succeed, and before the
// first step those of the agent. The end of ctx makes it go back.
func Run(ctx context.Context, agent Agent, cfg Config) error {
	w := &deployment{Config: cfg.withDefaults(), agent: agent}
	b, err := agent.Backend(ctx, cfg.Backend)
	if err != nil {
		return err
	}
	if b.Type != "dynamic" {
		return &lb.ConflictError{ID: b.ID, Reason: "is static: it lists its members itself and has no version to deploy"}
	}
	w.id, w.service, w.old, w.backend = b.ID, b.Name, others(b, cfg.Version), b
	for _, percent := range w.Steps {
		if len(w.old) == 0 { // the version has all traffic already
			percent = 100
		}
		applied, err := w.step(ctx, percent)
		e := Event{Kind: Stepped, Path: applied.Path, DurationMS: applied.DurationMS, Revision: applied.Revision}
		if err == nil && percent == 100 {
			e.Kind = Done
			return w.Report(w.complete(e))
		}
		if err == nil {
			err = w.report(e)
		}
		if err == nil {
			err = w.watch(ctx)
		}
		if err != nil {
			return w.conclude(ctx, err)
		}
	}
	return nil
}

// others are the versions beside one that get traffic.
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
// the rest in their proportion.
func (w *deployment) forward(percent int) (client.DeployRequest, error) {
	if percent == 100 {
		return client.DeployRequest{Version: w.Version}, nil
	}
	parts := 1 // of a percent
	total := 0
	for _, share := range w.old {
		total += share.Weight
	}
	if len(w.old) > 1 {
		parts = 100
	}
	shares := []lb.Share{{Version: lb.Version(w.Version), Weight: parts * percent}}
	for _, share := range w.old {
		share.Weight = max(1, parts*(100-percent)*share.Weight/total)
		shares = append(shares, share)
	}
	split, err := lb.NewSplit(shares...)
	return client.DeployRequest{Versions: split}, err
}

// backward is the request that gives the others all traffic again.
func (w *deployment) backward() client.DeployRequest {
	if len(w.old) == 1 {
		return client.DeployRequest{Version: string(w.old[0].Version)}
	}
	return client.DeployRequest{Versions: w.old}
}

// step gives the version its percentage.
func (w *deployment) step(ctx context.Context, percent int) (client.Applied, error) {
	d, err := w.forward(percent)
	if err != nil {
		return client.Applied{}, fmt.Errorf("dividing the traffic: %w", err)
	}
	var applied client.Applied
	if w.wanted == "" {
		applied, err = w.requestWhenHealthy(ctx, d)
	} else {
		applied, err = w.request(ctx, d)
	}
	switch {
	case err != nil:
		return applied, err
	case !applied.Applied:
		return applied, &abortCause{fmt.Sprintf("the step to %d%% is stored and not in effect: %s", percent, applied.Reason)}
	}
	w.percent, w.figures = percent, nil
	return applied, nil
}

// watch looks at the version's members until the step's time is over.
func (w *deployment) watch(ctx context.Context) error {
	end := time.Now().Add(w.Every)
	m := meter{version: w.Version}
	for {
		members, err := w.readMembers(ctx)
		if err != nil {
			return err
		}
		figures := m.read(members)
		w.figures = &figures
		if reason := w.failedCondition(members, figures); reason != "" {
			return &abortCause{reason}
		}
		left := time.Until(end)
		if left <= 0 {
			return w.report(Event{Kind: Watched, Judged: figures.Requests >= w.MinRequests})
		}
		if err := wake.Pause(ctx, min(left, w.Look)); err != nil {
			return err
		}
	}
}

// failedCondition says what is wrong; "" when nothing is.
func (w *deployment) failedCondition(members []client.Member, f Figures) string {
	healthy, up := 0, 0
	for _, m := range members {
		if m.Version != w.Version {
			continue
		}
		healthy++
		if m.Stats == nil || !isDown(m.Stats.Status) {
			up++
		}
	}
	switch {
	case healthy == 0:
		return "version " + w.Version + " has no healthy instance any more"
	case up == 0:
		return "HAProxy's checks find every instance of version " + w.Version + " down"
	case f.Requests < w.MinRequests:
		return ""
	}
	for _, c := range w.AbortOn {
		if c.holds(f) {
			return "version " + w.Version + " broke " + c.String()
		}
	}
	return ""
}
