package cli

import (
	"context"
	"fmt"
	"syscall"
	"time"

	nodeapi "thalassa/api/node"
	"thalassa/client"
	"thalassa/internal/wake"
	"thalassa/lb"
)

type (
	canaryStep    = nodeapi.CanaryStep
	canaryFigures = nodeapi.CanaryFigures
)

// A canaryFollower starts a canary, follows it to its end and prints its progress.
type canaryFollower struct {
	*remote

	agent  *client.Client
	key    string
	reader canaryReader
	last   client.Canary // as it was read last
	silent bool          // nobody reads the output
	back   bool          // it was asked to go back
	lease  time.Duration // 0: there is none
}

// canary carries out a deploy in several steps, and tells of each in a line. The end of
// ctx, and an output that nobody reads any more, make the canary go back.
func (r *remote) canary(ctx context.Context, c *client.Client, key string, request client.CanaryRequest) error {
	// An output that nobody reads is an error then, instead of the end of the program.
	_, stop := r.env.notify(syscall.SIGPIPE)
	defer stop()
	f := &canaryFollower{remote: r, agent: c, key: key, lease: request.Lease}
	var err error
	if f.last, err = c.StartCanary(ctx, key, request); err != nil {
		return err
	}
	f.report()
	if request.Lease == 0 && f.last.Phase != lb.CanaryGoingBack && !f.silent {
		return nil // the agent continues
	}
	return f.follow(ctx, min(max(request.Every/10, 50*time.Millisecond), 500*time.Millisecond))
}

// follow reads the canary until it ends.
func (f *canaryFollower) follow(ctx context.Context, pause time.Duration) error {
	started, renewed := f.last.Started, time.Now()
	for !f.last.Phase.IsEnd() {
		if ctx.Err() != nil || f.silent {
			f.goBack(ctx)
		}
		if f.lease > 0 && time.Since(renewed) > f.lease/6 {
			if _, err := f.agent.ControlCanary(ctx, f.key, lb.CanaryRenew); err == nil {
				renewed = time.Now()
			} // otherwise the reading below fails, too, or the canary has ended
		}
		now, err := f.read(context.WithoutCancel(ctx))
		switch {
		case err != nil:
			return fmt.Errorf("%w; the agent goes back if nobody follows the canary for %s", err, f.lease)
		case !now.Started.Equal(started):
			return &canaryError{Canary: f.last, lost: true}
		}
		f.last = now
		f.report()
		if f.last.Phase.IsEnd() {
			break
		}
		if f.back {
			_ = wake.Pause(context.WithoutCancel(ctx), pause) // never ends early
		} else {
			_ = wake.Pause(ctx, pause) // its end is checked above
		}
	}
	if f.last.Phase == lb.CanaryDone {
		return nil
	}
	return &canaryError{Canary: f.last}
}

// goBack asks the agent to go back, once.
func (f *canaryFollower) goBack(ctx context.Context) {
	if f.back {
		return
	}
	ctx = context.WithoutCancel(ctx)
	f.back = true
	_ = f.retry(ctx, func() error {
		_, err := f.agent.ControlCanary(ctx, f.key, lb.CanaryGoBack)
		return err
	}) // if it fails, the lease ends, or the canary has ended
}

// read reads the canary.
func (f *canaryFollower) read(ctx context.Context) (c client.Canary, err error) {
	err = f.retry(ctx, func() error {
		c, err = f.agent.Canary(ctx, f.key)
		return err
	})
	return c, err
}

// retry calls ask until it succeeds, fails for good, or the lease is over.
func (f *canaryFollower) retry(ctx context.Context, ask func() error) error {
	begin, wait, told := time.Now(), 250*time.Millisecond, false
	for {
		err := ask()
		if err == nil || !client.IsTemporary(err) || time.Since(begin) > canaryLease {
			return err
		}
		if !told {
			told = true
			e := eventOf(f.last, canaryWaiting, f.last.Percent, f.last.Selection)
			e.Reason = "the agent: " + err.Error()
			f.print(e)
		}
		if err := wake.Pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, 2*time.Second)
	}
}

// report tells what has happened since the last reading.
func (f *canaryFollower) report() {
	for _, e := range f.reader.news(f.last) {
		f.print(e)
	}
}

func (f *canaryFollower) print(e canaryEvent) {
	if f.silent {
		return
	}
	var err error
	if f.output == "json" {
		err = encodeLine(f.env.Stdout, e)
	} else {
		_, err = fmt.Fprintln(f.env.Stdout, e.line(f.last))
	}
	f.silent = err != nil
}

// canaryError is a canary that has not given its version all requests.
type canaryError struct {
	client.Canary

	lost bool // another canary of the backend has begun
}

// Error says which versions the backend has, and why.
func (e *canaryError) Error() string {
	id := "backend/" + e.Backend
	switch {
	case e.lost:
		return id + " has another canary now"
	case e.Phase == lb.CanarySuperseded:
		now := "it is at " + e.Now + " now"
		if e.Now == "" {
			now = "it has no version any more"
		}
		s := fmt.Sprintf("%s was changed by somebody else while the canary had it at %s: %s and is left alone", id, e.Selection, now)
		if e.Reason != "" {
			s += "; it should have gone back, because " + e.because()
		}
		return s
	case e.Phase == lb.CanaryStuck:
		return fmt.Sprintf("%s could not go back to %s and is left at %s: %s; it should have, because %s", id, e.From, e.Selection, e.Problem, e.because())
	}
	s := fmt.Sprintf("%s was rolled back to %s %s: %s", id, e.Service, e.Selection, e.because())
	if e.Pending != "" {
		s += "; this is stored and not yet in effect: " + e.Pending
	}
	return s
}

// because is the reason with its step and the figures of the step.
func (e *canaryError) because() string {
	reason := e.Reason
	if e.Percent > 0 {
		reason = fmt.Sprintf("at %d%% %s", e.Percent, reason)
	}
	if e.New != nil {
		reason += " (" + e.New.String() + ")"
	}
	return reason
}

// exitCode is what a script sees.
func (e *canaryError) exitCode() int {
	if e.Phase == lb.CanaryStuck {
		return exitUnavailable
	}
	return exitConflict
}
