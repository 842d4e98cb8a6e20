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

// The HAProxy of a fixture.

func (fx *fixture) Check(ctx context.Context, config []byte) error {
	fx.mu.Lock()
	hangs := fx.checkHangs != "" && strings.Contains(string(config), fx.checkHangs)
	fx.mu.Unlock()
	if hangs {
		pause(ctx, 30*time.Second)
		return &lb.UnavailableError{What: "haproxy -c takes too long"}
	}
	fx.mu.Lock()
	defer fx.mu.Unlock()
	fx.checked++
	if fx.full != nil {
		return fx.full
	}
	if fx.checkRefuses != "" && strings.Contains(string(config), fx.checkRefuses) {
		return &lb.RefusedError{At: "check", Output: "[ALERT] refused by the check"}
	}
	fx.passed = string(config)
	return nil
}

// checkUnlessPassed is Check but for a text that has just passed one, as haproxy.Process
// applies it.
func (fx *fixture) checkUnlessPassed(ctx context.Context, config []byte) error {
	fx.mu.Lock()
	passed := fx.passed == string(config)
	fx.mu.Unlock()
	if passed {
		return nil
	}
	return fx.Check(ctx, config)
}

func (fx *fixture) Apply(ctx context.Context, config []byte, fingerprint string) (haproxy.Outcome, error) {
	if err := fx.checkUnlessPassed(ctx, config); err != nil {
		return haproxy.Outcome{}, err
	}
	fx.mu.Lock()
	took := fx.reload
	runs := fx.running && fx.down == nil && fx.file == string(config) && fingerprint != "" && fx.shown() == fingerprint
	fx.mu.Unlock()
	if runs {
		return haproxy.Outcome{}, nil
	}
	pause(context.WithoutCancel(ctx), took)
	fx.mu.Lock()
	defer fx.mu.Unlock()
	fx.applies++
	if fx.down != nil {
		return haproxy.Outcome{}, fx.down
	}
	if fx.startRefuses != "" && strings.Contains(string(config), fx.startRefuses) {
		return haproxy.Outcome{}, &lb.RefusedError{At: "start", Output: "[ALERT] cannot bind"}
	}
	if fx.idle && !fx.running {
		fx.file = string(config)
		return haproxy.Outcome{Idle: true}, nil
	}
	if n := len(serversIn(string(config))); fx.most > 0 && n > fx.most {
		return haproxy.Outcome{}, &lb.RefusedError{At: "start", Output: "[ALERT] [/usr/sbin/haproxy.main()] Cannot raise FD limit to 429, limit is 256."}
	}
	started := !fx.running
	fx.running = true
	fx.worker++
	fx.applied, fx.file = append(fx.applied, string(config)), string(config)
	fx.servers = serversIn(string(config))
	fx.lost = ""
	return haproxy.Outcome{Started: started, Reloaded: !started, Duration: 50 * time.Millisecond}, nil
}

func (fx *fixture) State(ctx context.Context) (haproxy.State, error) {
	fx.mu.Lock()
	if d := fx.look; d > 0 {
		fx.mu.Unlock()
		pause(ctx, d)
		fx.mu.Lock()
	}
	defer fx.mu.Unlock()
	return haproxy.State{Running: fx.running, Answers: fx.running, WorkerPID: fx.worker, Fingerprint: fx.shown(), Lacks: fx.lacks, Lost: fx.lost, Regain: fx.lost != ""}, fx.unclear
}

// shown is the fingerprint of what runs.
func (fx *fixture) shown() string {
	_, rest, _ := strings.Cut(fx.loaded(), "description \"thalassa ")
	shown, _, _ := strings.Cut(rest, "\"")
	return shown
}

// loaded is the configuration that the worker started with.
func (fx *fixture) loaded() string {
	if len(fx.applied) == 0 {
		return ""
	}
	return fx.applied[len(fx.applied)-1]
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

func (fx *fixture) Servers(context.Context) ([]lb.ServerState, error) {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	fx.reads++
	return slices.Clone(fx.servers), nil
}

func (fx *fixture) Adjust(_ context.Context, about []lb.Name, decide func([]lb.ServerState) ([]lb.ServerOp, error)) error {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	if fx.deaf != nil {
		return fx.deaf
	}
	fx.adjusts++
	for range 4 {
		servers := slices.DeleteFunc(slices.Clone(fx.servers), func(s lb.ServerState) bool { return !slices.Contains(about, s.Backend) })
		ops, err := decide(servers)
		if err != nil || len(ops) == 0 {
			return err
		}
		if err := fx.operate(ops); err != nil {
			return err
		}
		if fx.between != nil {
			fx.between()
		}
	}
	return errors.New("servers are not as they should be")
}

// addLine makes the line of an op that adds one, behind the others of its backend.
func (fx *fixture) addLine(op lb.ServerOp) error {
	if !op.Add {
		return nil
	}
	if fx.fixed != "" {
		return &haproxy.LinesError{Backend: op.Backend, Why: fx.fixed}
	}
	if fx.most > 0 && len(fx.servers) >= fx.most {
		return &haproxy.LinesError{Backend: op.Backend, Why: "haproxy may open 5 files"}
	}
	end := 0
	for i, s := range fx.servers {
		if s.Backend == op.Backend {
			end = i + 1
		}
	}
	fx.servers = slices.Insert(fx.servers, end, lb.ServerState{
		Backend: op.Backend, Server: op.Server, Address: lb.SpareAddress(), Weight: 1, Maintenance: true, Added: true,
	})
	return nil
}

func (fx *fixture) operate(ops []lb.ServerOp) error {
	for _, op := range ops {
		if err := fx.addLine(op); err != nil {
			return err
		}
		i := slices.IndexFunc(fx.servers, func(s lb.ServerState) bool { return s.Backend == op.Backend && s.Server == op.Server })
		if i < 0 {
			return errors.New("no such server")
		}
		s := &fx.servers[i]
		if op.Address != nil {
			s.Address = *op.Address
		}
		if op.Weight != nil {
			s.Weight = *op.Weight
		}
		s.Maintenance = s.Maintenance && !op.Ready || op.Maintenance
		fx.emptied = fx.emptied || !slices.ContainsFunc(fx.servers, func(s lb.ServerState) bool { return s.Backend == op.Backend && !s.Maintenance })
	}
	return nil
}

func (fx *fixture) Intact() bool {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fx.file == fx.installed
}

func (fx *fixture) Install(_ context.Context, config []byte) error {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	fx.file, fx.installed, fx.installs = string(config), string(config), fx.installs+1
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
