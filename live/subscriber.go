package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"thalassa/stream"
)

// The codes with which the server closes a websocket (docs/streams.md).
const (
	codeNoSubscription websocket.StatusCode = 4001
	codeBadMessage     websocket.StatusCode = 4002
	codeTooSlow        websocket.StatusCode = 4003
	codeSessionOver    websocket.StatusCode = 4004
)

const (
	// subscribeTimeout is how long a client may take for its first subscription.
	subscribeTimeout = 10 * time.Second
	// frameTimeout is how long a client may take to read one frame.
	frameTimeout = 10 * time.Second
	// checkEvery is the time between two checks whether clients answer and are
	// still who they were.
	checkEvery = 15 * time.Second
	// A subscription's bounds.
	maxSubscription = 256 << 10
	maxKeys         = 5000
	maxTopics       = 32
)

// A closeReason is why the server closes a websocket.
type closeReason struct {
	code   websocket.StatusCode
	reason string
}

// Error is the reason.
func (r *closeReason) Error() string { return r.reason }

// A subscriber is one websocket.
type subscriber struct {
	server *Server
	conn   *websocket.Conn
	writer *frameWriter // of conn
	client *stream.Client
	peer   Peer
	// end ends it; the cause is a *closeReason or the connection's error.
	end context.CancelCauseFunc
	ctx func() context.Context // the one that end ends

	pinged  atomic.Bool // and it has not answered
	greeted bool        // hello was sent; of the goroutine that writes
	writing atomic.Bool // there is such a goroutine
	due     atomic.Bool // there is something to write
}

// wake has what is due written. A websocket has no goroutine for that while there
// is nothing: a thousand of them would be memory.
func (s *subscriber) wake() {
	s.due.Store(true)
	if s.writing.CompareAndSwap(false, true) {
		s.server.pool.add(s)
	}
}

// writeAll writes until nothing is due. Unless it may block it waits for nobody:
// what cannot be written at once is left to a goroutine of its own.
func (s *subscriber) writeAll(mayBlock bool) {
	for {
		s.due.Store(false)
		err := s.writeDue(mayBlock)
		switch {
		case errors.Is(err, errNoRoom), errors.Is(err, stream.ErrLong):
			go s.writeAll(true)
			return
		case err != nil:
			s.end(err)
			return // and nobody begins again
		}
		s.writing.Store(false)
		if !s.due.Load() || !s.writing.CompareAndSwap(false, true) {
			return // who makes it due from now on has it written
		}
	}
}

// writeDue writes until there is nothing more.
func (s *subscriber) writeDue(mayBlock bool) (err error) {
	if !mayBlock {
		if !s.greeted {
			return stream.ErrLong
		}
		for more := true; more && err == nil; {
			more, err = s.client.StepBriefly(s.tryWrite)
		}
		return err
	}
	if err := s.writer.flush(s.ctx()); err != nil {
		return err
	}
	if !s.greeted {
		s.greeted = true
		if err := s.write(s.hello()); err != nil {
			return err
		}
	}
	for more := true; more && err == nil; {
		more, err = s.client.Step(s.write)
	}
	return err
}

func (s *subscriber) tryWrite(frame []byte) error { return s.writer.tryWriteText(s.ctx(), frame) }
func (s *subscriber) write(frame []byte) error    { return s.writer.writeText(s.ctx(), frame) }

// close closes the websocket once s has ended, with the reason if it is there to
// read one.
func (s *subscriber) close() {
	ctx := s.ctx()
	s.client.Leave()
	err := context.Cause(ctx)
	var why *closeReason
	switch {
	case errors.Is(err, stream.ErrSlow), errors.Is(err, os.ErrDeadlineExceeded):
		why = &closeReason{codeTooSlow, "too slow"}
	case !errors.As(err, &why):
		why = nil // it has gone
	}
	if why != nil {
		s.server.cfg.Logger.DebugContext(ctx, "websocket closed", "code", int(why.code), "reason", why.reason, "name", s.peer.Name)
		_ = s.conn.Close(why.code, why.reason) // it may have gone meanwhile
	}
	_ = s.conn.CloseNow()
}

