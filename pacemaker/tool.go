package pacemaker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"thalassa/cluster"
	"thalassa/internal/leftover"
)

const (
	// maxAnswer is the largest answer of a tool that is taken; a CIB of a
	// thousand resources is 3 MB.
	maxAnswer = 64 << 20
	// maxWords is how much of its complaints is kept.
	maxWords = 16 << 10
	// killDelay is how long a tool that has been told to end may keep its pipes.
	killDelay = 2 * time.Second
)

// Config says how to reach Pacemaker. The zero value is the Pacemaker of this
// node.
type Config struct {
	// Tools is the folder of Pacemaker's tools; empty: where Linux keeps programs.
	Tools string
	// Stream is the program that tells about changes of the CIB: cmd/thalassa-cib
	// (thalassa-cib, looked for as the tools are).
	Stream string
	// File is a CIB to work on in place of the running cluster. Actions change the
	// file, and nothing ever settles.
	File string
	// MayBeNone lets a Watcher say that there is no cluster (cluster.StateNone), in
	// place of one that is offline, while Pacemaker has neither answered it nor left
	// a CIB on this node's disk.
	MayBeNone bool
	// Corosync is where a node of a cluster has its settings
	// (/etc/corosync/corosync.conf), and Kept where Pacemaker keeps the CIB
	// (/var/lib/pacemaker/cib/cib.xml).
	Corosync, Kept string
	// Timeout bounds each call of a tool (20 s).
	Timeout time.Duration
	Logger  *slog.Logger // discards
}

func (c Config) withDefaults() Config {
	if c.Stream == "" {
		c.Stream = "thalassa-cib"
	}
	if c.Corosync == "" {
		c.Corosync = "/etc/corosync/corosync.conf"
	}
	if c.Kept == "" {
		c.Kept = "/var/lib/pacemaker/cib/cib.xml"
	}
	if c.Timeout <= 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Cluster is reached through the tools of one node. All methods may be called
// concurrently; failures of tools are *cluster.Error.
type Cluster struct{ cfg Config }

// New makes a Cluster. It starts nothing.
func New(cfg Config) *Cluster { return &Cluster{cfg.withDefaults()} }

// Installed reports whether Pacemaker's tools are on this node.
func (c *Cluster) Installed() bool {
	_, err := c.find("cibadmin")
	return err == nil
}

// find gives the path of a tool, or of another program that is named by a path.
func (c *Cluster) find(tool string) (string, error) {
	dirs := []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin", "/usr/libexec/thalassa", "/usr/lib/thalassa"}
	switch {
	case strings.Contains(tool, "/"):
		dirs = []string{""}
	case c.cfg.Tools != "":
		dirs = []string{c.cfg.Tools}
	}
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, tool)); err == nil {
			return path, nil
		}
	}
	return "", &cluster.Error{Tool: tool, Kind: cluster.KindNotInstalled}
}

// A call is one run of a tool.
type call struct {
	tool  string
	args  []string
	stdin []byte
	// file is a CIB to work on in place of the cluster's.
	file string
	// plain: the tool cannot speak XML.
	plain bool
	// differs: it ends with 1 when it has found a difference.
	differs bool
	// within bounds it in place of Config.Timeout: it waits for other nodes.
	within time.Duration
}

// run runs a tool and gives what it has printed.
func (c *Cluster) run(ctx context.Context, q call) ([]byte, error) {
	path, err := c.find(q.tool)
	if err != nil {
		return nil, err
	}
	within := cmp.Or(q.within, c.cfg.Timeout)
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	args := q.args
	if !q.plain {
		args = append([]string{"--output-as=xml"}, args...)
	}
	cmd := exec.CommandContext(limited, path, args...)
	cmd.Dir = "/"
	cmd.Env = environment(cmp.Or(q.file, c.cfg.File))
	cmd.Stdin = bytes.NewReader(q.stdin)
	cmd.WaitDelay = killDelay
	stdout, stderr := &limitedBuffer{most: maxAnswer}, &limitedBuffer{most: maxWords}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, &cluster.Error{Tool: q.tool, Kind: cluster.KindTimedOut, Said: "ended after " + within.String()}
	case err == nil && stdout.cut:
		return nil, &cluster.Error{Tool: q.tool, Kind: cluster.KindFailed, Said: fmt.Sprintf("it answers with more than %d bytes", maxAnswer)}
	case err == nil, errors.Is(err, exec.ErrWaitDelay), q.differs && cmd.ProcessState.ExitCode() == 1:
		return stdout.Bytes(), nil
	}
	return nil, toolError(q, err, stdout.Bytes(), stderr.Bytes())
}

