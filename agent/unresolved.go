package agent

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
)

// HAProxy resolves host names itself, and keeps a server in maintenance while it cannot.
// The agent asks no name server: it tells what HAProxy says. The kernel tells which
// addresses it has no route to.

const (
	// resolveTime is how long the answer to a change waits for HAProxy to resolve the names
	// of its members. HAProxy asks within its first second, and repeats each second.
	resolveTime = 2 * time.Second
	// resolveLook is the least time between two looks meanwhile. Looks take at most a
	// fifth of the time.
	resolveLook, resolveCost = 50 * time.Millisecond, 4
)

// unresolved are the servers whose host names HAProxy cannot resolve. It may be used from
// several goroutines.
type unresolved struct {
	cfg   *Config
	views *wake.Signal

	mu      sync.Mutex
	servers map[lb.Name][]string // by backend
}

// note stores the states of the servers now.
func (u *unresolved) note(servers []lb.ServerState) {
	now := map[lb.Name][]string{}
	for _, s := range servers {
		if s.Unresolved {
			now[s.Backend] = append(now[s.Backend], s.Server)
		}
	}
	u.mu.Lock()
	isSame := maps.EqualFunc(u.servers, now, slices.Equal[[]string])
	u.servers = now
	u.mu.Unlock()
	if !isSame {
		u.views.Broadcast()
	}
}

// of are those of one backend.
func (u *unresolved) of(backend lb.Name) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.servers[backend]
}

// await looks until HAProxy has resolved the names of the members of some backends, at most
// for resolveTime.
func (u *unresolved) await(ctx context.Context, pools []lb.ResolvedBackend) {
	isNamed := func(m lb.Member) bool { return !m.Address.Host.IsIP() }
	if !slices.ContainsFunc(pools, func(p lb.ResolvedBackend) bool { return slices.ContainsFunc(p.Members, isNamed) }) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	for {
		begin := time.Now()
		servers, err := u.cfg.Runtime.Servers(ctx)
		if err != nil {
			return
		}
		u.note(servers)
		if !slices.ContainsFunc(pools, func(p lb.ResolvedBackend) bool { return len(p.UnresolvedMembers(u.of(p.Key))) > 0 }) {
			return
		}
		select {
		case <-time.After(max(resolveLook, resolveCost*time.Since(begin))):
		case <-ctx.Done():
			return
		}
	}
}

// tell says which of some backends have no member in effect, and a sentence about each
// that has some: HAProxy cannot resolve their names, or this machine has no route to them.
func (u *unresolved) tell(in lb.Intent, pools []lb.ResolvedBackend) (empty []lb.EmptyBackend, warnings []string) {
	note := func(e lb.EmptyBackend, isEmpty bool, text string) {
		switch {
		case isEmpty:
			empty = append(empty, e)
		case text != "":
			warnings = append(warnings, text)
		}
	}
	for _, p := range pools {
		if servers := u.of(p.Key); len(servers) > 0 {
			note(in.Unresolved(p, servers))
		}
		if u.cfg.HasRoute != nil && !p.IsElsewhere() {
			note(in.Unrouted(p, u.cfg.HasRoute))
		}
	}
	return empty, warnings
}
