package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/internal/wake"
	"thalassa/lb"
)

const (
	// askEvery is how often Consul is asked for its ports, and askAgain how soon after
	// a failure.
	askEvery = time.Minute
	askAgain = 5 * time.Second
	// readEvery is how often the node's addresses are read where the kernel reports no change.
	readEvery = 10 * time.Second
	// quiet is the pause after a change, so that a burst of changes is read once.
	quiet = 10 * time.Millisecond
)

// Config has the addresses through which this node is administered.
type Config struct {
	API   netip.AddrPort // where the agent's API listens
	Stats *lb.Bind       // of HAProxy's statistics page; nil: there is none
	// Sockets are the paths of HAProxy's unix sockets.
	Sockets []string
	// Consul is the address of Consul's HTTP API, in the form of discovery.Config.
	Consul string
	// ConsulPorts asks Consul's agent for the ports that it listens at; nil: it cannot be asked.
	// Consul's default ports count in any case.
	ConsulPorts func(ctx context.Context) ([]uint16, error)
	Logger      *slog.Logger // discards
}

// A Watcher knows through which addresses this node is administered. Create it with New and call
// Run; the other methods may be called from any goroutine.
type Watcher struct {
	cfg     Config
	current atomic.Pointer[lb.Control]
	told    atomic.Pointer[[]uint16] // by Consul
	again   wake.Poke                // something may have changed
	changed wake.Poke
}

// New makes a Watcher that knows the node's addresses as they are now. Where the kernel does not
// list them, only loopback and unspecified addresses count, which is logged.
func New(cfg Config) *Watcher {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{cfg: cfg, again: wake.NewPoke(), changed: wake.NewPoke()}
	if err := w.read(); err != nil {
		w.set(nil)
		cfg.Logger.Warn("the node's addresses are not known, only loopback addresses count as its own", "error", err)
	}
	return w
}

// Control returns the addresses through which the node is administered now: the same pointer while
// they are the same. It is cheap.
func (w *Watcher) Control() *lb.Control { return w.current.Load() }

// Changed receives a value when Control has changed. It is for one reader, and holds one value at
// most.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Run follows the node's addresses and Consul's ports until ctx ends, which is no
// error.
func (w *Watcher) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.followAddresses(ctx) })
	if w.cfg.ConsulPorts != nil {
		g.Go(func() error { return w.followConsul(ctx) })
	}
	return g.Wait()
}

// followAddresses reads the addresses whenever the kernel reports a change, and every readEvery.
func (w *Watcher) followAddresses(ctx context.Context) error {
	if fd, err := listenForChanges(); err == nil {
		f := os.NewFile(uintptr(fd), "netlink")
		defer f.Close()
		defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()
		go w.hear(ctx, f)
	} else {
		w.cfg.Logger.WarnContext(ctx, "the node's addresses are not watched, reading them periodically", "interval", readEvery, "error", err)
	}
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	trouble := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.again:
			_ = wake.Pause(ctx, quiet) // its end is seen above
		case <-tick.C:
		}
		now := ""
		if err := w.read(); err != nil {
			now = err.Error()
		}
		if now != trouble && now != "" {
			w.cfg.Logger.WarnContext(ctx, "reading the node's addresses failed, the last ones stay in use", "error", now)
		}
		trouble = now
	}
}

// hear signals that something can be read from f, until ctx ends.
func (w *Watcher) hear(ctx context.Context, f *os.File) {
	buffer := make([]byte, 64<<10)
	for ctx.Err() == nil {
		_, err := f.Read(buffer) // also that messages were lost is news
		if errors.Is(err, os.ErrClosed) {
			return
		}
		w.again.Send()
		if err != nil && wake.Pause(ctx, time.Second) != nil {
			return
		}
	}
}

// followConsul asks Consul for its ports.
func (w *Watcher) followConsul(ctx context.Context) error {
	for {
		pause := askEvery
		ports, err := w.cfg.ConsulPorts(ctx)
		if err != nil {
			pause = askAgain
		} else if told := w.told.Load(); told == nil || !slices.Equal(*told, ports) {
			w.told.Store(&ports)
			w.again.Send()
		}
		if over := wake.Pause(ctx, pause); over != nil {
			return wake.UnlessOver(ctx, over)
		}
	}
}

// read works out what Control is now.
func (w *Watcher) read() error {
	local, err := localPrefixes()
	if err != nil {
		return err
	}
	w.set(local)
	return nil
}

func (w *Watcher) set(local []netip.Prefix) {
	next := w.cfg.control(local, w.told.Load())
	if before := w.current.Load(); before != nil && slices.Equal(before.Local, next.Local) && slices.Equal(before.Ports, next.Ports) {
		return
	}
	w.current.Store(next)
	w.changed.Send()
}

// control returns the addresses through which a node with these local addresses is administered.
func (cfg Config) control(local []netip.Prefix, told *[]uint16) *lb.Control {
	c := &lb.Control{Local: local}
	add := func(use string, ports ...uint16) {
		for _, p := range ports {
			if p != 0 && !slices.ContainsFunc(c.Ports, func(known lb.ControlPort) bool { return known.Port == p }) {
				c.Ports = append(c.Ports, lb.ControlPort{Port: p, Use: use})
			}
		}
	}
	add(lb.APIUse, cfg.API.Port())
	if cfg.Stats != nil {
		add("HAProxy's statistics page", cfg.Stats.Port)
	}
	if host, port := consulAddress(cfg.Consul); isHere(c, host) {
		add("Consul", port)
		add("Consul", consulPorts()...)
		if told != nil {
			add("Consul", *told...)
		}
	}
	for _, s := range cfg.Sockets {
		if s != "" {
			c.Sockets = append(c.Sockets, filepath.Clean(s))
		}
	}
	return c
}

// consulPorts are the default ports of Consul's agent: HTTP,
// HTTPS, gRPC, gRPC with TLS, servers' RPC, Serf in the LAN and in the WAN, DNS.
func consulPorts() []uint16 { return []uint16{8500, 8501, 8502, 8503, 8300, 8301, 8302, 8600} }

// consulAddress is the host and port of Consul's address; no host: a unix socket or
// the default, which are this node's.
func consulAddress(address string) (host string, port uint16) {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "http", address
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil || scheme == "unix" || rest == "" {
		return "", 0
	}
	number, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		number = map[string]uint64{"https": 443, "http": 80}[scheme]
		if !found {
			number = 8500
		}
	}
	return u.Hostname(), uint16(number)
}

// isHere reports whether a host may be this node. A name may be.
func isHere(c *lb.Control, host string) bool {
	a, err := netip.ParseAddr(host)
	return err != nil || c.IsLocal(a)
}

// AddrPort is the address of a TCP listener or connection; the zero value for any
// other.
func AddrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return tcp.AddrPort()
}
