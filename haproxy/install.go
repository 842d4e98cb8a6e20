package haproxy

import (
	"context"
	"fmt"
	"strings"

	"thalassa/statsock"
)

// Install makes config the file on disk without a reload: the running HAProxy
// has it in effect already, and a restart by anybody is to come up with it. Where
// Pacemaker has no HAProxy run, the file is config, too. A HAProxy that cannot be asked
// gets it in the place of other members of the same configuration. Else, when it shows
// the fingerprint of another one by now, and when Apply has been at it since the call,
// the file is Apply's and stays, which Intact tells. On error the former file is there.
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
	if !hasContent(p.cfg.ConfigPath, config) {
		if err := replace(p.cfg.ConfigPath, config); err != nil {
			return fmt.Errorf("installing configuration: %w", err)
		}
	}
	p.files.setInEffect(intended)
	return nil
}

// mayInstall reports whether nothing but config belongs on disk.
func (a *applier) mayInstall(ctx context.Context, config []byte) bool {
	info, err := a.router.showInfo(ctx)
	switch {
	case err == nil:
		return fingerprint(info) == "" || hasFingerprint(config, fingerprint(info))
	case a.cfg.Mode == Pacemaker && statsock.NotListening(err):
		return true
	}
	// Whoever starts or reloads it takes the file that is there, which is to be newer at
	// most: what Apply could not put in effect is for that start.
	there, err := a.files.read(a.cfg.ConfigPath)
	own, ok := strings.CutPrefix(description(config), descriptionPrefix)
	return err == nil && ok && hasFingerprint(there, own) && digestOf(there) == a.files.lastInEffect()
}

// Intact reports whether the file on disk is the one that Install was given last.
func (p *Process) Intact() bool {
	intended := p.files.lastIntended()
	return intended.isOf(p.cfg.ConfigPath)
}
