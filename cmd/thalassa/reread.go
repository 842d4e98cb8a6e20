package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"thalassa/activity"
	"thalassa/discovery"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/settings"
)

// A rereader reads the settings, and the files that they name, again while the agent runs. Invalid
// settings, and those that a part refuses, change nothing.
type rereader struct {
	now     func() time.Time
	log     *slog.Logger
	systemd *systemd // nil: nobody is told
	asked   wake.Poke
	current atomic.Pointer[settings.Agent] // in effect; run replaces it

	mu      sync.Mutex
	notices []string // for the status
}

func newRereader(s *settings.Agent, now func() time.Time, log *slog.Logger) *rereader {
	r := &rereader{now: now, log: log, asked: wake.NewPoke()}
	r.current.Store(s)
	return r
}

// ask makes run read everything again soon.
func (r *rereader) ask() {
	r.asked.Send()
}

// Notices says which settings of the file are not in effect.
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
		r.systemd.reloading()
		r.settings(ctx, p)
		p.authority.Look()
		if p.agent != nil { // nil: a console
			p.agent.Renewed() // also with wrong settings: a renewed certificate does not wait for them
		}
		r.systemd.ready()
	}
}

// settings applies new settings that can change while the agent runs.
func (r *rereader) settings(ctx context.Context, p parts) {
	newer, err := r.current.Load().Reread()
	if err != nil {
		r.refuse(ctx, p, err)
		return
	}
	t := r.current.Load().Follow(newer)
	if err := r.follow(ctx, p, t); err != nil {
		if ctx.Err() == nil {
			r.refuse(ctx, p, err)
		}
		return
	}
	r.current.Store(t.Next)
	var restarts []string
	for _, c := range t.Restart {
		restarts = append(restarts, c.Name+": needs a restart")
	}
	r.report(ctx, p, t, restarts)
	r.notice(restarts...)
}

// follow brings the settings of a transition into effect, or none of them.
func (r *rereader) follow(ctx context.Context, p parts, t settings.Transition) error {
	commit, err := r.prepare(p, t)
	if err != nil {
		return err
	}
	if len(t.Changed) > 0 && p.agent != nil {
		if err := p.agent.Tune(ctx, t.Next.Loop(r.log).Tuning()); err != nil {
			return refusedBy(err, t)
		}
	}
	t.Next.StyleLog(r.log)
	return commit()
}

// prepare reads the files that t names for the first time, and those that are read on
// SIGHUP alone. Nothing changes before commit.
func (r *rereader) prepare(p parts, t settings.Transition) (commit func() error, err error) {
	var commits []func() error
	for _, prepare := range []func(parts, settings.Transition) (func() error, error){r.callers, r.port, r.consul, r.routes, r.clusters} {
		commit, err := prepare(p, t)
		if err != nil {
			return nil, err
		}
		commits = append(commits, commit)
	}
	return func() error {
		failed := make([]error, 0, len(commits)) // a file has been replaced since it was prepared
		for _, commit := range commits {
			failed = append(failed, commit())
		}
		return errors.Join(failed...)
	}, nil
}

func unchanged() error { return nil }

// callers are the files of users and tokens.
func (r *rereader) callers(p parts, t settings.Transition) (commit func() error, err error) {
	if !t.Has("token-file", "access-file") {
		return unchanged, nil
	}
	tokens, access, err := openCallers(t.Next, r.now, r.log)
	return func() error {
		p.authority.Replace(tokens, access)
		return nil
	}, err
}

// port is the certificate of the API, and the CAs of its clients.
func (r *rereader) port(p parts, t settings.Transition) (commit func() error, err error) {
	tls := t.Next.TLS()
	if p.port.source == nil || !tls.HasClientCA() && !t.Has("client-ca", "tls-cert", "tls-key") {
		return unchanged, nil
	}
	clients, err := tls.ClientCAs()
	if err != nil {
		return nil, err
	}
	if t.Has("tls-cert", "tls-key") {
		if _, _, err := tls.Files(r.now, r.log); err != nil {
			return nil, err
		}
	}
	return func() error {
		if err := p.port.follow(tls, clients, t.Has("tls-cert", "tls-key")); err != nil {
			return err
		}
		p.authority.TrustClients(clients)
		return nil
	}, nil
}

// routes are the files and applications behind the address of the API. Those that have not
// changed look at the paths of their directories again.
func (r *rereader) routes(p parts, t settings.Transition) (commit func() error, err error) {
	return func() error {
		p.routes.Replace(t.Next.Routes())
		return nil
	}, nil
}

// clusters are the other clusters that are shown. Those that have not changed read the files of
// their CAs again.
func (r *rereader) clusters(p parts, t settings.Transition) (commit func() error, err error) {
	sources, err := t.Next.Clusters()
	return func() error { return p.fleet.Replace(sources) }, err
}

// consul is the token of Consul, and the files of TLS for it.
func (r *rereader) consul(p parts, t settings.Transition) (commit func() error, err error) {
	if p.discovery == nil || !t.Next.HasConsulCA() && !t.Has("consul-token-file", "consul-ca-file", "consul-cert-file", "consul-key-file", "consul-tls-name") {
		return unchanged, nil
	}
	discovered, registered := t.Next.Discovery(lb.Snapshot{}, r.log), t.Next.Registrar(r.log)
	trial, err := discovery.NewRegistrar(registered)
	if err == nil {
		err = trial.Follow(registered) // reads the token, too
	}
	if err != nil {
		return nil, fmt.Errorf("consul-token-file, consul-ca-file, consul-cert-file, consul-key-file: %w", err)
	}
	return func() error {
		err := p.discovery.Follow(discovered)
		if p.registrar != nil {
			err = errors.Join(err, p.registrar.Follow(registered))
		}
		err = errors.Join(err, p.sessions.follow(t.Next.Sharing().Store(r.log)), p.issuer.FollowConsul(t.Next.Sharing().OrderStore(r.log)))
		return err
	}, nil
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
		return fmt.Errorf("%s: %s: %s", strings.Join(names, ", "), refused.At, strings.TrimSpace(refused.Output))
	}
	return err
}

// refuse says that the settings stay as they are, and why.
func (r *rereader) refuse(ctx context.Context, p parts, err error) {
	r.log.ErrorContext(ctx, "settings refused, the former ones stay in use", "error", err)
	p.events.Note(activity.Event{Verb: activity.SettingsRefused, Object: settingsObject(r.current.Load()), Error: err.Error()})
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
	p.events.Note(activity.Event{Verb: activity.SettingsChanged, Object: settingsObject(r.current.Load()), Cause: "SIGHUP", Diff: diff, Reasons: restarts})
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
