package main

import (
	"context"
	"net"
	"os/user"
	"slices"
	"strconv"

	"thalassa/control"
	"thalassa/discovery"
	"thalassa/lb"
)

// control watches which addresses administer this node, where the API listens at addr.
func (n node) control(addr net.Addr) *control.Watcher {
	s := n.settings
	consul := n.discovery(lb.Snapshot{})
	return control.New(control.Config{
		API: control.AddrPort(addr), Stats: s.process().StatsBind, Sockets: []string{s.statsSocket, s.masterSocket, s.peersSocket},
		Consul: s.consul(), Logger: n.log,
		ConsulPorts: func(ctx context.Context) ([]uint16, error) { return discovery.Ports(ctx, consul) },
	})
}

// workerUsers are the numbers of the users that HAProxy's workers may run as, besides
// the agent's own.
func (s *settings) workerUsers() []uint32 {
	var out []uint32
	for _, name := range []string{s.process().User, s.haproxyUser, "haproxy"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue // there is no such user
		}
		if uid, err := strconv.ParseUint(u.Uid, 10, 32); err == nil && !slices.Contains(out, uint32(uid)) {
			out = append(out, uint32(uid))
		}
	}
	return out
}
