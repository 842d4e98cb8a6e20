package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"thalassa/corosync"
	"thalassa/internal/head"
	"thalassa/internal/safefile"
	"thalassa/internal/wake"
	"thalassa/services"
)

const (
	toolWithin = 30 * time.Second
	maxOutput  = 1 << 20
)

// programs are those that a node needs.
func programs() []string {
	return []string{"corosync", "corosync-cfgtool", "corosync-cmapctl", "pacemakerd", "crm_node"}
}

// checkPrograms reports which programs are missing.
func (c Config) checkPrograms() error {
	var missing []string
	for _, name := range programs() {
		info, err := os.Stat(filepath.Join(c.Tools, name))
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return conflict("%s is not installed in %s: install the packages corosync and pacemaker", strings.Join(missing, ", "), c.Tools)
	}
	return nil
}

// tool runs a tool of corosync or Pacemaker and returns its standard output.
func (c Config) tool(ctx context.Context, name string, args ...string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, toolWithin)
	defer cancel()
	cmd := exec.CommandContext(limited, filepath.Join(c.Tools, name), args...)
	cmd.Dir, cmd.WaitDelay = "/", 2*time.Second
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	out, said := head.New(maxOutput), head.New(maxOutput)
	cmd.Stdout, cmd.Stderr = out, said
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case limited.Err() != nil:
		return "", fmt.Errorf("%s: killed after %s", name, toolWithin)
	case err != nil:
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.Join(strings.Fields(said.String()+" "+out.String()), " "))
	}
	return out.String(), nil
}

// reload has corosync on all nodes read its file, and returns when this one has a version in effect.
func (c Config) reload(ctx context.Context, version uint64) error {
	if _, err := c.tool(ctx, "corosync-cfgtool", "-R"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, effectWithin)
	defer cancel()
	for {
		now, err := c.inEffect(ctx)
		if err == nil && now == version {
			return nil
		}
		if wake.Pause(ctx, 250*time.Millisecond) != nil {
			return cmp.Or(err, fmt.Errorf("corosync has version %d of its configuration in effect, expected %d", now, version))
		}
	}
}

// inEffect is the version of the configuration that corosync on this node has in effect: 0 for one
// without a version (corosync.conf(5)), as the example of Debian is.
func (c Config) inEffect(ctx context.Context) (uint64, error) {
	out, err := c.tool(ctx, "corosync-cmapctl", "-g", "totem.config_version")
	if err != nil && strings.Contains(err.Error(), "CS_ERR_NOT_EXIST") {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_, value, _ := strings.Cut(out, "=")
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
	if err != nil {
		return 0, errors.New("corosync-cmapctl: expected a number for totem.config_version")
	}
	return n, nil
}

// isInEffect reports whether corosync has a file in effect. It waits for one that has just been
// started.
func (c Config) isInEffect(ctx context.Context, file string) (bool, error) {
	data, err := safefile.Read(file, maxConf)
	if err != nil {
		return false, err
	}
	conf, err := corosync.Parse(data)
	if err != nil {
		return false, err
	}
	limited, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for {
		now, answer := c.inEffect(limited)
		if answer == nil {
			return now == conf.Version(), nil
		}
		if s, err := c.Services.State(ctx, services.Corosync); err != nil || !s.Running {
			return false, err
		}
		if wake.Pause(limited, 250*time.Millisecond) != nil {
			return false, fmt.Errorf("corosync runs, but does not answer: %w", answer)
		}
	}
}
