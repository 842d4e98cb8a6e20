package history

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"thalassa/internal/wake"
)

const (
	// sharePause is the least pause between two talks with the other nodes. A failover has
	// its transitions within a few seconds, in which nobody should be disturbed.
	sharePause = 3 * time.Second
	// longestPause is the longest pause between two, when nothing changes.
	longestPause = 2 * time.Minute
	// shareNews is how old an input may be of which the other nodes are still told.
	shareNews = 10 * time.Minute
	// mostShared is how much of inputs is said, in bytes. Linux passes no argument of more
	// than 128 KB to a program.
	mostShared = 64 << 10
	// sealedAs is the name under which inputs are sealed.
	sealedAs = "inputs"
)

// An Exchange passes texts between the nodes of a cluster, as *pacemaker.Exchange does: each
// node has one, which the others hear.
type Exchange interface {
	Say(ctx context.Context, text string) error
	Heard(ctx context.Context) (map[string]string, error)
}

// A Key seals what nodes tell each other, as *auth.ClusterKey does: Pacemaker writes into its
// log what an Exchange passes, and inputs have secrets.
type Key interface {
	Seal(name string, data []byte) []byte
	Open(name string, sealed []byte) ([]byte, error)
}

// A Sharer tells the other nodes of a cluster about new inputs of this node, and keeps
// theirs: so that what a node saw is not lost with it. Inputs that are too large for the
// Exchange stay on their node. Run is called once.
type Sharer struct {
	Recorder *Recorder
	Exchange Exchange
	Key      Key
	// Changed closes with the next change of the cluster, which may be a transition.
	Changed func() <-chan struct{}
	Logger  *slog.Logger

	told string // the last problem that was told
}

// Run shares until ctx ends, which is not an error. What other nodes say changes nothing that
// this node would be told of, so it listens again for some time after each change.
func (s *Sharer) Run(ctx context.Context) error {
	for pause := sharePause; ; pause = min(2*pause, longestPause) {
		changed := s.Changed()
		err := errors.Join(s.say(ctx), s.hear(ctx))
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is no error
		}
		s.tell(ctx, err)
		if wake.Pause(ctx, sharePause) != nil {
			return nil //nolint:nilerr // as above
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			pause = sharePause
		case <-s.Recorder.news:
			pause = sharePause
		case <-time.After(pause):
			continue
		}
		if wake.Pause(ctx, sharePause) != nil { // the rest of the failover
			return nil //nolint:nilerr // as above
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
	text, err := s.textOf(list)
	if text == "" {
		return err
	}
	if said := s.Exchange.Say(ctx, text); said != nil {
		s.Recorder.unsaid()
		return said
	}
	return err
}

// hear keeps the inputs that the other nodes tell of.
func (s *Sharer) hear(ctx context.Context) error {
	texts, err := s.Exchange.Heard(ctx)
	if err != nil {
		return err
	}
	var problems error
	for _, text := range texts {
		for _, in := range s.inputsOf(text) {
			// What is no input is passed over.
			if _, _, err := s.Recorder.Past.Add(in.Name, in.Data, time.Unix(in.Kept, 0), s.Recorder.Now()); ifDisk(err) != nil {
				problems = err
			}
		}
	}
	return problems
}

// A sharedInput is an input as one node tells the others of it.
type sharedInput struct {
	Name string
	Kept int64 // seconds since 1970
	Data []byte
}

// textOf is what is said of inputs, the latest first, as many as find room. One that finds
// none by itself is passed over, and is an error.
func (s *Sharer) textOf(own []ownInput) (text string, err error) {
	var list []sharedInput
	size := 0
	for _, o := range slices.Backward(own) {
		if o.size > mostShared {
			err = fmt.Errorf("%s has %d bytes, expected at most %d", o.name, o.size, mostShared)
			continue
		}
		if size += len(o.data); size > mostShared {
			break
		}
		list = append(list, sharedInput{o.name, o.kept.Unix(), o.data})
	}
	if len(list) == 0 {
		return "", err
	}
	var plain bytes.Buffer
	if err := gob.NewEncoder(&plain).Encode(list); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(s.Key.Seal(sealedAs, plain.Bytes())), err
}

// inputsOf are the inputs of what another node said; nil: it is not of a node with our key.
func (s *Sharer) inputsOf(text string) []sharedInput {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	plain, err := s.Key.Open(sealedAs, sealed)
	if err != nil {
		return nil
	}
	var list []sharedInput
	if gob.NewDecoder(bytes.NewReader(plain)).Decode(&list) != nil {
		return nil
	}
	return list
}
