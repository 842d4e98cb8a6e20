package cluster

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// every is the time between two samples and between two probes.
const every = 10 * time.Millisecond

// Holders watches which nodes hold an address, by asking the kernel of each
// every 10 ms.
type Holders struct {
	stop   chan struct{}
	done   sync.WaitGroup
	asking []*asker

	mu      sync.Mutex
	samples int
	most    []string
	now     []string
}

// An asker answers from a thread that stays in the network of one node.
type asker struct {
	node     string
	question chan struct{}
	answer   chan bool
}

// WatchHolders begins to watch. The caller must Stop it before the test ends; the
// fixture's end does it too.
func (l *Fixture) WatchHolders(address string) *Holders {
	l.tb.Helper()
	want := netip.MustParseAddr(address)
	h := &Holders{stop: make(chan struct{})}
	for _, n := range l.Nodes {
		a := &asker{node: n.Name, question: make(chan struct{}), answer: make(chan bool)}
		h.asking = append(h.asking, a)
		h.done.Go(func() {
			if err := l.inside(n.Name, func() { a.serve(h.stop, want) }); err != nil {
				l.tb.Error(err)
			}
		})
	}
	h.done.Go(h.run)
	l.tb.Cleanup(func() { h.Stop() })
	return h
}

func (a *asker) serve(stop <-chan struct{}, want netip.Addr) {
	for {
		select {
		case <-stop:
			return
		case <-a.question:
		}
		held := holds(want)
		select {
		case <-stop:
			return
		case a.answer <- held:
		}
	}
}

// holds asks the kernel for the addresses of this thread's network.
func holds(want netip.Addr) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addresses, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == want
	})
}

func (h *Holders) run() {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
		}
		var held []string
		for _, a := range h.asking {
			yes, ok := a.ask(h.stop)
			if !ok {
				return
			}
			if yes {
				held = append(held, a.node)
			}
		}
		h.note(held)
	}
}

func (a *asker) ask(stop <-chan struct{}) (held, ok bool) {
	select {
	case a.question <- struct{}{}:
	case <-stop:
		return false, false
	}
	select {
	case held = <-a.answer:
		return held, true
	case <-stop:
		return false, false
	}
}

func (h *Holders) note(held []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.samples++
	h.now = held
	if len(held) > len(h.most) {
		h.most = held
	}
}

// Most are the nodes of the sample with the most holders.
func (h *Holders) Most() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.most)
}

// Now are the holders in the newest sample.
func (h *Holders) Now() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.now)
}

// Samples is how often all nodes were asked.
func (h *Holders) Samples() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.samples
}

// Stop ends the watch.
func (h *Holders) Stop() {
	h.mu.Lock()
	select {
	case <-h.stop:
	default:
		close(h.stop)
	}
	h.mu.Unlock()
	h.done.Wait()
}

// sameSet reports whether two lists have the same elements.
func sameSet(a, b []string) bool {
	return maps.Equal(count(a), count(b))
}

func count(list []string) map[string]int {
	n := map[string]int{}
	for _, s := range list {
		n[s]++
	}
	return n
}
