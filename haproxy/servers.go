package haproxy

import (
	"context"
	"fmt"
	"sync/atomic"

	"thalassa/lb"
	"thalassa/statsock"
)

// A runtimeAPI reads and changes servers of the running HAProxy.
type runtimeAPI struct {
	changes  changeLock
	master   *statsock.Master
	finder   *finder
	router   *router
	readback *readback

	lines atomic.Int64 // number of servers when all were read last
	added atomic.Int64 // of them, and since then, those that the worker's file does not have
	freed freed        // whoever has locked changes may use it
}

// Servers reads the states of all servers of the running HAProxy.
func (p *Process) Servers(ctx context.Context) ([]lb.ServerState, error) {
	// Their number rarely changes, and there may be ten thousand.
	servers := make([]lb.ServerState, 0, p.runtime.lines.Load())
	file := p.readback.last()
	err := p.router.client(ctx).VisitServers(ctx, "", func(s statsock.Server) { servers = append(servers, file.serverState(s)) })
	if err != nil {
		return nil, fmt.Errorf("reading the servers of the running haproxy: %w", err)
	}
	p.runtime.lines.Store(int64(len(servers)))
	p.runtime.added.Store(int64(countAdded(servers)))
	return servers, nil
}

func countAdded(servers []lb.ServerState) (n int) {
	for _, s := range servers {
		if s.Added && lb.SlotIndex(s.Server) >= 0 {
			n++
		}
	}
	return n
}

// serverState is the state of a server, with how it deviates from the file.
func (o *outline) serverState(s statsock.Server) lb.ServerState {
	out := lb.ServerState{
		Backend: lb.Name(s.Backend), Server: s.Name, Address: address(s.Address, s.Port),
		Weight: s.Weight, Maintenance: s.Maintenance, Draining: s.Draining, Up: s.Up,
		Unresolved: s.Unresolved,
	}
	d := o.server(out.Backend, s.Name)
	if d == nil {
		d = o.model(out.Backend, s.Name)
		out.Added = o != nil
	}
	if d != nil {
		out.Deviation = d.deviation(s)
		if out.Deviation == "" && lb.SlotIndex(s.Name) < 0 {
			out.Deviation = d.otherAddress(s)
		}
	}
	return out
}

// byID maps servers by BACKEND/SERVER.
func byID(list []lb.ServerState) map[string]lb.ServerState {
	out := make(map[string]lb.ServerState, len(list))
	for _, s := range list {
		out[string(s.Backend)+"/"+s.Server] = s
	}
	return out
}

// serverStates are the states of servers.
func (o *outline) serverStates(list []statsock.Server) []lb.ServerState {
	out := make([]lb.ServerState, len(list))
	for i, s := range list {
		out[i] = o.serverState(s)
	}
	return out
}

// texts are names as statsock takes them.
func texts(names []lb.Name) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = string(name)
	}
	return out
}

// address is an address of HAProxy as lb writes it: some IPv6 addresses differ.
func address(host string, port int) lb.HostPort {
	a := lb.HostPort{Host: lb.Host(host), Port: uint16(port)} //nolint:gosec // HAProxy's own ports
	if h, err := lb.ParseHost(host); err == nil {
		a.Host = h
	}
	return a
}
