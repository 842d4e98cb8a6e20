package haproxy

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"thalassa/lb"
	"thalassa/statsock"
)

// A new worker regards every server as up until a check fails. It would send requests to servers
// that the previous worker knows to be down. So a reload hands over their health in a file. HAProxy
// also reads ports, TLS, weights and more from that file, and prefers them to haproxy.cfg. So the
// file holds only servers that the old and the new haproxy.cfg define alike. After the reload it is
// emptied: a later start would read outdated state.

// StateFile is the file that hands the state of servers over a reload, for a Process with
// that ConfigPath.
func StateFile(configPath string) string {
	if absolute, err := filepath.Abs(configPath); err == nil {
		configPath = absolute
	}
	return configPath + ".state"
}

// noState is a state file without servers. HAProxy warns about a missing one.
const noState = "1\n"

// A carriedState is the state that a new worker gets.
type carriedState struct {
	state string
	// kept are the servers, by BACKEND/SERVER, whose weight and administrative state are
	// carried over as well.
	kept map[string]bool
}

// A stateFile hands the health of servers from one worker to the next.
type stateFile struct {
	cfg      *Config
	logger   *slog.Logger
	files    *configFiles
	router   *router
	readback *readback
}

// fill writes the state file for a reload to a file with that outline. It returns the
// servers that keep their weight and state, and a function that empties the file. An
// error is logged: the new worker then takes every server for up.
func (sf *stateFile) fill(ctx context.Context, config []byte, wanted *outline) (kept map[string]bool, forget func()) {
	path := StateFile(sf.cfg.ConfigPath)
	if !readsState(config, path) {
		return nil, func() {}
	}
	kept, err := sf.write(ctx, path, wanted)
	if err != nil {
		sf.logger.WarnContext(ctx, "health of servers not handed to the new worker", "error", err)
	}
	return kept, func() { sf.empty(context.WithoutCancel(ctx)) }
}

func (sf *stateFile) write(ctx context.Context, path string, wanted *outline) (kept map[string]bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	client := sf.router.client(ctx)
	info, err := client.ShowInfo(ctx)
	if err != nil {
		return nil, err
	}
	running := sf.readback.outlineOf(info)
	if running == nil {
		return nil, nil // what has changed is unknown
	}
	dump, err := client.DumpServers(ctx)
	if err != nil {
		return nil, err
	}
	c := carryHealth(dump, running, wanted)
	return c.kept, sf.cfg.disk.renameInto(path, []byte(c.state))
}

// empty empties the state file, and creates it where haproxy.cfg names it.
func (sf *stateFile) empty(ctx context.Context) {
	path := StateFile(sf.cfg.ConfigPath)
	config, _ := sf.files.read(sf.cfg.ConfigPath) // without a file nothing reads the state
	is, existErr := sf.cfg.disk.exists(path)
	if sf.cfg.disk.hasContent(path, []byte(noState)) || existErr == nil && !is && !readsState(config, path) {
		return
	}
	err := sf.cfg.disk.renameInto(path, []byte(noState))
	if err != nil {
		sf.cfg.disk.remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		sf.logger.ErrorContext(ctx, "outdated state of servers not removed", "path", path, "error", err)
	}
}

// readsState reports whether a configuration names the state file.
func readsState(config []byte, path string) bool {
	for l := range configLines(config) {
		if l.words[0] == "server-state-file" && len(l.words) > 1 {
			return l.words[1] == path
		}
	}
	return false
}

// carryHealth selects the servers that the running and the wanted configuration define
// alike, and that have what the running one says. A slot that was added at run time is
// defined as the first of its backend. Slots get the weight and the state of
// the wanted configuration; spare slots are left out. Other servers keep what an
// administrator has set, unless the configuration changes their weight or state.
func carryHealth(dump statsock.ServerDump, running, wanted *outline) carriedState {
	c := carriedState{kept: map[string]bool{}}
	var b strings.Builder
	b.WriteString(dump.Heading)
	for _, l := range dump.Lines {
		backend := lb.Name(l.Backend)
		before, d := running.server(backend, l.Name), wanted.server(backend, l.Name)
		if before == nil {
			before = running.model(backend, l.Name)
		}
		if d == nil || running.global != wanted.global || !wanted.isAlike(backend, d, running, before) ||
			before.deviation(l.Server) != "" || !d.isAt(l) {
			continue
		}
		same := before.weight == d.weight && before.disabled == d.disabled && before.address == d.address
		isSlot := lb.SlotIndex(l.Name) >= 0
		switch {
		case !isSlot && same:
			b.WriteString(l.Kept())
			c.kept[l.Backend+"/"+l.Name] = true
		case d.disabled || l.Maintenance || !isSlot && before.address != d.address:
		default:
			b.WriteString(l.Health(d.weight))
		}
	}
	c.state = b.String()
	return c
}

// isAt reports whether a running server has the address of a definition.
func (d *serverDefinition) isAt(l statsock.ServerLine) bool {
	host := lb.Host(l.Host)
	if host == "" {
		host = address(l.Address, 0).Host
	}
	return d.address.Host != "" && strings.EqualFold(string(host), string(d.address.Host)) && int(d.address.Port) == l.Port
}
