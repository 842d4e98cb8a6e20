package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"

	"thalassa/lb"
	"thalassa/statsock"
)

// A new worker that serves need not have what the file says: it also reads state files,
// and an earlier run or another program may have left one. So its servers and binds are
// compared with the file before a configuration counts as in effect.

// A startConfig is the outline of the configuration that a worker was started with.
type startConfig struct {
	worker int
	*outline
}

// A readback compares what a worker has with what its file says.
type readback struct {
	cfg       *Config
	logger    *slog.Logger
	files     *configFiles
	router    *router
	processes *ownProcesses

	started atomic.Pointer[startConfig] // of the last serving worker; nil: unknown
}

// outlineOf is the outline that a worker was started with; nil: unknown. For a worker that
// another program has started, the fingerprint tells the file.
func (rb *readback) outlineOf(info statsock.Info) *outline {
	if h := rb.started.Load(); h != nil && h.worker == info.PID {
		return h.outline
	}
	h := &startConfig{worker: info.PID}
	for _, path := range []string{rb.files.lastGood(), rb.cfg.ConfigPath} {
		if content, err := rb.files.read(path); err == nil && hasFingerprint(content, fingerprint(info)) {
			h.outline = outlineOf(content)
			break
		}
	}
	if h.outline != nil || fingerprint(info) == "" { // otherwise the file may follow
		rb.started.Store(h)
	}
	return h.outline
}

// last is the outline that the last serving worker was started with; nil: unknown.
func (rb *readback) last() *outline {
	if h := rb.started.Load(); h != nil {
		return h.outline
	}
	return nil
}

// confirmOrReplace makes sure that a new worker has what its file says, apart from the
// weights and states of kept servers. Otherwise it reloads once without handing over any
// state. If that does not help, the error is a *lb.RefusedError.
func (rl *reloader) confirmOrReplace(ctx context.Context, worker int, file *installedFile, kept map[string]bool, config []byte, fingerprint string) (int, error) {
	if file == nil {
		return worker, nil
	}
	problem := rl.readback.confirm(ctx, worker, file.outline, kept)
	if problem == "" {
		return worker, nil
	}
	rl.logger.WarnContext(ctx, "haproxy differs from its file, reloading it", "problem", problem)
	now, err := rl.finder.awaitAnswer(ctx)
	if err != nil {
		return 0, fmt.Errorf("finding haproxy: %w", err)
	}
	if worker, _, err = rl.replaceWorker(ctx, now, nil, config, fingerprint); err != nil {
		return 0, err
	}
	if problem = rl.readback.confirm(ctx, worker, file.outline, nil); problem != "" {
		return 0, &lb.RefusedError{At: "start", Output: "HAProxy runs, but differs from its file: " + problem}
	}
	return worker, nil
}

// compare logs when a worker has something else than the file on disk says.
func (rb *readback) compare(ctx context.Context, worker int) {
	file := rb.files.readOutline()
	if file == nil {
		return
	}
	if problem := rb.confirm(ctx, worker, file.outline, nil); problem != "" {
		rb.logger.WarnContext(ctx, "haproxy differs from its file", "problem", problem)
	}
}

// confirm stores what a new worker was started with, and compares it with what the worker
// has. It returns the first difference; "": there is none, or that is unknown.
func (rb *readback) confirm(ctx context.Context, worker int, file *outline, kept map[string]bool) string {
	rb.started.Store(&startConfig{worker, file})
	ctx, cancel := context.WithTimeout(ctx, masterTimeout)
	defer cancel()
	servers, err := rb.servers(ctx, worker)
	if err != nil {
		rb.logger.WarnContext(ctx, "reading the servers of the new worker failed", "error", err)
		return ""
	}
	problem, found := "", 0
	for _, s := range servers {
		d := file.server(lb.Name(s.Backend), s.Name)
		if d == nil {
			continue
		}
		found++
		if problem == "" {
			problem = d.mismatch(s, kept[s.Backend+"/"+s.Name])
		}
	}
	if expected := file.count(); problem == "" && found < expected {
		problem = fmt.Sprintf("it has %d of %d servers", found, expected)
	}
	if problem != "" {
		return problem
	}
	if err := rb.tryListeners(ctx, worker, file.binds); err != nil {
		return err.Error()
	}
	return ""
}

// servers reads the servers of a worker. It repeats the question when the previous worker
// takes it.
func (rb *readback) servers(ctx context.Context, worker int) (servers []statsock.Server, err error) {
	last := errors.New("another worker answers")
	err = poll(ctx, func() (bool, error) {
		session, err := rb.router.client(ctx).Begin(ctx)
		if err != nil {
			last = err
			return false, nil
		}
		defer session.End()
		info, err := session.ShowInfo(ctx)
		if err != nil || info.PID != worker {
			return false, nil
		}
		servers, err = session.ShowServers(ctx, "")
		return err == nil, err
	})
	if err != nil && ctx.Err() != nil {
		err = last
	}
	return servers, err
}

// count is the minimum number of servers that HAProxy must have.
func (o *outline) count() (n int) {
	for _, servers := range o.servers {
		for _, d := range servers {
			if !d.unclear && !d.section.disabled {
				n++
			}
		}
	}
	return n
}

// mismatch says how a server of a new worker differs from its definition; "": it does
// not. The weight and state of a kept server are the administrator's. An agent or a
// tracked server may also set them.
func (d *serverDefinition) mismatch(s statsock.Server, isKept bool) string {
	problem := d.deviation(s)
	if problem == "" {
		problem = d.otherAddress(s)
	}
	isFree := isKept || d.unclear || d.asksAgent || d.track != ""
	switch {
	case problem != "" || isFree:
	case s.Weight != d.weight:
		problem = difference("weight", strconv.Itoa(s.Weight), strconv.Itoa(d.weight))
	case s.Draining:
		problem = "drains"
	case s.Maintenance != d.disabled && d.address.Host.IsIP(): // otherwise its name may have no address yet
		problem = difference("maintenance", onOff(s.Maintenance), onOff(d.disabled))
	}
	if problem == "" {
		return ""
	}
	return "server " + s.Backend + "/" + s.Name + " " + problem
}

// deviation says how TLS, or the address or port of the check or agent of a server,
// differs from its definition; "": they do not.
func (d *serverDefinition) deviation(s statsock.Server) string {
	if d.unclear || s.Partial {
		return ""
	}
	if s.TLS != d.tls {
		return difference("TLS", onOff(s.TLS), onOff(d.tls))
	}
	for _, a := range []struct {
		what string
		host string
		port int
		want lb.HostPort
	}{{"check", s.CheckAddress, s.CheckPort, d.check}, {"agent", s.AgentAddress, s.AgentPort, d.agent}} {
		if a.port != int(a.want.Port) {
			return difference(a.what+" port", strconv.Itoa(a.port), strconv.Itoa(int(a.want.Port)))
		}
		if host := address(a.host, 0).Host; host != a.want.Host {
			return difference(a.what+" address", string(host), string(a.want.Host))
		}
	}
	return ""
}

// otherAddress says that a server has another address than its definition; "": it does
// not, or the definition has a name.
func (d *serverDefinition) otherAddress(s statsock.Server) string {
	if got := address(s.Address, s.Port); !d.unclear && d.address.Host.IsIP() && got != d.address {
		return difference("address", got.String(), d.address.String())
	}
	return ""
}

func difference(what, got, want string) string {
	none := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	return strings.Join([]string{"has", what, none(got) + ", expected", none(want)}, " ")
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
