package haproxy

import (
	"context"
	"fmt"
	"strings"

	"thalassa/statsock"
)

// Install makes config the file on disk without a reload: the running HAProxy has it in
// effect already, and a later start must use it. It also installs config where Pacemaker
// does not run HAProxy. If HAProxy does not answer, config replaces only a file with the
// same fingerprint, which has other members. The file stays as it is when HAProxy shows
// the fingerprint of another configuration, or when Apply has changed the file since the
// call; see Intact. On error the previous file remains.
func (p *Process) Install(ctx context.Context, config []byte) error {
	intended := digestOf(config)
	before := p.files.intend(intended)
	if err := p.changes.lock(ctx); err != nil {
		return err
	}
	defer p.changes.unlock()
	if p.files.lastInEffect() != before || !p.applier.mayInstall(ctx, config) {
		return nil
	}
	if !p.cfg.disk.hasContent(p.cfg.ConfigPath, config) {
		if err := p.cfg.disk.replace(p.cfg.ConfigPath, config); err != nil {
			return fmt.Errorf("installing configuration: %w", err)
		}
	}
	p.files.setInEffect(intended)
	return nil
}

// mayInstall reports whether config is the right file for the next start.
func (a *applier) mayInstall(ctx context.Context, config []byte) bool {
	info, err := a.router.showInfo(ctx)
	switch {
	case err == nil:
		return fingerprint(info) == "" || hasFingerprint(config, fingerprint(info))
	case a.cfg.Mode == Pacemaker && statsock.NotListening(err):
		return true
	}
	// The next start or reload takes the file on disk. That may be newer than what runs:
	// a configuration that Apply could not put in effect.
	there, err := a.files.read(a.cfg.ConfigPath)
	own, ok := strings.CutPrefix(description(config), descriptionPrefix)
	return err == nil && ok && hasFingerprint(there, own) && digestOf(there) == a.files.lastInEffect()
}

// Intact reports whether the file on disk is the last argument of Install, as far as the
// disk answers.
func (p *Process) Intact() bool {
	is, err := tell(p.cfg.disk, p.cfg.ConfigPath, func(func() bool) (bool, error) { return p.files.isIntact(), nil })
	return is || err != nil
}
