package haproxy

import (
	"context"
	"fmt"

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

func serverStates(list []statsock.Server) []lb.ServerState {
	out := make([]lb.ServerState, len(list))
	for i, s := range list {
		out[i] = serverState(s)
	}
	return out
}

// byID finds servers by BACKEND/SERVER.
func byID(list []lb.ServerState) map[string]lb.ServerState {
	out := make(map[string]lb.ServerState, len(list))
	for _, s := range list {
		out[string(s.Backend)+"/"+s.Server] = s
	}
	return out
}

// questions lists what to ask for to read the servers of backends: each of them, or
// "" for all that there are.
func questions(about []lb.Name) []string {
	if len(about) >= manyBackends {
		return []string{""}
	}
	out := make([]string, len(about))
	for i, name := range about {
		out[i] = string(name)
	}
	return out
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
