package history

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/internal/wake"
)

const (
	// sharePause is the least pause between two talks with the other nodes. A failover has
	// its transitions within a few seconds, in which nobody should be disturbed.
	sharePause = 3 * time.Second
	// shareNews is how old an input may be of which the other nodes are still told.
	shareNews = 10 * time.Minute
	// mostShared is the longest text that is said: Linux passes no argument of more than
	// 128 KB to a program.
	mostShared = 96 << 10
)

// An Exchange passes texts between the nodes of a cluster, as *pacemaker.Exchange does: each
// node has one, which the others hear.
type Exchange interface {
	Say(ctx context.Context, text string) error
	Heard(ctx context.Context) (map[string]string, error)
}

// A Sharer tells the other nodes of a cluster about new inputs of this node, and keeps
// theirs: so that what a node saw is not lost with it. Inputs that are too large for the
// Exchange stay on their node. Run is called once.
type Sharer struct {
	Recorder *Recorder
	Exchange Exchange
	// Changed closes with the next change of the cluster, which may be a transition.
	Changed func() <-chan struct{}
	Logger  *slog.Logger

	told string // the last problem that was told
}

// Run shares until ctx ends, which is not an error.
func (s *Sharer) Run(ctx context.Context) error {
	for {
		changed := s.Changed()
		err := errors.Join(s.say(ctx), s.hear(ctx))
		if ctx.Err() != nil {
			return nil
		}
		s.tell(ctx, err)
		if wake.Pause(ctx, sharePause) != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-s.Recorder.news:
		}
		if wake.Pause(ctx, sharePause) != nil { // the rest of the failover
			return nil
		}
	}
}

// tell logs a problem when it is another one than before.
func (s *Sharer) tell(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != s.told && text != "" {
		s.Logger.WarnContext(ctx, "history of the cluster: it is not shared with the other nodes", "error", err)
	}
	s.told = text
}

// say tells the other nodes about the newest inputs of this node.
func (s *Sharer) say(ctx context.Context) error {
	list, changed := s.Recorder.recent()
	if !changed {
		return nil
	}
	text, err := textOf(list)
	if text == "" {
		return err
	}
	if said := s.Exchange.Say(ctx, text); said != nil {
		s.Recorder.unsaid()
		return said
	}
	return err
}

// textOf is what is said of inputs, the latest first, as many as find room. One that finds
// none by itself is passed over, and is an error.
func textOf(list []ownInput) (text string, err error) {
	var parts []string
	size := 0
	for _, own := range slices.Backward(list) {
		part := own.name + " " + strconv.FormatInt(own.kept.Unix(), 10) + " " + base64.StdEncoding.EncodeToString(own.data)
		if len(part) > mostShared {
			err = fmt.Errorf("%s has %d bytes, expected at most %d", own.name, len(own.data), mostShared*3/4)
			continue
		}
		if size += len(part) + 1; size > mostShared {
			break
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ";"), err
}

// hear keeps the inputs that the other nodes tell of. What is no input is passed over: each
// node says what it keeps by itself.
func (s *Sharer) hear(ctx context.Context) error {
	texts, err := s.Exchange.Heard(ctx)
	if err != nil {
		return err
	}
	var problems error
	for _, text := range texts {
		for part := range strings.SplitSeq(text, ";") {
			words := strings.Split(part, " ")
			if len(words) != 3 || !isInput(words[0]) || len(words[2]) > mostShared {
				continue
			}
			seconds, err := strconv.ParseInt(words[1], 10, 64)
			data, bad := base64.StdEncoding.DecodeString(words[2])
			if err != nil || bad != nil {
				continue
			}
			now := s.Recorder.Now()
			if _, _, err := s.Recorder.Past.Add(words[0], data, time.Unix(seconds, 0), now); ifDisk(err) != nil {
				problems = err
			}
		}
	}
	return problems
}
