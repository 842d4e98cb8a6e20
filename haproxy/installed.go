package haproxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"thalassa/lb"
)

// Installed returns the configuration on disk; a *lb.UnavailableError while
// there is none.
func (p *Process) Installed(context.Context) ([]byte, error) { return p.files.installed() }

// installed is Installed.
func (c *configFiles) installed() ([]byte, error) {
	config, err := c.read(c.cfg.ConfigPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &lb.UnavailableError{What: "no configuration has been written to " + c.cfg.ConfigPath + " yet"}
	case err != nil:
		return nil, fmt.Errorf("reading the installed configuration: %w", err)
	}
	return config, nil
}

// Resume starts HAProxy with the file on disk, or with the last good one. It does nothing
// when HAProxy runs. The error is fs.ErrNotExist when there is no file.
func (p *Process) Resume(ctx context.Context) error {
	_, err := p.ResumeTelling(ctx)
	return err
}

// ResumeTelling is Resume that also returns why HAProxy was started with the last good file; a nil
// refused: it runs the file that was on disk.
func (p *Process) ResumeTelling(ctx context.Context) (refused *lb.RefusedError, err error) {
	if refused, err = p.applier.resume(ctx); err != nil {
		return nil, fmt.Errorf("resuming haproxy: %w", err)
	}
	return refused, nil
}

func (a *applier) resume(ctx context.Context) (refused *lb.RefusedError, err error) {
	if a.cfg.Mode != Managed {
		return nil, errors.New("something else manages it")
	}
	if err := a.changes.lock(ctx); err != nil {
		return nil, err
	}
	defer a.changes.unlock()
	seen, err := a.finder.awaitAnswer(ctx)
	if err != nil || seen.isRunning() {
		return nil, err
	}
	if is, err := a.cfg.disk.exists(a.cfg.ConfigPath); err != nil || !is {
		return nil, cmp.Or(err, fs.ErrNotExist)
	}
	if _, refused, err = a.startLastGood(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	a.files.keepInstalled(ctx)
	return refused, nil
}

// Drops reports whether config lacks a frontend or backend of the file on disk. It is
// false when there is no file, or when no agent has written it.
func (p *Process) Drops(config []byte) (bool, error) {
	there, err := p.files.read(p.cfg.ConfigPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the installed configuration: %w", err)
	}
	if is, _ := p.cfg.disk.exists(p.files.lastGood()); !is && !strings.HasPrefix(description(there), descriptionPrefix) {
		return false, nil // no agent has written it
	}
	kept := proxies(config)
	return slices.ContainsFunc(proxies(there), func(title string) bool { return !slices.Contains(kept, title) }), nil
}

// proxies are the titles of the frontends and backends of a configuration.
func proxies(config []byte) []string {
	var out []string
	for l := range configLines(config) {
		if len(l.words) > 1 && (l.words[0] == "frontend" || l.words[0] == "backend") {
			out = append(out, l.words[0]+" "+l.words[1])
		}
	}
	return out
}

// isInEffect reports whether the serving worker and the file on disk have this
// configuration.
func (a *applier) isInEffect(ctx context.Context, config []byte, expect string) (worker int, ok bool) {
	if expect == "" || !a.cfg.disk.hasContent(a.cfg.ConfigPath, config) {
		return 0, false
	}
	info, err := a.router.showInfo(ctx)
	return info.PID, err == nil && !info.Stopping && fingerprint(info) == expect
}
