package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Protocol is the sub-protocol of the agent's websocket (docs/streams.md).
const Protocol = "thalassa.v1"

// maxFrame is the maximum size of a frame.
const maxFrame = 64 << 20

// A Frame is one message of the agent's websocket. Its fields depend on
// Type: "hello", "state", "delta", "resumed", "error", and "lost". The client itself
// sends "lost": the connection has ended, and is being made again.
type Frame struct {
	Type  string `json:"type"`
	Topic string `json:"topic"`
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
	Time  int64  `json:"time"` // milliseconds since the epoch
	// Objects of a state, Changed and Removed of a delta: JSON with the field id.
	Objects []json.RawMessage `json:"objects"`
	Changed []json.RawMessage `json:"changed"`
	Removed []string          `json:"removed"`
	// Continues says that a delta is a further piece of a state.
	Continues bool `json:"-"`
	// Version, Label, Interval (milliseconds) and Topics are of a hello.
	Version  string   `json:"version"`
	Label    string   `json:"label"`
	Interval int64    `json:"interval"`
	Topics   []string `json:"topics"`
	// Message says what was wrong, or why the connection was lost.
	Message string `json:"message"`
}

// Stream subscribes to topics, with keys only to the objects of these, and calls f with
// every frame until ctx ends, which is no error, or f returns one. If the agent
// cannot be reached at first, that is an error. After its first answer it is retried,
// and resumes after the last frame.
func (c *Client) Stream(ctx context.Context, topics, keys []string, f func(Frame) error) error {
	s := subscription{Type: "subscribe", Topics: topics, Keys: keys}
	backoff, answered := minBackoff, false
	for ctx.Err() == nil {
		begin := time.Now()
		greeted, err := c.transport.stream(ctx, &s, f)
		var own *receiverError
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // that is what err is about
		case errors.As(err, &own):
			return own.err
		case !answered && !greeted, !IsTemporary(err) && !greeted:
			return err
		}
		answered = true
		if err := f(Frame{Type: "lost", Message: err.Error()}); err != nil {
			return err
		}
		if time.Since(begin) > maxBackoff {
			backoff = minBackoff
		}
		pause(ctx, backoff)
		backoff = min(2*backoff, maxBackoff)
	}
	return nil
}

type subscription struct {
	Type   string   `json:"type"`
	Topics []string `json:"topics"`
	Keys   []string `json:"keys,omitempty"`
	Epoch  string   `json:"epoch,omitempty"`
	Seq    uint64   `json:"seq,omitempty"`
}

// receiverError is an error of the function that gets the frames.
type receiverError struct{ err error }

// Error is the function's.
func (e *receiverError) Error() string { return e.err.Error() }

// stream is one connection. greeted says that the agent has said hello.
func (t transport) stream(ctx context.Context, s *subscription, f func(Frame) error) (greeted bool, err error) {
	conn, err := t.dialStream(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxFrame)
	data, err := json.Marshal(s)
	if err != nil {
		return false, fmt.Errorf("encoding a subscription: %w", err)
	}
	if err := conn.Write(ctx, websocket.MessageText, data); err != nil {
		return false, &unreachableError{err}
	}
	at := position{states: map[string]uint64{}}
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return greeted, &unreachableError{err}
		}
		var frame Frame
		if err := json.Unmarshal(data, &frame); err != nil {
			return greeted, fmt.Errorf("decoding a frame: %w", err)
		}
		switch frame.Type {
		case "hello":
			greeted = true
		case "error":
			return false, &Error{Status: http.StatusBadRequest, Code: "invalid", Message: frame.Message}
		}
		at.advance(&frame, s)
		if err := f(frame); err != nil {
			return greeted, &receiverError{err}
		}
	}
}

// A position is how far a connection has come.
type position struct {
	epoch  string
	states map[string]uint64 // the number of each topic's state
}

// advance records a frame, and where the next subscription resumes:
// after a delta, which is only sent after all states are complete.
func (p *position) advance(f *Frame, s *subscription) {
	switch f.Type {
	case "hello":
		p.epoch = f.Epoch
	case "state":
		p.states[f.Topic] = f.Seq
		s.Epoch, s.Seq = "", 0
	case "delta":
		if state, ok := p.states[f.Topic]; ok && f.Seq <= state {
			f.Continues = true
			return
		}
		s.Epoch, s.Seq = p.epoch, f.Seq
	}
}

func (t transport) dialStream(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	header := http.Header{}
	if t.token != "" {
		header.Set("Authorization", "Bearer "+t.token)
	}
	conn, res, err := websocket.Dial(ctx, t.base+"/streams", &websocket.DialOptions{
		HTTPClient: t.http, HTTPHeader: header, Subprotocols: []string{Protocol},
	})
	if err == nil {
		return conn, nil
	}
	if res == nil {
		return nil, &unreachableError{err}
	}
	var answer strings.Builder
	if res.Body != nil {
		buf := make([]byte, 1024)
		n, _ := res.Body.Read(buf)
		answer.Write(buf[:n])
		_ = res.Body.Close()
	}
	return nil, newError(res, []byte(answer.String()))
}