// environment of a tool: messages in English, times in UTC.
func environment(file string) []string {
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TZ=UTC"}
	if file != "" {
		env = append(env, "CIB_file="+file)
	}
	return env
}

// toolError tells how a tool has failed. Of a CIB that was refused nothing that
// was printed on standard output is repeated.
func toolError(q call, err error, stdout, stderr []byte) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return &cluster.Error{Tool: q.tool, Kind: cluster.KindNotInstalled, Said: err.Error()}
		}
		return fmt.Errorf("running %s: %w", q.tool, err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &cluster.Error{Tool: q.tool, Kind: cluster.KindCrashed, Said: status.Signal().String()}
	}
	e := &cluster.Error{Tool: q.tool, Kind: kindOf(exit.ExitCode()), Code: exit.ExitCode()}
	said := stderr
	if !q.plain {
		said = append(errorTexts(stdout), stderr...)
	}
	e.Said = toolMessage(q.tool, string(said))
	return e
}

// errorTexts are the errors in a tool's XML.
func errorTexts(stdout []byte) []byte {
	var result struct {
		Errors []string `xml:"status>errors>error"`
	}
	if xml.Unmarshal(stdout, &result) != nil {
		return nil
	}
	return []byte(strings.Join(result.Errors, "\n") + "\n")
}

// toolMessage makes one line of what a tool has said, without what its exit code says
// anyway.
func toolMessage(tool, text string) string {
	var lines []string
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		line = strings.TrimPrefix(strings.TrimPrefix(line, tool+": "), "error: ")
		switch {
		case line == "", seen[line], strings.HasPrefix(line, "Error performing operation"),
			strings.HasPrefix(line, "Init failed"), strings.HasPrefix(line, "-V may provide"), strings.HasPrefix(line, "<"):
			continue
		}
		seen[line] = true
		lines = append(lines, strings.ToValidUTF8(line, "?"))
		if len(lines) == 6 {
			break
		}
	}
	return strings.Join(lines, "; ")
}

// kindOf is the meaning of an exit code (crm_exit_t in crm/common/results.h).
func kindOf(code int) cluster.ErrorKind {
	switch code {
	case 2, 64:
		return cluster.KindUsage
	case 4, 77:
		return cluster.KindForbidden
	case 5:
		return cluster.KindNotInstalled
	case 65, 78:
		return cluster.KindInvalid
	case 69, 102:
		return cluster.KindNotConnected
	case 103, 104:
		return cluster.KindStale
	case 6, 66, 67, 68, 105:
		return cluster.KindNotFound
	case 106:
		return cluster.KindNoQuorum
	case 107, 111, 113:
		return cluster.KindUnsafe
	case 108:
		return cluster.KindExists
	case 124:
		return cluster.KindTimedOut
	case 70:
		return cluster.KindCrashed
	}
	return cluster.KindFailed
}

// A limitedBuffer keeps the beginning of what is written.
type limitedBuffer struct {
	bytes.Buffer
	most int
	cut  bool
}

func (h *limitedBuffer) Write(b []byte) (int, error) {
	room := h.most - h.Len()
	h.cut = h.cut || len(b) > room
	h.Buffer.Write(b[:min(room, len(b))])
	return len(b), nil
}

// filePrefix begins the names of the folders that withFile makes.
const filePrefix = "thalassa-cib-"

// sweep removes those of programs that were killed. Each is used for a few calls of
// Pacemaker's tools.
func (c *Cluster) sweep(ctx context.Context) {
	leftover.Kind{
		Dir: os.TempDir(), Prefixes: []string{filePrefix}, Folders: true, After: 15 * c.cfg.Timeout,
	}.Sweep(ctx, c.cfg.Logger)
}

// withFile gives a file with a CIB, for its owner alone, that is gone
// afterwards.
func withFile(cib []byte, use func(path string) error) error {
	dir, err := os.MkdirTemp("", filePrefix)
	if err != nil {
		return fmt.Errorf("making a folder for a CIB: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only its owner can read what may be left
	path := filepath.Join(dir, "cib.xml")
	if err := os.WriteFile(path, cib, 0o600); err != nil {
		return fmt.Errorf("writing a CIB: %w", err)
	}
	return use(path)
}
