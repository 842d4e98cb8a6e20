package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/settings"
)

// A rereader reads the settings, and the files that they name, again while the agent runs.
// Settings that are wrong, or that a part refuses, change nothing.
type rereader struct {
	log     *slog.Logger
	asked   chan struct{}
	current *settings.Agent // belongs to the goroutine of run

	mu      sync.Mutex
	notices []string // for the status
}

func newRereader(s *settings.Agent, log *slog.Logger) *rereader {
	return &rereader{log: log, asked: make(chan struct{}, 1), current: s}
}

// ask has run read everything again soon.
func (r *rereader) ask() {
	select {
	case r.asked <- struct{}{}:
	default: // run has not begun with the last one yet
	}
}

// Notices say what of the settings file is not in effect.
func (r *rereader) Notices() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notices
}

func (r *rereader) notice(texts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices = texts
}

// run reads everything again whenever it is asked to, until ctx ends, which is no error.
func (r *rereader) run(ctx context.Context, p parts) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.asked:
		}
		r.log.InfoContext(ctx, "SIGHUP: reading settings and files again")
		r.settings(ctx, p)
		p.authority.Look()
		p.agent.Renewed() // also with wrong settings: a renewed certificate does not wait for them
	}
}

// settings takes over what can change.
func (r *rereader) settings(ctx context.Context, p parts) {
	newer, err := r.current.Reread()
	if err != nil {
		r.refuse(ctx, p, err)
		return
	}
	t := r.current.Follow(newer)
	if err := r.follow(ctx, p, t); err != nil {
		if ctx.Err() == nil {
			r.refuse(ctx, p, err)
		}
		return
	}
	r.current = t.Next
	var restarts []string
	for _, c := range t.Restart {
		restarts = append(restarts, c.Name+": needs a restart")
	}
	r.report(ctx, p, t, restarts)
	r.notice(restarts...)
}

// follow brings the settings of a transition into effect, or none of them.
func (r *rereader) follow(ctx context.Context, p parts, t settings.Transition) error {
	if len(t.Changed) == 0 {
		return nil
	}
	replace, err := r.authority(p, t)
	if err != nil {
		return err
	}
	if err := p.agent.Tune(ctx, t.Next.Loop(r.log).Tuning()); err != nil {
		return refusedBy(err, t)
	}
	replace()
	t.Next.StyleLog(r.log)
	return nil
}

// authority opens the files of users and tokens that t names.
func (r *rereader) authority(p parts, t settings.Transition) (replace func(), err error) {
	if !t.Has("token-file") && !t.Has("access-file") {
		return func() {}, nil
	}
	tokens, access, err := openCallers(t.Next, r.log)
	return func() { p.authority.Replace(tokens, access) }, err
}

// refusedBy names the settings that HAProxy may have refused.
func refusedBy(err error, t settings.Transition) error {
	var names []string
	for _, c := range t.Changed {
		if strings.HasPrefix(c.Name, "haproxy-") {
			names = append(names, c.Name)
		}
	}
	if refused := (*lb.RefusedError)(nil); errors.As(err, &refused) {
		return fmt.Errorf("%s: %s: %s", strings.Join(names, ", "), refused.Stage, strings.TrimSpace(refused.Output))
	}
	return err
}

// refuse says that the settings stay as they are, and why.
func (r *rereader) refuse(ctx context.Context, p parts, err error) {
	r.log.ErrorContext(ctx, "settings refused, the former ones stay in use", "error", err)
	p.events.Note(activity.Event{Verb: activity.SettingsRefused, Object: settingsObject(r.current), Error: err.Error()})
	r.notice("the settings were refused, and the former ones stay in use: " + firstLines(err.Error()))
}

// report says what has changed and what needs a restart.
func (r *rereader) report(ctx context.Context, p parts, t settings.Transition, restarts []string) {
	if len(t.Changed) == 0 && slices.Equal(restarts, r.Notices()) {
		return
	}
	if len(t.Changed)+len(restarts) == 0 {
		r.log.InfoContext(ctx, "settings are as before")
		return
	}
	var diff []string
	for _, c := range t.Changed {
		diff = append(diff, c.String())
	}
	if len(restarts) > 0 {
		r.log.WarnContext(ctx, "settings changed; some need a restart", "changed", diff, "restart", restarts)
	} else {
		r.log.InfoContext(ctx, "settings changed", "changed", diff)
	}
	p.events.Note(activity.Event{Verb: activity.SettingsChanged, Object: settingsObject(r.current), Cause: "SIGHUP", Diff: diff, Reasons: restarts})
}

func settingsObject(s *settings.Agent) activity.Object {
	return activity.Object{ID: "settings", Type: "settings", Key: s.File()}
}

// firstLines is a text of several lines, such as a list of mistakes, as one of bounded
// length.
func firstLines(text string) string {
	const most = 500
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
