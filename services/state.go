package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"thalassa/internal/safefile"
)

// A State is how a service is on this node.
type State struct {
	// Running: its first daemon runs.
	Running bool `json:"running"`
	// Daemons are the names of those of its processes that run.
	Daemons []string `json:"daemons,omitempty"`
	// Enabled: it starts with the node.
	Enabled bool `json:"enabled"`
}

// String says which daemons run.
func (s State) String() string {
	if len(s.Daemons) == 0 {
		return "no daemon of it runs"
	}
	return "these daemons run: " + strings.Join(s.Daemons, ", ")
}

// daemons are the processes of a service by name, as the kernel shortens them. The first one
// starts the others. pacemaker-remoted is of another service.
func daemons(name string) []string {
	if name == Corosync {
		return []string{"corosync"}
	}
	return []string{
		"pacemakerd", "pacemaker-based", "pacemaker-fence", "pacemaker-execd", "pacemaker-attrd", "pacemaker-sched", "pacemaker-contr",
	}
}

// State is how a service is now.
func (c Control) State(ctx context.Context, name string) (State, error) {
	if err := check(name); err != nil {
		return State{}, err
	}
	s, err := c.look(name)
	if err == nil {
		s.Enabled, err = c.isEnabled(ctx, name)
	}
	return s, err
}

// look is State without Enabled.
func (c Control) look(name string) (State, error) {
	running, err := c.processes(daemons(name))
	if err != nil {
		return State{}, fmt.Errorf("looking for the processes of %s: %w", name, err)
	}
	return State{Running: slices.Contains(running, daemons(name)[0]), Daemons: running}, nil
}

// isEnabled reports whether a service starts with the node.
func (c Control) isEnabled(ctx context.Context, name string) (bool, error) {
	if !c.hasSystemd() {
		links, err := filepath.Glob(filepath.Join(c.cfg.Links, "S[0-9][0-9]"+name))
		return len(links) > 0, err
	}
	err := c.run(ctx, "systemctl", "is-enabled", "--quiet", name)
	// systemctl(1): 1 is for the states that are not enabled, 4 for no such unit.
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && slices.Contains([]int{1, 4}, exit.ExitCode()) {
		return false, nil
	}
	return err == nil, err
}

// maxStatus bounds what is read of the status of a process, in bytes.
const maxStatus = 16 << 10

// processes are those of the names that a process of this namespace has, of root or of Pacemaker's
// user: any other user may name a process so. One in a container is not of this node. A process
// that has ended and waits for its parent is none.
func (c Control) processes(names []string) ([]string, error) {
	entries, err := os.ReadDir(c.cfg.Proc)
	if err != nil {
		return nil, err
	}
	owners := []string{"0"}
	if u, err := user.Lookup(c.cfg.User); err == nil { // else Pacemaker is not installed
		owners = append(owners, u.Uid)
	}
	found := map[string]bool{}
	for _, e := range entries {
		if e.Name()[0] < '1' || e.Name()[0] > '9' {
			continue
		}
		text, err := safefile.Read(filepath.Join(c.cfg.Proc, e.Name(), "status"), maxStatus)
		if err != nil { // it has ended
			continue
		}
		fields := statusFields(string(text))
		owner, _, _ := strings.Cut(fields["Uid"], "\t") // the real one
		isOwn := slices.Contains(owners, owner) && len(strings.Fields(fields["NSpid"])) == 1
		if name := fields["Name"]; slices.Contains(names, name) && isOwn && !strings.HasPrefix(fields["State"], "Z") {
			found[name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !found[name] }), nil
}

// statusFields are the lines of proc_pid_status(5).
func statusFields(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}
