package ocf

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"thalassa/internal/safefile"
	"thalassa/internal/wake"
)

const (
	// askEvery is the time between two questions to an agent that does not answer.
	askEvery = 100 * time.Millisecond
	// maxHealth bounds the agent's answer, in bytes.
	maxHealth = 64 << 10
)

const endpointUsage = "usage: agent {start|stop|monitor|status|validate-all|meta-data}\n"

// DoEndpoint executes an action of the resource agent ocf:thalassa:agent. It always returns
// before the timeout of the request. It never starts or stops the thalassa agent.
func DoEndpoint(ctx context.Context, r Request) Result {
	if r.Timeout <= 0 {
		r.Timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout-margin(r.Timeout))
	defer cancel()
	switch r.Action {
	case "meta-data", "metadata":
		return Result{Output: EndpointMetadata()}
	case "usage", "help":
		return Result{Output: endpointUsage}
	}
	e, err := parseEndpoint(r)
	switch r.Action {
	case "stop": // with any parameters
		return e.stop()
	case "start", "monitor", "status", "validate-all":
		if err != nil {
			return result(Configured, "invalid parameters: %v", err)
		}
	default:
		return result(Unimplemented, "unknown action %q", r.Action)
	}
	switch r.Action {
	case "start":
		return e.start(ctx)
	case "validate-all":
		return e.validate(ctx)
	}
	return e.monitor(ctx)
}

// An endpoint is where the agent of this node manages the cluster.
type endpoint struct {
	ip      netip.Addr // floating; not always on this node
	port    uint16
	restart time.Duration // for the agent to be back
	state   string        // the file that says that the resource has started
}

// start returns when the agent answers.
func (e endpoint) start(ctx context.Context) Result {
	if r := e.await(ctx, time.Minute); r.Code != OK { // until ctx ends, if that is sooner
		return r
	}
	f, err := safefile.OpenFile(e.state, os.O_WRONLY|os.O_CREATE, 0o644) // not secret
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return result(Generic, "storing that the resource has started: %s", cause(err))
	}
	return ok()
}

// stop makes the resource stopped. The agent keeps running: somebody else has started it.
func (e endpoint) stop() Result {
	if err := os.Remove(e.state); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return result(Generic, "storing that the resource has stopped: %s", cause(err))
	}
	return ok()
}

// monitor checks the agent of a resource that has started.
func (e endpoint) monitor(ctx context.Context) Result {
	_, err := os.Lstat(e.state)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return result(NotRunning, "the resource has not started")
	case err != nil:
		return result(Generic, "reading whether the resource has started: %s", cause(err))
	}
	return e.await(ctx, e.restart)
}

// validate checks whether the resource could start here now.
func (e endpoint) validate(ctx context.Context) Result {
	r := e.await(ctx, e.restart)
	if r.Code != OK {
		r.Code = Args
	}
	return r
}

// await asks the agent until it answers, or patience is over. An agent that takes a
// connection and does not answer may take as long as ctx.
func (e endpoint) await(ctx context.Context, patience time.Duration) Result {
	begun := time.Now()
	for {
		why := e.ask(ctx)
		if why == nil {
			return ok()
		}
		if ctx.Err() != nil || time.Since(begun) >= patience || wake.Pause(ctx, askEvery) != nil {
			return result(Generic, "%s", oneLine(why.Error()))
		}
	}
}

// ask asks the agent of this node once: at the floating IP where this node has it, else at
// an address of the loopback where only a program answers that listens on all addresses.
// Either way, the connection stays on this node.
func (e endpoint) ask(ctx context.Context) error {
	held, err := isHeld(e.ip)
	if err != nil {
		return err
	}
	from, to := e.ip, e.ip
	switch {
	case held: // a connection from an address to itself does not leave the machine
	case e.ip.Is4():
		from, to = netip.Addr{}, netip.AddrFrom4([4]byte{127, 0, 0, 2})
	default:
		from, to = netip.Addr{}, netip.IPv6Loopback()
	}
	at := netip.AddrPortFrom(to, e.port).String()
	answer, err := e.get(ctx, from, "https://"+at)
	if _, isPlain := errors.AsType[tls.RecordHeaderError](err); isPlain { // it is served without TLS
		answer, err = e.get(ctx, from, "http://"+at)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("no answer from the agent at %s in time", at)
	case err != nil && !held:
		return fmt.Errorf("no agent at %s: %s; it must run, and listen on all addresses (host: 0.0.0.0 or ::)", at, cause(err))
	case err != nil:
		return fmt.Errorf("no agent at %s: %s", at, cause(err))
	}
	return judge(at, answer)
}

// isHeld reports whether this node has an address.
func isHeld(ip netip.Addr) (bool, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false, fmt.Errorf("reading the addresses of this node: %w", err)
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == ip {
			return true, nil
		}
	}
	return false, nil
}

// A health is the answer of /healthz.
type health struct {
	status  int
	Healthy *bool    `json:"healthy"`
	Reasons []string `json:"reasons"`
}

// get asks at a URL, over a connection of its own from an address.
func (e endpoint) get(ctx context.Context, from netip.Addr, url string) (health, error) {
	dialer := &net.Dialer{}
	if from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	transport := &http.Transport{
		DialContext: dialer.DialContext, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, //nolint:gosec // the connection stays on this node
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", http.NoBody)
	if err != nil {
		return health{}, err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return health{}, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxHealth))
	if err != nil {
		return health{}, err
	}
	out := health{status: answer.StatusCode}
	if json.Unmarshal(data, &out) != nil {
		out.Healthy = nil // no agent says that
	}
	return out, nil
}

// judge reports what an answer says against the agent.
func judge(at string, a health) error {
	switch {
	case a.Healthy == nil:
		return fmt.Errorf("what answers at %s is no thalassa agent: status %d", at, a.status)
	case !*a.Healthy:
		return fmt.Errorf("the agent at %s does not work: %s", at, strings.Join(a.Reasons, "; "))
	}
	return nil
}

// parseEndpoint parses the parameters. The path of the state is usable even with an error.
func parseEndpoint(r Request) (endpoint, error) {
	text := map[string]string{}
	for _, p := range endpointParameters() {
		text[p.name] = p.fallback
	}
	for name, value := range r.Parameters {
		if value != "" {
			text[name] = value
		}
	}
	e := endpoint{state: text["state"]}
	if e.state == "" {
		e.state = "/run/thalassa-agent-" + strings.ReplaceAll(r.Instance, "/", "_") + ".state"
	}
	var problems []problem
	ip, err := netip.ParseAddr(text["ip"])
	if err != nil || ip.IsUnspecified() || ip.IsLoopback() || ip.Zone() != "" {
		problems = append(problems, problem{"ip", fmt.Sprintf("is no floating IP: %q, expected an address such as 192.0.2.20", text["ip"])})
	}
	port, err := strconv.ParseUint(text["port"], 10, 16)
	if err != nil || port == 0 {
		problems = append(problems, problem{"port", fmt.Sprintf("is no port: %q, expected 1 to 65535", text["port"])})
	}
	restart, err := parseTime(text["restart_time"])
	if err != nil {
		problems = append(problems, problem{"restart_time", err.Error()})
	}
	e.ip, e.port, e.restart = ip.Unmap(), uint16(port), restart
	if !strings.HasPrefix(e.state, "/") {
		problems = append(problems, problem{"state", fmt.Sprintf("is not an absolute path: %q", e.state)})
	}
	if len(problems) > 0 {
		return e, problemsError(problems)
	}
	return e, nil
}
