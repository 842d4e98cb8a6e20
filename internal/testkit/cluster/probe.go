package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Probe is one request of a client, with a connection of its own.
type Probe struct {
	Begun, Ended time.Time
	Answer       string // the body, trimmed
	Err          error  // no answer 200 in time
}

// A Prober is a client outside the cluster that asks every 10 ms, whatever became
// of the requests before.
type Prober struct {
	fixture *Fixture
	target  netip.AddrPort
	timeout time.Duration
	stop    chan struct{}
	done    sync.WaitGroup

	mu     sync.Mutex
	probes []Probe
}

// Probe begins to ask http://address/ from the client. A request fails when it
// has not been answered after timeout. Below one second no SYN is repeated, so
// that failures show when the address is gone and back; above two seconds they
// are what a patient client would notice.
func (l *Fixture) Probe(address string, timeout time.Duration) *Prober {
	l.tb.Helper()
	p := &Prober{fixture: l, target: netip.MustParseAddrPort(address), timeout: timeout, stop: make(chan struct{})}
	p.done.Go(func() {
		if err := l.inside("client", p.run); err != nil {
			l.tb.Error(err)
		}
	})
	l.tb.Cleanup(func() { p.Stop() })
	return p
}

// run opens a socket for each probe on this thread, which is in the client's
// network; what follows may happen on any.
func (p *Prober) run() {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		begun := time.Now()
		conn, err := p.open()
		p.done.Go(func() {
			one := Probe{Begun: begun, Err: err}
			if err == nil {
				one.Answer, one.Err = p.ask(conn, begun.Add(p.timeout))
			}
			one.Ended = time.Now()
			p.mu.Lock()
			defer p.mu.Unlock()
			p.probes = append(p.probes, one)
		})
	}
}

// open begins to connect.
func (p *Prober) open() (*os.File, error) {
	family, address := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(p.target.Port()), Addr: [4]byte(p.target.Addr().AsSlice())})
	if p.target.Addr().Is6() {
		family, address = unix.AF_INET6, &unix.SockaddrInet6{Port: int(p.target.Port()), Addr: p.target.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, address); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return os.NewFile(uintptr(fd), "probe"), nil
}

// ask waits for the connection, asks and reads the answer.
func (p *Prober) ask(socket *os.File, deadline time.Time) (string, error) {
	defer socket.Close()
	_ = socket.SetDeadline(deadline)
	if err := connected(socket); err != nil {
		return "", fmt.Errorf("connecting: %w", err)
	}
	if _, err := fmt.Fprintf(socket, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", p.target); err != nil {
		return "", fmt.Errorf("asking: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(socket), nil)
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", fmt.Errorf("reading the body: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answer %s", answer.Status)
	}
	return strings.TrimSpace(string(body)), nil
}

// connected waits until a socket is connected, or cannot be.
func connected(socket *os.File) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	waitErr := raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			failed = err
			return true
		}
		if code != 0 {
			failed = syscall.Errno(code)
			return true
		}
		_, err = unix.Getpeername(int(fd))
		return err == nil // ENOTCONN: not yet
	})
	return errors.Join(failed, waitErr)
}

// Stop ends the client after its requests under way and returns what it saw, in
// the order in which the requests began.
func (p *Prober) Stop() Report {
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.mu.Unlock()
	p.done.Wait()
	return p.Report()
}

// Report is what the client has seen so far.
func (p *Prober) Report() Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := Report(slices.Clone(p.probes))
	slices.SortFunc(r, func(a, b Probe) int { return a.Begun.Compare(b.Begun) })
	return r
}

// A Report is the probes of a client, in the order in which they began.
type Report []Probe

// Since leaves out the probes that began before a moment.
func (r Report) Since(t time.Time) Report {
	i, _ := slices.BinarySearchFunc(r, t, func(p Probe, t time.Time) int { return p.Begun.Compare(t) })
	return r[i:]
}

// Failed counts the probes without an answer.
func (r Report) Failed() int {
	n := 0
	for _, p := range r {
		if p.Err != nil {
			n++
		}
	}
	return n
}

// Errors are the different failures and how often each occurred.
func (r Report) Errors() map[string]int {
	all := map[string]int{}
	for _, p := range r {
		if p.Err != nil {
			all[p.Err.Error()]++
		}
	}
	return all
}

// Outage is the longest time from the begin of a probe that failed to the end of
// the first one after it that did not; 0: none failed. How long the client waited
// for the failed ones is no part of it, unless the service did not come back: that
// gives the time until the last probe's end.
func (r Report) Outage() time.Duration {
	var longest time.Duration
	var since time.Time
	for i, p := range r {
		if p.Err != nil && since.IsZero() {
			since = p.Begun
		}
		if !since.IsZero() && (p.Err == nil || i == len(r)-1) {
			longest = max(longest, p.Ended.Sub(since))
		}
		if p.Err == nil {
			since = time.Time{}
		}
	}
	return longest
}

// Answers counts what was answered.
func (r Report) Answers() map[string]int {
	all := map[string]int{}
	for _, p := range r {
		if p.Err == nil {
			all[p.Answer]++
		}
	}
	return all
}

// Answering reports whether the newest n probes were answered.
func (r Report) Answering(n int) bool {
	return len(r) >= n && r[len(r)-n:].Failed() == 0
}
