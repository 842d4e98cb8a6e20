package haproxy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
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
	before := p.intend(intended)
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.release()
	if p.lastInEffect() != before || !p.mayInstall(ctx, config) {
		return nil
	}
	if !sameFile(p.cfg.ConfigPath, config) {
		if err := replace(p.cfg.ConfigPath, config); err != nil {
			return fmt.Errorf("installing configuration: %w", err)
		}
	}
	p.noteInEffect(intended)
	return nil
}

// mayInstall reports whether nothing but config belongs on disk.
func (p *Process) mayInstall(ctx context.Context, config []byte) bool {
	info, err := p.showInfo(ctx)
	switch {
	case err == nil:
		return fingerprint(info) == "" || carries(config, fingerprint(info))
	case p.cfg.Mode == Pacemaker && statsock.NotListening(err):
		return true
	}
	// Whoever starts or reloads it takes the file that is there, which is to be newer at
	// most: what Apply could not put in effect is for that start.
	there, err := p.read(p.cfg.ConfigPath)
	own, ok := strings.CutPrefix(description(config), descriptionPrefix)
	return err == nil && ok && carries(there, own) && digestOf(there) == p.lastInEffect()
}

// intend notes what Install was given, and returns what was in effect then.
func (p *Process) intend(config digest) (inEffect digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intended = config
	return p.inEffect
}

func (p *Process) lastInEffect() digest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inEffect
}

func (p *Process) noteInEffect(config digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inEffect = config
}

// Intact reports whether the file on disk is the one that Install was given last.
func (p *Process) Intact() bool {
	p.mu.Lock()
	intended := p.intended
	p.mu.Unlock()
	f, err := openFile(p.cfg.ConfigPath)
	if err != nil {
		return false
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, io.LimitReader(f, intended.size+1))
	return err == nil && intended.sum == [sha256.Size]byte(sum.Sum(nil))
}

// A digest tells a file from others.
type digest struct {
	size int64
	sum  [sha256.Size]byte
}

func digestOf(content []byte) digest {
	return digest{size: int64(len(content)), sum: sha256.Sum256(content)}
}
