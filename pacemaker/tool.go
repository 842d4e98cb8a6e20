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
	"slices"
	"strings"
	"syscall"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/internal/head"
	"thalassa/internal/leftover"
)

const (
	// maxStdout limits the output of a tool; a CIB of a thousand resources has 3 MB.
	maxStdout = 64 << 20
	// maxStderr limits how much of its messages is kept.
	maxStderr = 16 << 10
	// killDelay is how long a killed tool may keep its pipes open.
	killDelay = 2 * time.Second
)

// Config is how to reach Pacemaker. The zero value reaches Pacemaker on this node.
type Config struct {
	// Tools is the directory of Pacemaker's tools; empty: the usual directories.
	Tools string
	// Stream is the program that reports changes of the CIB: cmd/thalassa-cib
	// (thalassa-cib, searched like the tools).
	Stream string
	// File is a CIB to use instead of the running cluster. Actions change the file,
	// and the cluster never settles.
	File string
	// OtherCIB are variables of the environment, as OtherCIB returns them: they name the
	// CIB that is used in place of the running cluster's. There, nothing runs and nothing
	// settles: a change is done when it is written.
	OtherCIB []string
	// CheckParameters validates parameters of the resource agent ocf:thalassa:haproxy
	// (any are valid), and Defaults has the values of those that a resource does not
	// set.
	CheckParameters func(map[string]string) error
	Defaults        map[string]string
	// MayBeNone lets a Watcher report that there is no cluster (cluster.StateNone)
	// instead of an offline one, as long as Pacemaker has neither answered nor stored
	// a CIB on this node, and again after the node has left: without both files below.
	MayBeNone bool
	// Corosync is the path of corosync's configuration
	// (/etc/corosync/corosync.conf), and Kept that of Pacemaker's stored CIB
	// (/var/lib/pacemaker/cib/cib.xml).
	Corosync, Kept string
	// AsUser says that this process is not root, to which alone corosync answers on most nodes. Its
	// file is read instead.
	AsUser bool
	// Timeout limits each call of a tool (20 s).
	Timeout time.Duration
	Logger  *slog.Logger // discards

	user string // whose ACLs hold for writes; empty: the own ones
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

// A Cluster is a Pacemaker cluster, reached through the tools of one node. Its
// methods are safe for concurrent use. Failures of tools are *cluster.Error.
type Cluster struct{ tools }

// tools runs Pacemaker's tools.
type tools struct{ cfg Config }

// New returns a Cluster. It starts nothing.
func New(cfg Config) *Cluster { return &Cluster{tools{cfg.withDefaults()}} }

// Installed reports whether Pacemaker's tools are installed on this node.
func (c *Cluster) Installed() bool { return c.installed() }

func (t *tools) installed() bool {
	_, err := t.find("cibadmin")
	return err == nil
}

// find returns the path of a tool, or of another program that is named by a path.
func (t *tools) find(tool string) (string, error) {
	dirs := []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin", "/usr/libexec/thalassa", "/usr/lib/thalassa"}
	switch {
	case strings.Contains(tool, "/"):
		dirs = []string{""}
	case t.cfg.Tools != "":
		dirs = []string{t.cfg.Tools}
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
	// file is a CIB to use instead of the cluster's.
	file string
	// plain: the tool has no XML output.
	plain bool
	// differs: the tool exits with 1 if it has found a difference.
	differs bool
	// answers: its exit code is part of its answer, which is its XML.
	answers bool
	// live: it acts on the running cluster, or on its status, and not by its configuration.
	live bool
	// said receives the start of its standard error; nil: nobody needs it.
	said *bytes.Buffer
	// within replaces Config.Timeout for a tool that waits for other nodes.
	within time.Duration
}

// backgroundNice is the priority of tools for which nobody waits: Pacemaker and HAProxy come first
// on a busy node.
const backgroundNice = 15

type backgroundKey struct{}

// InBackground returns a context in which tools run with a lower priority, because nobody waits for
// their results.
func InBackground(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

// run runs a tool and returns its standard output.
func (t *tools) run(ctx context.Context, q call) ([]byte, error) {
	path, err := t.find(q.tool)
	if err != nil {
		return nil, err
	}
	within := cmp.Or(q.within, t.cfg.Timeout)
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	args := q.args
	if q.writesAs(t.cfg.user) {
		args = append([]string{"--user", t.cfg.user}, args...)
	}
	if !q.plain {
		args = append([]string{"--output-as=xml"}, args...)
	}
	cmd := exec.CommandContext(limited, path, args...)
	cmd.Dir = "/"
	cmd.Env = t.cfg.environment(q.file)
	cmd.Stdin = bytes.NewReader(q.stdin)
	cmd.WaitDelay = killDelay
	stdout, stderr := head.New(maxStdout), head.New(maxStderr)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err = cmd.Start(); err == nil {
		if ctx.Value(backgroundKey{}) != nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, backgroundNice) // it does its work at any priority
		}
		err = cmd.Wait()
	}
	if q.said != nil {
		q.said.Write(stderr.Bytes())
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, &cluster.Error{Tool: q.tool, Kind: cluster.KindTimedOut, Said: "killed after " + within.String()}
	case err == nil && stdout.IsCut():
		return nil, &cluster.Error{Tool: q.tool, Kind: cluster.KindFailed, Said: fmt.Sprintf("its output has more than %d bytes", maxStdout)}
	case err == nil, errors.Is(err, exec.ErrWaitDelay), q.differs && cmd.ProcessState.ExitCode() == 1, q.answers && cmd.ProcessState.ExitCode() > 0:
		return stdout.Bytes(), nil
	}
	return nil, t.toolError(ctx, q, err, stdout.Bytes(), stderr.Bytes())
}

// writesAs reports whether the ACLs of a user hold for a call; empty: there is no user.
func (q call) writesAs(user string) bool {
	return user != "" && q.tool == "cibadmin" && slices.Contains(q.args, "--patch")
}

// environment returns the environment of a tool: messages in English, times in UTC, and
// the CIB to use.
func (c Config) environment(file string) []string {
	env := baseEnvironment()
	if file = cmp.Or(file, c.File); file != "" {
		return append(env, "CIB_file="+file)
	}
	return append(env, c.OtherCIB...)
}

func baseEnvironment() []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// isLive reports whether the tools use the CIB of the running cluster.
func (t *tools) isLive() bool { return len(t.cfg.OtherCIB) == 0 }

// toolError returns the error of a failed tool. Of its standard output, it only
// contains the errors in the XML: the rest may repeat a refused CIB.
func (t *tools) toolError(ctx context.Context, q call, err error, stdout, stderr []byte) error {
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
	if e.Kind == cluster.KindForbidden && q.writesAs(t.cfg.user) {
		e.User = t.cfg.user
	}
	said := stderr
	if !q.plain {
		said = append(errorTexts(stdout), stderr...)
	}
	e.Said = t.hide(ctx, q, toolMessage(q.tool, string(said)))
	return e
}

// hide masks secrets in the message of a tool: those of the CIB that it has used, those of
// the XML that it was given, and what has the form of a secret.
func (t *tools) hide(ctx context.Context, q call, text string) string {
	if root, err := cibxml.Parse(q.stdin); err == nil {
		text = (&CIB{root: root}).Hide(text)
	}
	return t.used(ctx, q).Hide(text)
}

// used is the CIB that a tool has used; nil: it cannot be read.
func (t *tools) used(ctx context.Context, q call) *CIB {
	path := cmp.Or(q.file, t.cfg.File)
	for _, variable := range t.cfg.OtherCIB {
		if file, ok := strings.CutPrefix(variable, "CIB_file="); ok && path == "" {
			path = file
		}
	}
	if path != "" {
		cib, _ := readCIB(path)
		return cib
	}
	ask := queryCIB()
	if q.tool == ask.tool && slices.Equal(q.args, ask.args) {
		return nil
	}
	ask.within = min(lookWithin, cmp.Or(q.within, t.cfg.Timeout))
	data, err := t.run(ctx, ask)
	if err != nil {
		return nil
	}
	cib, _ := ParseCIB(data)
	return cib
}

// errorTexts returns the errors in a tool's XML output.
func errorTexts(stdout []byte) []byte {
	var result struct {
		Errors []string `xml:"status>errors>error"`
	}
	if xml.Unmarshal(stdout, &result) != nil {
		return nil
	}
	return []byte(strings.Join(result.Errors, "\n") + "\n")
}

// toolMessage joins the messages of a tool in one line, without those that only repeat
// the exit code.
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

// kindOf returns the kind of an exit code (crm_exit_t in crm/common/results.h).
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

// filePrefix begins the names of the directories that withFile makes.
const filePrefix = "thalassa-cib-"

// removeLeftovers removes the directories of killed programs. Each is used only for a
// few calls of Pacemaker's tools.
func (t *tools) removeLeftovers(ctx context.Context) {
	leftover.Kind{
		Dir: os.TempDir(), Prefixes: []string{filePrefix}, Folders: true, After: 15 * t.cfg.Timeout,
	}.Sweep(ctx, t.cfg.Logger)
}

// withFile calls use with the path of a private file that contains a CIB, and removes
// the file afterwards.
func withFile(cib []byte, use func(path string) error) error {
	dir, err := os.MkdirTemp("", filePrefix)
	if err != nil {
		return fmt.Errorf("creating a directory for a CIB: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only its owner can read a leftover
	path := filepath.Join(dir, "cib.xml")
	if err := os.WriteFile(path, cib, 0o600); err != nil {
		return fmt.Errorf("writing a CIB: %w", err)
	}
	return use(path)
}
