package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
)

// A Drainer lists the former members of a backend, as *Client does.
type Drainer interface {
	Leaving(ctx context.Context, key string) ([]DrainingMember, error)
}

// Drain waits until the former members of a backend have no connections.
type Drain struct {
	Backend string // key
	// Deployed are the versions that have the traffic now. It does not wait for their
	// instances, e.g. unhealthy ones.
	Deployed []lb.Version
	// Within is the maximum time to wait.
	Within time.Duration
	// Interval is the time between two readings (500 ms).
	Interval time.Duration
	// Report gets every change of the remaining members; nil: none is reported.
	Report func(Drained) error
}

// Drained is the progress of a drain.
type Drained struct {
	Backend string `json:"backend"`
	// Done: no former member has a connection or may get one.
	Done       bool             `json:"drained"`
	DurationMS float64          `json:"durationMs"`
	Left       []DrainingMember `json:"left"`
}

// String is the progress as a sentence.
func (d Drained) String() string {
	if d.Done {
		return fmt.Sprintf("%s has no connections to former members left after %.1f s", d.Backend, d.DurationMS/1000)
	}
	if len(d.Left) == 0 {
		return d.Backend + " has not answered about its former members"
	}
	parts := make([]string, len(d.Left))
	for i, l := range d.Left {
		parts[i] = fmt.Sprintf("%s:%d has %d", l.Host, l.Port, l.Connections)
		if l.Connections == 0 {
			parts[i] = fmt.Sprintf("%s:%d may get requests of a replaced worker's clients", l.Host, l.Port)
		}
	}
	return fmt.Sprintf("%s has connections to former members: %s", d.Backend, strings.Join(parts, ", "))
}

// UndrainedError is a drain that took too long or was interrupted.
type UndrainedError struct {
	Drained
	Why string
}

// Error says what is left.
func (e *UndrainedError) Error() string { return e.Why + ": " + e.String() }

// Run waits until the former members have no connections and will get none. Errors:
// *UndrainedError, also when ctx ends, and errors of the agent that are not
// temporary.
func (d Drain) Run(ctx context.Context, agent Drainer) (Drained, error) {
	if d.Interval <= 0 {
		d.Interval = 500 * time.Millisecond
	}
	begin := time.Now()
	within, cancel := context.WithTimeout(ctx, d.Within) // also bounds an agent that hangs
	defer cancel()
	state := Drained{Backend: "backend/" + d.Backend}
	for said := ""; ; {
		list, err := agent.Leaving(within, d.Backend)
		state.DurationMS = float64(time.Since(begin).Microseconds()) / 1000
		switch {
		case err == nil:
			state.Left = d.left(list)
			state.Done = len(state.Left) == 0
		case within.Err() == nil && !IsTemporary(err):
			return state, err
		}
		if now := state.String(); err == nil && !state.Done && now != said && d.Report != nil {
			said = now
			if err := d.Report(state); err != nil {
				return state, fmt.Errorf("reporting an event failed: %w", err)
			}
		}
		if state.Done {
			return state, nil
		}
		_ = wake.Pause(within, d.Interval) // its end is checked below
		switch {
		case ctx.Err() != nil:
			return state, &UndrainedError{state, "interrupted"}
		case within.Err() != nil && err != nil && !errors.Is(err, context.DeadlineExceeded):
			return state, err
		case within.Err() != nil:
			return state, &UndrainedError{state, "after " + d.Within.String()}
		}
	}
}

// left are the members of the list whose version is not deployed.
func (d Drain) left(list []DrainingMember) []DrainingMember {
	return slices.DeleteFunc(list, func(l DrainingMember) bool { return slices.Contains(d.Deployed, lb.Version(l.Version)) })
}
