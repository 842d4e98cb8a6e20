package haproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"thalassa/lb"
	"thalassa/statsock"
)

// Connections reads which servers of a backend have requests or connections, in the
// serving worker and in the replaced ones. For a replaced worker it lists every server in
// use: a client that keeps its connection open may send one more request. A HAProxy that
// does not run is a *lb.UnavailableError.
func (p *Process) Connections(ctx context.Context, backend lb.Name) ([]lb.ServerConnections, error) {
	out, err := p.runtime.connections(ctx, backend)
	if statsock.NotListening(err) {
		return nil, &lb.UnavailableError{What: "HAProxy is not running, so that it has no connections"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the connections of the running haproxy: %w", err)
	}
	return out, nil
}

func (ra *runtimeAPI) connections(ctx context.Context, backend lb.Name) ([]lb.ServerConnections, error) {
	ctx, cancel := context.WithTimeout(ctx, masterTimeout)
	defer cancel()
	info, err := ra.router.showInfo(ctx)
	if err != nil {
		return nil, err
	}
	lines, err := ra.serverLines(ctx, string(backend))
	if err != nil {
		return nil, err
	}
	out := connectionsInUse(lines, false)
	seen, err := ra.finder.awaitAnswer(ctx)
	if err != nil {
		return nil, err
	}
	for _, pid := range seen.workers() {
		if pid == info.PID {
			continue
		}
		lines, err := ra.master.Worker(pid).ShowStatOf(ctx, -1, statsock.KindServer)
		switch {
		case ctx.Err() != nil, errors.Is(err, statsock.ErrUnanswered):
			return nil, &lb.UnavailableError{What: fmt.Sprintf("process %d of HAProxy, which a reload has replaced, does not tell of its connections", pid)}
		case err != nil:
			continue // it has ended meanwhile
		}
		lines = slices.DeleteFunc(lines, func(s statsock.Stat) bool { return s.Proxy != string(backend) })
		out = append(out, connectionsInUse(lines, true)...)
	}
	return out, nil
}

// connectionsInUse are the servers of one worker with requests or connections.
func connectionsInUse(lines []statsock.Stat, replaced bool) []lb.ServerConnections {
	var out []lb.ServerConnections
	for _, s := range lines {
		inUse := !strings.HasPrefix(s.Status, "MAINT")
		c := lb.ServerConnections{Connections: s.CurrentSessions, Replaced: replaced && inUse, Address: serverStats(s).Address}
		// A server that is not a slot is named by its address, which may have a host name.
		if named, err := lb.ParseBind(bracketed(s.Server)); err == nil && named.Host != "" {
			c.Address = lb.HostPort(named)
		}
		if (c.Connections > 0 || c.Replaced) && c.Address != (lb.HostPort{}) {
			out = append(out, c)
		}
	}
	return out
}

// bracketed is the address in the name that lb gives a member's server.
func bracketed(server string) string {
	if i := strings.LastIndexByte(server, ':'); i >= 0 && strings.Contains(server[:i], ":") {
		return "[" + server[:i] + "]" + server[i:]
	}
	return server
}
