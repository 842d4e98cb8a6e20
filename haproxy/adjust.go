package haproxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// maxLine bounds a line of joined commands, well below HAProxy's buffer
// (tune.bufsize, 16 KB).
const maxLine = 8 << 10

// manyBackends is from how many backends on it is cheaper to read the servers of
// all of them at once.
const manyBackends = 16

// Adjust changes servers of the running HAProxy without a reload, in the order
// of ops, and reads them back. On an error some of the ops may have been carried
// out: read the servers, or reload.
func (p *Process) Adjust(ctx context.Context, ops []lb.ServerOp) error {
	if err := p.adjust(ctx, ops); err != nil {
		return fmt.Errorf("changing servers of the running haproxy: %w", err)
	}
	return nil
}

func (p *Process) adjust(ctx context.Context, ops []lb.ServerOp) error {
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.release()
	said := ""
	for _, line := range commandLines(ops) {
		answer, err := p.stats.Do(ctx, line)
		if err != nil {
			return err
		}
		if said == "" {
			said = strings.TrimSpace(answer)
		}
	}
	servers, err := p.touched(ctx, ops)
	if err != nil {
		return err
	}
	if err := verify(ops, servers); err != nil {
		return fmt.Errorf("%w; haproxy said %.200q", err, said)
	}
	return nil
}

// commandLines writes the commands for ops, joined into lines.
func commandLines(ops []lb.ServerOp) []string {
	var lines []string
	var line strings.Builder
	for _, op := range ops {
		for _, c := range commands(op) {
			if line.Len()+len(c) > maxLine {
				lines = append(lines, line.String())
				line.Reset()
			}
			if line.Len() > 0 {
				line.WriteByte(';')
			}
			line.WriteString(c)
		}
	}
	if line.Len() > 0 {
		lines = append(lines, line.String())
	}
	return lines
}

// commands of one op (management guide, 9.3, "set server").
func commands(op lb.ServerOp) []string {
	set := "set server " + string(op.Backend) + "/" + op.Server + " "
	var out []string
	if op.Address != nil {
		out = append(out, set+"addr "+string(op.Address.Host)+" port "+strconv.Itoa(int(op.Address.Port)))
	}
	if op.Weight != nil {
		out = append(out, set+"weight "+strconv.Itoa(*op.Weight))
	}
	if op.Up {
		out = append(out, set+"health up")
	}
	if op.Ready {
		out = append(out, set+"state ready")
	}
	if op.Maintenance {
		out = append(out, set+"state maint")
	}
	return out
}

// touched reads the servers of the backends that ops are about.
func (p *Process) touched(ctx context.Context, ops []lb.ServerOp) ([]lb.ServerState, error) {
	backends := map[lb.Name]bool{}
	for _, op := range ops {
		backends[op.Backend] = true
	}
	if len(backends) >= manyBackends {
		return p.servers(ctx, "")
	}
	var all []lb.ServerState
	for _, b := range slices.Sorted(maps.Keys(backends)) {
		servers, err := p.servers(ctx, b)
		if err != nil {
			return nil, err
		}
		all = append(all, servers...)
	}
	return all, nil
}

// verify checks that servers are as ops leave them.
func verify(ops []lb.ServerOp, servers []lb.ServerState) error {
	type key struct {
		backend lb.Name
		server  string
	}
	by := make(map[key]lb.ServerState, len(servers))
	for _, s := range servers {
		by[key{s.Backend, s.Server}] = s
	}
	for _, op := range ops {
		s, ok := by[key{op.Backend, op.Server}]
		name := string(op.Backend) + "/" + op.Server
		switch {
		case !ok:
			return errors.New(name + " does not exist")
		case op.Address != nil && s.Address != *op.Address:
			return fmt.Errorf("%s has the address %s, expected %s", name, s.Address, op.Address)
		case op.Weight != nil && s.Weight != *op.Weight:
			return fmt.Errorf("%s has the weight %d, expected %d", name, s.Weight, *op.Weight)
		case op.Ready && (s.Maintenance || s.Draining):
			return errors.New(name + " is not in use")
		case op.Maintenance && !s.Maintenance:
			return errors.New(name + " is still in use")
		}
	}
	return nil
}

// Servers reads how every server line of the running HAProxy stands.
func (p *Process) Servers(ctx context.Context) ([]lb.ServerState, error) {
	servers, err := p.servers(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("reading the servers of the running haproxy: %w", err)
	}
	return servers, nil
}

func (p *Process) servers(ctx context.Context, backend lb.Name) ([]lb.ServerState, error) {
	list, err := p.stats.ShowServers(ctx, string(backend))
	if err != nil {
		return nil, err
	}
	out := make([]lb.ServerState, len(list))
	for i, s := range list {
		out[i] = lb.ServerState{
			Backend: lb.Name(s.Backend), Server: s.Name,
			Address: lb.HostPort{Host: lb.Host(s.Address), Port: uint16(s.Port)}, //nolint:gosec // HAProxy's own ports
			Weight:  s.Weight, Maintenance: s.Maintenance, Draining: s.Draining, Up: s.Up,
		}
	}
	return out, nil
}

// Install makes config the file on disk without a reload: the running HAProxy
// has it in effect already, and a restart by anybody is to come up with it. On
// error the former file is there.
func (p *Process) Install(ctx context.Context, config []byte) error {
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.release()
	if sameFile(p.cfg.ConfigPath, config) {
		return nil
	}
	if err := replace(p.cfg.ConfigPath, config); err != nil {
		return fmt.Errorf("installing configuration: %w", err)
	}
	return nil
}
