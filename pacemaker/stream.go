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
)

// maxLine bounds a line of the stream; each holds a version only.
const maxLine = 64 << 10

// notRunnable is the exit code of ld.so(8) and of sh(1) for a program that cannot
// run here: that of another release of Pacemaker's libraries.
const notRunnable = 127

// An update is one line that cmd/thalassa-cib prints.
type update struct {
	Epoch cluster.Epoch `json:"epoch"`
}

// stream runs cmd/thalassa-cib and tells of each update, until the program ends:
// with an error always, as it has to run on. It is of kind ClusterNotInstalled
// when there is no such program.
func (c *Cluster) stream(ctx context.Context, tell func(cluster.Epoch)) error {
	path, err := c.find(c.cfg.Stream)
	if err != nil {
		return err
	}
	asked := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Dir = "/"
	cmd.Env = environment("")
	cmd.WaitDelay = killDelay
	words := &limitedBuffer{most: maxWords}
	cmd.Stderr = words
	if _, err := cmd.StdinPipe(); err != nil { // its end tells the program that we are gone
		return fmt.Errorf("starting %s: %w", path, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("starting %s: %w", path, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", path, err)
	}
	reading := readUpdates(out, tell)
	cancel()
	ending := cmd.Wait()
	said := lastWords(words.String())
	switch {
	case errors.Is(context.Cause(asked), errSilent):
		return fmt.Errorf("%s was ended: %w", path, errSilent)
	case cmd.ProcessState.ExitCode() == notRunnable:
		return &cluster.Error{Tool: path, Kind: cluster.KindNotInstalled, Code: notRunnable, Said: said}
	case reading != nil:
		return fmt.Errorf("reading what %s prints: %w", path, reading)
	case said != "":
		return fmt.Errorf("%s has ended: %s", path, said)
	}
	return fmt.Errorf("%s has ended: %w", path, errors.Join(ending, io.EOF))
}

func lastWords(s string) string { return toolMessage("thalassa-cib", s) }

func readUpdates(out io.Reader, tell func(cluster.Epoch)) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var u update
		if err := json.Unmarshal(lines.Bytes(), &u); err != nil {
			return err
		}
		tell(u.Epoch)
	}
	return lines.Err()
}

// errSilent is why a stream was ended that hangs.
var errSilent = errors.New("it did not tell of changes")

// backoff is the pause after a failure that many have preceded in a row.
func backoff(failures int) time.Duration {
	return min(250*time.Millisecond<<min(failures, 7), 30*time.Second)
}
