package pacemaker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"thalassa/cluster"
	"thalassa/internal/head"
)

// maxLine limits a line of the stream, which only contains a version.
const maxLine = 64 << 10

// notRunnable is the exit code of ld.so(8) and sh(1) for a program that cannot run
// here, for example because of another release of Pacemaker's libraries.
const notRunnable = 127

// An update is one line that cmd/thalassa-cib prints.
type update struct {
	Epoch cluster.Epoch `json:"epoch"`
}

// stream runs cmd/thalassa-cib and reports each update until the program ends. It
// always returns an error, of kind KindNotInstalled if the program is missing.
func (t *tools) stream(ctx context.Context, report func(cluster.Epoch)) error {
	path, err := t.find(t.cfg.Stream)
	if err != nil {
		return err
	}
	caller := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Dir = "/"
	cmd.Env = baseEnvironment()
	cmd.WaitDelay = killDelay
	stderr := head.New(maxStderr)
	cmd.Stderr = stderr
	if _, err := cmd.StdinPipe(); err != nil { // the program ends when it is closed
		return fmt.Errorf("starting %s: %w", path, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("starting %s: %w", path, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", path, err)
	}
	reading := readUpdates(out, report)
	cancel()
	ending := cmd.Wait()
	said := toolMessage("thalassa-cib", stderr.String())
	switch {
	case errors.Is(context.Cause(caller), errSilent):
		return fmt.Errorf("%s was killed: %w", path, errSilent)
	case cmd.ProcessState.ExitCode() == notRunnable:
		return &cluster.Error{Tool: path, Kind: cluster.KindNotInstalled, Code: notRunnable, Said: said}
	case reading != nil:
		return fmt.Errorf("reading the output of %s: %w", path, reading)
	case said != "":
		return fmt.Errorf("%s exited: %s", path, said)
	}
	return fmt.Errorf("%s exited: %w", path, errors.Join(ending, io.EOF))
}

func readUpdates(out io.Reader, report func(cluster.Epoch)) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var u update
		if err := json.Unmarshal(lines.Bytes(), &u); err != nil {
			return err
		}
		report(u.Epoch)
	}
	return lines.Err()
}

// errSilent is why a hanging stream was killed.
var errSilent = errors.New("it did not report changes")

// backoff returns the pause after a number of consecutive failures.
func backoff(failures int) time.Duration {
	return min(250*time.Millisecond<<min(failures, 7), 30*time.Second)
}
