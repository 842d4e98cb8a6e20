package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/haproxy"
	"thalassa/lb"
)

// The HAProxy of a world.

func (w *world) Check(_ context.Context, config []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checked++
	if w.full != nil {
		return w.full
	}
	if w.checkRefuses != "" && strings.Contains(string(config), w.checkRefuses) {
		return &lb.RefusedError{Stage: "check", Output: "[ALERT] refused by the check"}
	}
	return nil
}

func (w *world) Apply(ctx context.Context, config []byte, fingerprint string) (haproxy.Outcome, error) {
	if err := w.Check(ctx, config); err != nil {
		return haproxy.Outcome{}, err
	}
	w.mu.Lock()
	took := w.reload
	runs := w.running && w.down == nil && w.file == string(config) && fingerprint != "" && w.shown() == fingerprint
	w.mu.Unlock()
	if runs {
		return haproxy.Outcome{}, nil
	}
	pause(context.WithoutCancel(ctx), took)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.applies++
	if w.down != nil {
		return haproxy.Outcome{}, w.down
	}
	if w.startRefuses != "" && strings.Contains(string(config), w.startRefuses) {
		return haproxy.Outcome{}, &lb.RefusedError{Stage: "start", Output: "[ALERT] cannot bind"}
	}
	if w.idle && !w.running {
		w.file = string(config)
		return haproxy.Outcome{Idle: true}, nil
	}
	if n := len(serversIn(string(config))); w.most > 0 && n > w.most {
		return haproxy.Outcome{}, &lb.RefusedError{Stage: "start", Output: "[ALERT] [/usr/sbin/haproxy.main()] Cannot raise FD limit to 429, limit is 256."}
	}
	started := !w.running
	w.running = true
	w.worker++
	w.applied, w.file = append(w.applied, string(config)), string(config)
	w.servers = serversIn(string(config))
	w.lost = ""
	return haproxy.Outcome{Started: started, Reloaded: !started, Duration: 50 * time.Millisecond}, nil
}

func (w *world) State(ctx context.Context) (haproxy.State, error) {
	w.mu.Lock()
	if d := w.look; d > 0 {
		w.mu.Unlock()
		pause(ctx, d)
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	return haproxy.State{Running: w.running, Answers: w.running, WorkerPID: w.worker, Fingerprint: w.shown(), Lacks: w.lacks, Lost: w.lost, Regain: w.lost != ""}, w.unclear
}

// shown is the fingerprint of what runs.
func (w *world) shown() string {
	_, rest, _ := strings.Cut(w.loaded(), "description \"thalassa ")
	shown, _, _ := strings.Cut(rest, "\"")
	return shown
}

// loaded is the configuration that the worker started with.
func (w *world) loaded() string {
	if len(w.applied) == 0 {
		return ""
	}
	return w.applied[len(w.applied)-1]
}

// serversIn lists the servers of a configuration as HAProxy starts with them.
func serversIn(config string) []lb.ServerState {
	var out []lb.ServerState
	backend := ""
	for line := range strings.SplitSeq(config, "\n") {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == "backend" {
			backend = f[1]
		}
		if len(f) < 3 || f[0] != "server" || !slices.Contains(f, "weight") { // raw ones are nobody's
			continue
		}
		s := lb.ServerState{Backend: lb.Name(backend), Server: f[1], Maintenance: slices.Contains(f, "disabled")}
		bind, err := lb.ParseBind(f[2])
		if err != nil {
			panic(err)
		}
		s.Address = lb.HostPort(bind)
		if _, err := fmt.Sscan(f[slices.Index(f, "weight")+1], &s.Weight); err != nil {
			panic(err)
		}
		out = append(out, s)
	}
	return out
}

func (w *world) Servers(context.Context) ([]lb.ServerState, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	return slices.Clone(w.servers), nil
}

func (w *world) Adjust(_ context.Context, about []lb.Name, decide func([]lb.ServerState) ([]lb.ServerOp, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf != nil {
		return w.deaf
	}
	w.adjusts++
	for range 4 {
		servers := slices.DeleteFunc(slices.Clone(w.servers), func(s lb.ServerState) bool { return !slices.Contains(about, s.Backend) })
		ops, err := decide(servers)
		if err != nil || len(ops) == 0 {
			return err
		}
		if err := w.operate(ops); err != nil {
			return err
		}
		if w.between != nil {
			w.between()
		}
	}
	return errors.New("servers are not as they should be")
}

func (w *world) operate(ops []lb.ServerOp) error {
	for _, op := range ops {
		i := slices.IndexFunc(w.servers, func(s lb.ServerState) bool { return s.Backend == op.Backend && s.Server == op.Server })
		if i < 0 {
			return errors.New("no such server")
		}
		s := &w.servers[i]
		if op.Address != nil {
			s.Address = *op.Address
		}
		if op.Weight != nil {
			s.Weight = *op.Weight
		}
		s.Maintenance = s.Maintenance && !op.Ready || op.Maintenance
		w.emptied = w.emptied || !slices.ContainsFunc(w.servers, func(s lb.ServerState) bool { return s.Backend == op.Backend && !s.Maintenance })
	}
	return nil
}

func (w *world) Intact() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.file == w.installed
}

func (w *world) Install(_ context.Context, config []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.file, w.installed, w.installs = string(config), string(config), w.installs+1
	return nil
}

// members lists the ports of the servers that are in use.
func members(servers []lb.ServerState) []string {
	var out []string
	for _, s := range servers {
		if !s.Maintenance {
			out = append(out, strconv.Itoa(int(s.Address.Port)))
		}
	}
	slices.Sort(out)
	return out
}
