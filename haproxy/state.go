package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
	"thalassa/statsock"
)

// A new worker takes every server for up until a check says otherwise, and would
// send requests to those that the one before knows to be down. So right before a
// reload a file tells it how they stand. HAProxy also takes addresses, weights and
// what an administrator asked for from that file, whatever haproxy.cfg says: it
// holds only what agrees with the new haproxy.cfg, and nothing at all once the
// reload is over, since who starts HAProxy later does not know how old it is.

// StateFile is the file in which HAProxy finds how its servers stood before a
// reload, for a Process with that ConfigPath.
func StateFile(configPath string) string {
	if absolute, err := filepath.Abs(configPath); err == nil {
		configPath = absolute
	}
	return configPath + ".state"
}

// noState is a file that tells nothing. A missing one is a warning to HAProxy.
const noState = "1\n"

// carryState makes the state file for a reload with the file on disk, and returns
// what empties it again. Without it a reload is as good as before, but for servers
// that are down.
func (p *Process) carryState(ctx context.Context) (forget func()) {
	config, err := p.read(p.cfg.ConfigPath)
	path := StateFile(p.cfg.ConfigPath)
	if err != nil || !readsState(config, path) {
		return func() {}
	}
	if err := p.writeState(ctx, path, config); err != nil {
		p.logger.WarnContext(ctx, "health of servers not handed to the new worker", "error", err)
	}
	return func() { p.forgetState(context.WithoutCancel(ctx)) }
}

func (p *Process) writeState(ctx context.Context, path string, config []byte) error {
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	dump, err := p.stats.DumpServers(ctx)
	if err != nil {
		return err
	}
	return exchangeFile(path, []byte(agreeing(dump, config)))
}

// forgetState empties the state file. Where HAProxy would miss one it makes it.
func (p *Process) forgetState(ctx context.Context) {
	path := StateFile(p.cfg.ConfigPath)
	config, _ := p.read(p.cfg.ConfigPath) // none reads no state
	if _, err := os.Stat(path); sameFile(path, []byte(noState)) || errors.Is(err, fs.ErrNotExist) && !readsState(config, path) {
		return
	}
	err := exchangeFile(path, []byte(noState))
	if err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.logger.ErrorContext(ctx, "outdated state of servers not removed", "path", path, "error", err)
	}
}

// exchangeFile replaces a file that need not outlive a power cut.
func exchangeFile(path string, content []byte) error {
	name, err := stage(path, content)
	if err != nil {
		return err
	}
	if err := os.Rename(name, path); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// readsState reports whether a configuration names the state file.
func readsState(config []byte, path string) bool {
	for line := range bytes.Lines(config) {
		word, rest, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if word == "server-state-file" {
			return strings.Trim(strings.TrimSpace(rest), `"'`) == path
		}
	}
	return false
}

// agreeing is the state of the servers that a configuration has under the same
// names at the same addresses. Slots that were spare, or will be, are left out: for
// them haproxy.cfg alone counts, as it does for the weights of the others.
func agreeing(dump statsock.ServerDump, config []byte) string {
	wanted := serverLines(config)
	var b strings.Builder
	b.WriteString(dump.Heading)
	for _, l := range dump.Lines {
		w, ok := wanted[l.Backend+"/"+l.Name]
		host := l.Host
		if host == "" {
			host = string(address(l.Address, l.Port).Host)
		}
		switch {
		case !ok || w.address != (lb.HostPort{Host: lb.Host(host), Port: uint16(l.Port)}): //nolint:gosec // HAProxy's own ports
		case lb.SlotIndex(l.Name) < 0:
			b.WriteString(l.String())
		case !w.disabled && !l.Maintenance:
			b.WriteString(l.InUse(w.weight))
		}
	}
	return b.String()
}

// A serverLine is one in haproxy.cfg.
type serverLine struct {
	address  lb.HostPort
	weight   int
	disabled bool
}

// serverLines reads the servers of a configuration, by BACKEND/SERVER. Lines with
// addresses that are neither IP addresses nor names with a port are left out, and
// so are those that have quotes.
func serverLines(config []byte) map[string]serverLine {
	out := map[string]serverLine{}
	backend := ""
	for line := range bytes.Lines(config) {
		f := strings.Fields(string(line))
		switch {
		case len(f) > 0 && lb.IsSection(f[0]):
			backend = ""
			if len(f) > 1 && (f[0] == "backend" || f[0] == "listen") {
				backend = f[1]
			}
		case len(f) > 2 && f[0] == "server" && backend != "":
			if l, err := parseServerLine(f); err == nil {
				out[backend+"/"+f[1]] = l
			}
		}
	}
	return out
}

func parseServerLine(f []string) (serverLine, error) {
	l := serverLine{weight: 1, disabled: slices.Contains(f, "disabled")}
	bind, err := lb.ParseBind(f[2])
	if err != nil {
		return l, err
	}
	l.address = lb.HostPort(bind)
	if i := slices.Index(f, "weight"); i > 0 && i+1 < len(f) {
		if l.weight, err = strconv.Atoi(f[i+1]); err != nil {
			return l, fmt.Errorf("weight: %w", err)
		}
	}
	return l, nil
}
