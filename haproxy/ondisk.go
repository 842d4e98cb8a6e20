package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"thalassa/lb"
)

// CheckFile asks "haproxy -c" about the file on disk, see Check. No file is a
// *lb.UnavailableError.
func (p *Process) CheckFile(ctx context.Context) error {
	config, err := p.Installed(ctx)
	if err != nil {
		return err
	}
	return p.Check(ctx, config)
}

// Reload makes HAProxy read the file on disk and waits until the new worker
// serves. A *lb.RefusedError says that HAProxy does not accept the file. The previous
// configuration keeps running, and the file stays. No HAProxy is a *lb.UnavailableError.
func (p *Process) Reload(ctx context.Context) error {
	if err := p.CheckFile(ctx); err != nil {
		return err
	}
	if err := p.changes.lock(ctx); err != nil {
		return err
	}
	defer p.changes.unlock()
	before, err := p.finder.awaitAnswer(ctx)
	if err != nil {
		return fmt.Errorf("finding haproxy: %w", err)
	}
	if !before.isRunning() {
		return &lb.UnavailableError{What: "HAProxy is not running"}
	}
	if err := p.applier.tryBindsOfFile(ctx); err != nil {
		return err
	}
	if _, err = p.reloader.reload(context.WithoutCancel(ctx), before, nil, ""); err != nil {
		return err
	}
	p.files.keepInstalled(ctx)
	return nil
}

// tryBindsOfFile is tryBinds for the file on disk, if the worker is known to run the last
// good file.
func (a *applier) tryBindsOfFile(ctx context.Context) error {
	running, err := a.files.read(a.files.lastGood())
	if err != nil {
		return nil //nolint:nilerr // HAProxy finds out
	}
	info, err := a.router.showInfo(ctx)
	if err != nil || !hasFingerprint(running, fingerprint(info)) {
		return nil //nolint:nilerr // likewise
	}
	config, err := a.files.installed()
	if err != nil {
		return err
	}
	return tryBinds(ctx, running, config)
}

// AwaitFile waits until ConfigPath exists.
func (p *Process) AwaitFile(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		_, err := os.Stat(p.cfg.ConfigPath)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	})
}

// Silent is the first address of the last good configuration that does not accept a
// connection, and the reason. It is "" when all accept one, or none can be tried.
// Addresses of HAProxy's own statistics count as well.
func (p *Process) Silent(ctx context.Context) (address string, why error) {
	config, err := p.files.read(p.files.lastGood()) // the file itself may be newer
	if errors.Is(err, fs.ErrNotExist) {
		config, err = p.Installed(ctx)
	}
	if err != nil {
		return p.cfg.ConfigPath, err
	}
	for _, b := range binds(config) {
		if err := connects(ctx, b.addr); err != nil {
			return b.text, err
		}
	}
	return "", nil
}

// connects returns an error if no program accepts connections at an address. An address
// that this machine does not have (a floating IP of another node) is not tried.
func connects(ctx context.Context, to netip.AddrPort) error {
	local := to.Addr()
	switch {
	case local == netip.IPv4Unspecified():
		local = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case local == netip.IPv6Unspecified():
		local = netip.IPv6Loopback()
	case !isHere(local):
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(local, to.Port()).String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// isHere reports whether this machine has an address.
func isHere(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == addr.WithZone("") {
			return true
		}
	}
	return false
}
