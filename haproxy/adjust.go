package haproxy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
	"thalassa/statsock"
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
	if len(ops) == 0 {
		return nil
	}
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.release()
	moving, err := p.moving(ctx, ops)
	if err != nil {
		return err
	}
	if err := p.readdress(ctx, moving); err != nil {
		return err
	}
	servers, said, err := p.tell(ctx, ops, commands)
	if err != nil {
		return err
	}
	return verify(ops, servers, said)
}

// moving are those of ops whose servers have another address. Where that must not
// be while connections to it are in use, and some are, it is an error.
func (p *Process) moving(ctx context.Context, ops []lb.ServerOp) ([]lb.ServerOp, error) {
	ops = slices.DeleteFunc(slices.Clone(ops), func(op lb.ServerOp) bool { return op.Address == nil })
	connections, err := p.connections(ctx, ops)
	if err != nil {
		return nil, err
	}
	var moving []lb.ServerOp
	for _, op := range ops {
		c, ok := connections[id(op)]
		former := address(c.Address, c.Port)
		switch {
		case !ok:
			return nil, fmt.Errorf("%s does not exist", id(op))
		case former == *op.Address:
		case op.Unused && c.Used > 0:
			return nil, fmt.Errorf("%s still has %d connections to %s in use", id(op), c.Used, former)
		default:
			moving = append(moving, op)
		}
	}
	return moving, nil
}

// readdress sets addresses and waits until they are in effect. HAProxy 2.6 has
// them at once; since 3.0 a task of its own sees to that after the answer, so
// that nothing else must be done to a server before.
func (p *Process) readdress(ctx context.Context, ops []lb.ServerOp) error {
	if len(ops) == 0 {
		return nil
	}
	servers, said, err := p.tell(ctx, ops, addressing)
	if err != nil {
		return err
	}
	last := verifyAddresses(ops, servers, said)
	if last == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
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

// tell has the commands for ops carried out. It returns how the servers stand
// then, by id, and the first words that HAProxy had for the commands.
func (p *Process) tell(ctx context.Context, ops []lb.ServerOp, commands func(lb.ServerOp) []string) (servers map[string]lb.ServerState, said string, err error) {
	lines := joined(ops, commands)
	for i, line := range lines {
		var about []string
		if i == len(lines)-1 {
			about = backends(ops)
		}
		words, list, err := p.stats.ChangeServers(ctx, line, about)
		if err != nil {
			return nil, "", err
		}
		if said == "" {
			said = strings.Join(words, " ")
		}
		servers = byID(list)
	}
	return servers, said, nil
}

// joined lists the commands for ops, for one line each time: those of an op stand in
// one, as each line may reach another worker. There is a line at least.
func joined(ops []lb.ServerOp, commands func(lb.ServerOp) []string) [][]string {
	lines, length := [][]string{nil}, 0
	for _, op := range ops {
		list := commands(op)
		size := 0
		for _, c := range list {
			size += len(c) + 1
		}
		if length += size; length > maxLine {
			lines, length = append(lines, nil), size
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], list...)
	}
	return lines
}

// id is BACKEND/SERVER, as HAProxy names a server.
func id(op lb.ServerOp) string { return string(op.Backend) + "/" + op.Server }

// set begins a command (management guide, 9.3, "set server").
func set(op lb.ServerOp) string { return "set server " + id(op) + " " }

// addressing gives a server its address.
func addressing(op lb.ServerOp) []string {
	if op.Address == nil {
		return nil
	}
	return []string{set(op) + "addr " + string(op.Address.Host) + " port " + strconv.Itoa(int(op.Address.Port))}
}

// commands of one op. The server has the address already, unless somebody has
// reloaded HAProxy since: in the new worker, too, it must be put to use with that alone.
func commands(op lb.ServerOp) []string {
	out := addressing(op)
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
// the file is Apply's and stays; where Pacemaker has no HAProxy run, the file is
// config, too. On error the former file is there.
func (p *Process) Install(ctx context.Context, config []byte) error {
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.release()
	info, err := p.showInfo(ctx)
	idle := p.cfg.Mode == Pacemaker && statsock.NotListening(err)
	if err != nil && !idle || fingerprint(info) != "" && !carries(config, fingerprint(info)) || sameFile(p.cfg.ConfigPath, config) {
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
