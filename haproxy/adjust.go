package haproxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
	"thalassa/statsock"
)

// maxAttempts bounds the attempts of Adjust. The first succeeds unless another program
// changes servers or reloads HAProxy at that moment.
const maxAttempts = 4

// Adjust changes servers of some backends of the running HAProxy without a reload.
// decide returns the ops for the states of all servers of those backends. Adjust adds lines
// for servers in use first, then changes all addresses, then the rest of each op in order,
// and adds spare lines last. It calls decide again with the
// new states until there are no more ops. Another program may reload HAProxy at any time:
// ops for one worker are never applied to another, and the last worker that is read
// serves. A *LinesError says that only a reload adds a line. After an error, also one of
// decide's, some ops may be in effect: read the servers, or reload.
func (p *Process) Adjust(ctx context.Context, about []lb.Name, decide func([]lb.ServerState) ([]lb.ServerOp, error)) error {
	if err := p.runtime.adjust(ctx, &adjustment{about: about, decide: decide, file: p.readback.last(), added: int(p.runtime.added.Load()), freed: p.runtime.freed}); err != nil {
		return fmt.Errorf("changing servers of the running haproxy: %w", err)
	}
	return nil
}

// An adjustment is one call of Adjust.
type adjustment struct {
	about  []lb.Name
	decide func([]lb.ServerState) ([]lb.ServerOp, error)
	// ops are the last ones, and said is HAProxy's answer to them.
	ops  []lb.ServerOp
	said string
	file *outline // that the worker was started with
	// added are the lines that the worker has beside those of its file.
	added int
	freed freed
}

func (ra *runtimeAPI) adjust(ctx context.Context, a *adjustment) error {
	if len(a.about) == 0 {
		return nil
	}
	if err := ra.changes.lock(ctx); err != nil {
		return err
	}
	defer ra.changes.unlock()
	defer func() { ra.added.Store(int64(a.added)) }()
	for n := 0; ; n++ {
		session, err := ra.router.client(ctx).Begin(ctx)
		if err != nil {
			return err
		}
		done, err := a.attempt(ctx, session, n == maxAttempts)
		session.End()
		switch {
		case (errors.Is(err, errStopping) || errors.Is(err, statsock.ErrWorkerGone)) && n < maxAttempts:
		case done || err != nil:
			return err
		}
	}
}

// errStopping says that another worker serves, so that another session is needed.
var errStopping = errors.New("the worker that answers is stopping")

// attempt applies the ops to one worker; errStopping when that no longer serves. It is
// done when there are no ops. On the last attempt, remaining ops are an error.
func (a *adjustment) attempt(ctx context.Context, session *statsock.Session, last bool) (done bool, err error) {
	list, info, err := session.ShowServersAndInfo(ctx, texts(a.about)...)
	switch {
	case err != nil:
		return false, err
	case info.Stopping:
		return false, errStopping
	}
	servers := a.file.serverStates(list)
	before, said := a.ops, a.said
	if a.ops, err = a.decide(servers); err != nil || len(a.ops) == 0 {
		return true, err
	}
	if last {
		return false, cmp.Or(verify(before, byID(servers), said), errors.New("another program keeps changing them"))
	}
	if err := a.addLines(ctx, session, false); err != nil {
		return false, err
	}
	if err := setAddresses(ctx, session, a.ops); err != nil {
		return false, err
	}
	a.freed.revive(a.ops)
	a.freed.note(a.ops)
	if a.said, err = runCommands(ctx, session, a.ops); err != nil {
		return false, err
	}
	return false, a.addLines(ctx, session, true)
}

// checkServing returns errStopping when the worker no longer serves.
func checkServing(ctx context.Context, session *statsock.Session) error {
	info, err := session.ShowInfo(ctx)
	if err == nil && info.Stopping {
		err = errStopping
	}
	return err
}

// setAddresses sets addresses and waits until they are in effect. In HAProxy 2.6 that is
// at once. Since 3.0 a task sets them after the answer, so nothing else may be changed
// before. A stopping worker refuses them.
func setAddresses(ctx context.Context, session *statsock.Session, ops []lb.ServerOp) error {
	ops = slices.DeleteFunc(slices.Clone(ops), func(op lb.ServerOp) bool { return op.Address == nil })
	about := backends(ops)
	connections, err := session.ShowConnections(ctx, texts(about)...)
	if err != nil {
		return err
	}
	if ops, err = needAddress(ops, connections); err != nil || len(ops) == 0 {
		return err
	}
	words, list, err := session.ChangeAndShowServers(ctx, all(ops, addressing), texts(about)...)
	if err != nil {
		return err
	}
	said := strings.Join(words, " ")
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	problem := verifyAddresses(ops, byID((*outline)(nil).serverStates(list)), said)
	if problem == nil {
		return nil
	}
	err = poll(ctx, func() (bool, error) {
		list, info, err := session.ShowServersAndInfo(ctx, texts(about)...)
		if err != nil {
			return false, err
		}
		if problem = verifyAddresses(ops, byID((*outline)(nil).serverStates(list)), said); problem != nil && info.Stopping {
			return false, errStopping
		}
		return problem == nil, nil
	})
	if err != nil && !errors.Is(err, errStopping) {
		return cmp.Or(problem, err)
	}
	return err
}

// needAddress are the ops whose servers have another address. It is an error when an op
// requires an unused server and connections are in use.
func needAddress(ops []lb.ServerOp, connections []statsock.Connections) ([]lb.ServerOp, error) {
	now := make(map[string]statsock.Connections, len(connections))
	for _, c := range connections {
		now[c.Backend+"/"+c.Name] = c
	}
	var out []lb.ServerOp
	for _, op := range ops {
		c, ok := now[id(op)]
		former := address(c.Address, c.Port)
		switch {
		case !ok:
			return nil, fmt.Errorf("%s does not exist", id(op))
		case former == *op.Address:
		case op.Unused && c.Used > 0:
			return nil, fmt.Errorf("%s still has %d connections to %s in use", id(op), c.Used, former)
		default:
			out = append(out, op)
		}
	}
	return out, nil
}

// runCommands runs the commands for ops, and returns HAProxy's answer.
func runCommands(ctx context.Context, session *statsock.Session, ops []lb.ServerOp) (said string, err error) {
	words, err := session.Change(ctx, all(ops, commands)...)
	return strings.Join(words, " "), err
}

// all are the commands of all ops.
func all(ops []lb.ServerOp, commands func(lb.ServerOp) []string) []string {
	list := make([]string, 0, len(ops))
	for _, op := range ops {
		list = append(list, commands(op)...)
	}
	return list
}

// backends are the backends of ops.
func backends(ops []lb.ServerOp) []lb.Name {
	names := make([]lb.Name, len(ops))
	for i, op := range ops {
		names[i] = op.Backend
	}
	slices.Sort(names)
	return slices.Compact(names)
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

// commands of one op, whose server has the address.
func commands(op lb.ServerOp) []string {
	var out []string
	if op.Maintenance {
		out = append(out, set(op)+"state maint")
	}
	if op.Weight != nil {
		out = append(out, set(op)+"weight "+strconv.Itoa(*op.Weight))
	}
	if op.Ready {
		out = append(out, set(op)+"state ready")
	}
	if op.Up {
		out = append(out, set(op)+"health up")
	}
	return out
}

// verify checks that servers are in the states that ops set. said is HAProxy's answer.
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