// hello is the first frame.
func (s *subscriber) hello() []byte {
	cfg := s.server.cfg
	frame, err := json.Marshal(struct {
		Type     string   `json:"type"`
		Protocol string   `json:"protocol"`
		Version  string   `json:"version"`
		Label    string   `json:"label"`
		Epoch    string   `json:"epoch"`
		Seq      uint64   `json:"seq"`
		Interval int64    `json:"interval"`
		History  int      `json:"history"`
		Topics   []string `json:"topics"`
	}{"hello", Protocol, cfg.Version, cfg.Label, cfg.Hub.Epoch(), cfg.Hub.Seq(), cfg.Interval.Milliseconds(), cfg.History, cfg.Hub.Topics()})
	if err != nil { // never: there is nothing that cannot be encoded
		return []byte(`{}`)
	}
	return frame
}

// read takes subscriptions until the connection ends.
func (s *subscriber) read(ctx context.Context) {
	timeout := time.AfterFunc(subscribeTimeout, func() { s.end(&closeReason{codeNoSubscription, "no subscription came in time"}) })
	defer timeout.Stop()
	for {
		_, data, err := s.conn.Read(ctx)
		if err != nil {
			s.end(err)
			return
		}
		// What it takes to understand a message, this goroutine would keep as
		// its stack for as long as it waits for the next.
		done := make(chan error)
		go func() { done <- s.subscribe(data) }()
		if err := <-done; err != nil {
			frame, _ := json.Marshal(struct { // strings can be encoded
				Type    string `json:"type"`
				Message string `json:"message"`
			}{"error", err.Error()})
			_ = s.writer.writeText(ctx, frame) // the close code says it, too
			s.end(&closeReason{codeBadMessage, "bad message"})
			return
		}
		timeout.Stop()
	}
}

func (s *subscriber) subscribe(data []byte) error {
	var in struct {
		Type   string   `json:"type"`
		Topics []string `json:"topics"`
		Keys   []string `json:"keys"`
		Epoch  string   `json:"epoch"`
		Seq    uint64   `json:"seq"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return messageError(err)
	}
	switch {
	case in.Type != "subscribe":
		return fmt.Errorf("%s is not a type of message; expected subscribe", quoted(in.Type))
	case len(in.Topics) > maxTopics:
		return fmt.Errorf("%d topics are too many; there are not more than %d", len(in.Topics), maxTopics)
	case len(in.Keys) > maxKeys:
		return fmt.Errorf("%d keys are too many; leave keys out to follow everything, or name %d at most", len(in.Keys), maxKeys)
	}
	return s.client.Subscribe(stream.Subscription{Topics: in.Topics, Keys: in.Keys, Epoch: in.Epoch, Seq: in.Seq})
}

// messageError says what is wrong with a message that could not be decoded.
func messageError(err error) error {
	typing, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return fmt.Errorf("the message is not JSON: %w", err)
	case typing.Field == "":
		return fmt.Errorf("the message is not an object: it is of the kind %s", typing.Value)
	}
	return fmt.Errorf("%s is not as described: it is of the kind %s", typing.Field, typing.Value)
}

// check ends s unless the client answers and is still who it was. It waits for
// nothing: an answer has time until the next check.
func (s *subscriber) check() {
	if s.peer.Check != nil {
		if !s.peer.Check() {
			s.end(&closeReason{codeSessionOver, "the session is over"})
			return
		}
	}
	if s.pinged.Swap(true) {
		s.end(errGone)
		return
	}
	if !s.writer.ping() { // whoever takes too long for a text is closed for that
		s.pinged.Store(false)
	}
}

// errGone says that a client does not answer.
var errGone = errors.New("the client is not there any more")

// quoted makes a part of a message fit to be repeated in a sentence.
func quoted(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}
