package haproxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/internal/safefile"
)

const (
	// maxTried bounds the binds that are tried after a reload; inParallel are tried at once.
	maxTried, inParallel = 64, 8
	// bindTime bounds the time for all. A wrong answer may come from an old worker that
	// still accepts connections, so it is not final before.
	bindTime = time.Second
)

// A listener is an address of a bind line that this machine can connect to.
type listener struct {
	text    string // as in the line
	network string // "tcp" or "unix"
	address string
	tls     bool // a TLS handshake can be tried
	section *section
}

// listenersOf reads a bind line without its keyword. It leaves out what bindAddresses
// leaves out, and addresses that only some packets reach (configuration manual, 5.1).
func listenersOf(s *section, words []string) []*listener {
	options := words[1:]
	for _, elsewhere := range []string{"interface", "namespace", "transparent"} {
		if slices.Contains(options, elsewhere) {
			return nil
		}
	}
	var all []*listener
	for _, a := range bindAddresses(words[0]) {
		l := &listener{text: a.text, tls: encrypts(options), section: s}
		switch {
		case a.path != "":
			l.network, l.address = "unix", a.path
		case isHere(reachable(a.addr.Addr())):
			l.network, l.address = "tcp", netip.AddrPortFrom(reachable(a.addr.Addr()), a.addr.Port()).String()
		default:
			continue
		}
		all = append(all, l)
	}
	return all
}

// reachable is the loopback address for an unspecified address.
func reachable(a netip.Addr) netip.Addr {
	switch a {
	case netip.IPv4Unspecified():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		return netip.IPv6Loopback()
	}
	return a
}

// encrypts reports whether the options of a bind line certainly require TLS from the first
// byte.
func encrypts(options []string) bool {
	i := slices.Index(options, "ssl")
	named := i > 0 && slices.Contains([]string{"name", "crt", "crt-list", "group", "user", "id", "ca-file", "proto"}, options[i-1])
	certified := slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "crt") })
	return i >= 0 && !named && certified && !slices.Contains(options, "accept-proxy") && !slices.Contains(options, "accept-netscaler-cip")
}

// errNotServed says that a bind is not served as the file says.
var errNotServed = errors.New("haproxy does not serve it")

// tryListeners makes sure that a worker listens on the binds of its file: by the kernel's
// tables, as HAProxy counts a connection without a request as a bad request, and in mode
// tcp it would reach a server. A bind of mode http that requires TLS is tried with a
// handshake, which reaches no server. A bind that cannot be tried counts as served, and so
// does one with a full queue.
func (rb *readback) tryListeners(ctx context.Context, worker int, binds []*listener) error {
	stat, err := readStat(worker)
	if err != nil || !rb.processes.includes(stat.parent) {
		return nil // it runs in another container
	}
	ctx, cancel := context.WithTimeout(ctx, bindTime)
	defer cancel()
	g := new(errgroup.Group)
	g.SetLimit(inParallel)
	for _, l := range binds[:min(len(binds), maxTried)] {
		if !l.section.disabled && !l.isElsewhere() {
			g.Go(func() error { return l.await(ctx, worker) })
		}
	}
	return g.Wait()
}

// isElsewhere reports whether this machine does not have the address.
func (l *listener) isElsewhere() bool {
	addr, err := netip.ParseAddrPort(l.address)
	return err == nil && !isHere(addr.Addr())
}

// await tries until the bind is served or the context ends.
func (l *listener) await(ctx context.Context, worker int) error {
	var last error
	err := poll(ctx, func() (bool, error) {
		err := l.try(ctx, worker)
		if last == nil || err == nil || errors.Is(err, errNotServed) { // another error says nothing new
			last = err
		}
		return !errors.Is(last, errNotServed), nil
	})
	if err != nil && errors.Is(last, errNotServed) {
		return fmt.Errorf("%s %s: bind %s: %w", l.section.kind, l.section.name, l.text, last)
	}
	return nil
}

// try returns errNotServed when the bind certainly is not served as the file says.
func (l *listener) try(ctx context.Context, worker int) error {
	if !l.tls || l.section.mode != "http" {
		return l.listens(worker)
	}
	conn, err := new(net.Dialer).DialContext(ctx, l.network, l.address)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return l.listens(worker) // a firewall may refuse as well
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) //nolint:gosec // only whether it is TLS
	if _, isOther := errors.AsType[tls.RecordHeaderError](err); isOther {
		return fmt.Errorf("%w: it does not speak TLS", errNotServed)
	}
	return err
}

// listens looks for the listening socket of a bind in the network namespace of a worker.
func (l *listener) listens(worker int) error {
	tables := []string{"unix"}
	if l.network == "tcp" {
		tables = []string{"tcp", "tcp6"}
	}
	for _, name := range tables {
		found, err := isListed(fmt.Sprintf("/proc/%d/net/%s", worker, name), l.network, l.address)
		if found || err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return fmt.Errorf("%w: nothing listens there", errNotServed)
}

// isListed looks for a listening socket in a table of the kernel (proc_net(5)). The tables
// of TCP list listening sockets first.
func isListed(table, network, address string) (bool, error) {
	f, err := safefile.Open(table)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case network == "unix":
			const accepts, state = "00010000", 3
			if len(fields) > 7 && fields[state] == accepts && isBoundAs(fields[7], address) {
				return true, nil
			}
		case len(fields) < 4 || fields[3] != "0A":
			return false, nil
		case covers(fields[1], address):
			return true, nil
		}
	}
	return false, lines.Err()
}

// isBoundAs reports whether a socket is bound to a path. HAProxy binds PATH.PID.tmp and
// renames it, which the kernel does not show.
func isBoundAs(bound, path string) bool {
	rest, ok := strings.CutPrefix(bound, path)
	return ok && (rest == "" || strings.HasPrefix(rest, ".") && strings.HasSuffix(rest, ".tmp"))
}

// covers reports whether a local address in a table of TCP includes an address.
func covers(local, address string) bool {
	want, err := netip.ParseAddrPort(address)
	host, port, ok := strings.Cut(local, ":")
	n, portErr := strconv.ParseUint(port, 16, 16)
	raw, hexErr := hex.DecodeString(host)
	if !ok || errors.Join(err, portErr, hexErr) != nil || uint16(n) != want.Port() || len(raw)%4 != 0 {
		return false
	}
	for i := 0; i < len(raw); i += 4 { // words in the machine's order
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	got, ok := netip.AddrFromSlice(raw)
	return ok && (got.IsUnspecified() || got.Unmap() == want.Addr().Unmap())
}
