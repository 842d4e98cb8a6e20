package haproxy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// maxLine bounds a line of joined commands, well below HAProxy's buffer
// (tune.bufsize, 16 KB).
const maxLine = 8 << 10

// Adjust changes servers of the running HAProxy without a reload and reads them
// back: first all addresses, then the rest of each op, in the order of ops. On an
// error some of the ops may have been carried out: read the servers, or reload.
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
	if err := p.checkUnused(ctx, ops); err != nil {
		return err
	}
	if err := p.readdress(ctx, ops); err != nil {
		return err
	}
	said, err := p.tell(ctx, ops, commands)
	if err != nil {
		return err
	}
	servers, err := p.touched(ctx, ops)
	if err != nil {
		return err
	}
	return verify(ops, servers, said)
}

// checkUnused refuses to give another address to a server that still has
// connections to the former one, where that must not be.
func (p *Process) checkUnused(ctx context.Context, ops []lb.ServerOp) error {
	ops = slices.DeleteFunc(slices.Clone(ops), func(op lb.ServerOp) bool { return op.Address == nil || !op.Unused })
	connections, err := p.connections(ctx, ops)
	if err != nil {
		return err
	}
	for _, op := range ops {
		c := connections[id(op)]
		if former := address(c.Address, c.Port); c.Used > 0 && former != *op.Address {
			return fmt.Errorf("%s still has %d connections to %s in use", id(op), c.Used, former)
		}
	}
	return nil
}

// readdress sets addresses and waits until they are in effect. HAProxy 2.6 has
// them at once; since 3.0 a task of its own sees to that after the answer, so
// that nothing else must be done to a server before.
func (p *Process) readdress(ctx context.Context, ops []lb.ServerOp) error {
	ops = slices.DeleteFunc(slices.Clone(ops), func(op lb.ServerOp) bool { return op.Address == nil })
	if len(ops) == 0 {
		return nil
	}
	said, err := p.tell(ctx, ops, func(op lb.ServerOp) []string {
		return []string{set(op) + "addr " + string(op.Address.Host) + " port " + strconv.Itoa(int(op.Address.Port))}
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	var last error
	err = poll(ctx, func() (bool, error) {
		servers, err := p.touched(ctx, ops)
		if err != nil {
			return false, err
		}
		last = verifyAddresses(ops, servers, said)
		return last == nil, nil
	})
	if err != nil && last != nil {
		return last
	}
	return err
}

// tell has the commands for ops carried out, and returns the first words that
// HAProxy had for them.
func (p *Process) tell(ctx context.Context, ops []lb.ServerOp, commands func(lb.ServerOp) []string) (said string, err error) {
	for _, line := range commandLines(ops, commands) {
		answer, err := p.stats.Do(ctx, line)
		if err != nil {
			return "", err
		}
		if said == "" {
			said = strings.TrimSpace(answer)
		}
	}
	return said, nil
}

// commandLines writes the commands for ops, joined into lines.
func commandLines(ops []lb.ServerOp, commands func(lb.ServerOp) []string) []string {
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

// id is BACKEND/SERVER, as HAProxy names a server.
func id(op lb.ServerOp) string { return string(op.Backend) + "/" + op.Server }

// set begins a command (management guide, 9.3, "set server").
func set(op lb.ServerOp) string { return "set server " + id(op) + " " }

// commands of one op, but for its address.
func commands(op lb.ServerOp) []string {
	var out []string
	if op.Maintenance {
		out = append(out, set(op)+"state maint")
	}
	if op.Weight != nil {
		out = append(out, set(op)+"weight "+strconv.Itoa(*op.Weight))
	}
	if op.Up {
		out = append(out, set(op)+"health up")
	}
	if op.Ready {
		out = append(out, set(op)+"state ready")
	}
	return out
}

// verify checks that servers are as ops leave them. said are HAProxy's words.
func verify(ops []lb.ServerOp, servers map[string]lb.ServerState, said string) error {
	if err := verifyAddresses(ops, servers, said); err != nil {
		return err
	}
	for _, op := range ops {
		s, problem := servers[id(op)], ""
		switch {
		case op.Weight != nil && s.Weight != *op.Weight:
			problem = fmt.Sprintf("has the weight %d, expected %d", s.Weight, *op.Weight)
		case op.Ready && (s.Maintenance || s.Draining):
			problem = "is not in use"
		case op.Maintenance && !s.Maintenance:
			problem = "is still in use"
		}
		if problem != "" {
			return fmt.Errorf("%s %s; haproxy said %.200q", id(op), problem, said)
		}
	}
	return nil
}

func verifyAddresses(ops []lb.ServerOp, servers map[string]lb.ServerState, said string) error {
	for _, op := range ops {
		s, ok := servers[id(op)]
		switch {
		case !ok:
			return fmt.Errorf("%s does not exist; haproxy said %.200q", id(op), said)
		case op.Address != nil && s.Address != *op.Address:
			return fmt.Errorf("%s has the address %s, expected %s; haproxy said %.200q", id(op), s.Address, op.Address, said)
		}
	}
	return nil
}

// Install makes config the file on disk without a reload: the running HAProxy
// has it in effect already, and a restart by anybody is to come up with it. When
// HAProxy shows the fingerprint of another configuration by now, or does not run,
// the file is Apply's and stays. On error the former file is there.
func (p *Process) Install(ctx context.Context, config []byte) error {
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.release()
	info, err := p.showInfo(ctx)
	if err != nil || fingerprint(info) != "" && !carries(config, fingerprint(info)) || sameFile(p.cfg.ConfigPath, config) {
		return nil
	}
	if err := replace(p.cfg.ConfigPath, config); err != nil {
		return fmt.Errorf("installing configuration: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inEffect = sha256.Sum256(config)
	return nil
}
