package haproxy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"thalassa/lb"
	"thalassa/statsock"
)

// manyBackends is from how many backends on it is cheaper to read the servers of
// all of them at once.
const manyBackends = 16

// Servers reads how every server line of the running HAProxy stands.
func (p *Process) Servers(ctx context.Context) ([]lb.ServerState, error) {
	// Mostly there are as many as before, and there may be ten thousand.
	servers := make([]lb.ServerState, 0, p.lines.Load())
	err := p.stats.VisitServers(ctx, "", func(s statsock.Server) { servers = append(servers, serverState(s)) })
	if err != nil {
		return nil, fmt.Errorf("reading the servers of the running haproxy: %w", err)
	}
	p.lines.Store(int64(len(servers)))
	return servers, nil
}

func serverState(s statsock.Server) lb.ServerState {
	return lb.ServerState{
		Backend: lb.Name(s.Backend), Server: s.Name, Address: address(s.Address, s.Port),
		Weight: s.Weight, Maintenance: s.Maintenance, Draining: s.Draining, Up: s.Up,
	}
}

// byID finds servers by BACKEND/SERVER.
func byID(list []statsock.Server) map[string]lb.ServerState {
	out := make(map[string]lb.ServerState, len(list))
	for _, s := range list {
		out[s.Backend+"/"+s.Name] = serverState(s)
	}
	return out
}

// touched reads the servers of the backends that ops are about, by id.
func (p *Process) touched(ctx context.Context, ops []lb.ServerOp) (map[string]lb.ServerState, error) {
	_, list, err := p.stats.ChangeServers(ctx, nil, backends(ops))
	return byID(list), err
}

// connections reads the connections to the servers of the backends that ops are
// about, by id.
func (p *Process) connections(ctx context.Context, ops []lb.ServerOp) (map[string]statsock.Connections, error) {
	out := map[string]statsock.Connections{}
	for _, b := range backends(ops) {
		list, err := p.stats.ShowConnections(ctx, b)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			out[c.Backend+"/"+c.Name] = c
		}
	}
	return out, nil
}

// backends lists what to ask for to read the servers of ops: backends, or "" for
// all of them.
func backends(ops []lb.ServerOp) []string {
	names := map[string]bool{}
	for _, op := range ops {
		names[string(op.Backend)] = true
	}
	if len(names) >= manyBackends {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(names))
}

// address reads one the way lb writes it: HAProxy has another form for some IPv6
// addresses.
func address(host string, port int) lb.HostPort {
	a := lb.HostPort{Host: lb.Host(host), Port: uint16(port)} //nolint:gosec // HAProxy's own ports
	if h, err := lb.ParseHost(host); err == nil {
		a.Host = h
	}
	return a
}
