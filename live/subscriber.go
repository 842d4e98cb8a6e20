package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	codeChanged                             = websocket.StatusServiceRestart
)

const (
	// subscribeTimeout is how long a client may take for its first subscription.
	subscribeTimeout = 10 * time.Second
	// frameTimeout is how long a client may take to read one frame.
	frameTimeout = 10 * time.Second
	// checkEvery is the time between two checks whether clients answer.
	checkEvery = 15 * time.Second
	// askEvery is the time between two checks whether they still have their rights.
	askEvery = time.Second
	// The bounds of a subscription.
	maxSubscription = 256 << 10
	maxKeys         = 5000
	maxTopics       = 32
	// smallMessage is how much of a message is read without being counted.
	smallMessage = 4 << 10
)

// A closeError is why the server closes a websocket.
type closeError struct {
	code   websocket.StatusCode
	reason string
}

// Error is the reason.
func (r *closeError) Error() string { return r.reason }

// A subscriber is one websocket.
type subscriber struct {
	server *Server
	conn   *websocket.Conn
	writer *frameWriter // of conn
	client *stream.Client
	hub    *stream.Hub // of client
	peer   Peer
	// end ends it; the cause is a *closeError or the connection's error.
	end context.CancelCauseFunc
	ctx func() context.Context // the one that end ends

	pinged  atomic.Bool // and the client has not answered
	greeted bool        // hello was sent; used by the goroutine that writes
	writing atomic.Bool // there is such a goroutine
	due     atomic.Bool // there is something to write
	keys    int         // bytes of its keys in the server's ledger; used by the goroutine that reads
}

// wake makes the writer pool write what is due. An idle websocket has no goroutine for
// writing, to save memory.
func (s *subscriber) wake() {
	if s.client.IsInTheWay() {
		s.end(stream.ErrSlow) // it may be in a write that blocks
	}
	s.due.Store(true)
	if s.writing.CompareAndSwap(false, true) {
		s.server.pool.add(s)
	}
}

// writeAll writes until nothing is due. Unless it may block, it leaves what cannot be
// written without blocking to a new goroutine.
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
			return // writing stays true: nothing more is written
		}
		s.writing.Store(false)
		if !s.due.Load() || !s.writing.CompareAndSwap(false, true) {
			return // a later wake queues it again
		}
	}
}

// writeDue writes everything that the hub has for the subscriber.
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

// close closes the websocket once s has ended, with the reason unless the client has
// gone.
func (s *subscriber) close() {
	ctx := s.ctx()
	s.client.Leave()
	s.left()
	err := context.Cause(ctx)
	var why *closeError
	switch {
	case errors.Is(err, stream.ErrSlow), errors.Is(err, os.ErrDeadlineExceeded):
		if s.client.IsInTheWay() {
			s.writer.breakOff()
		}
		why = &closeError{codeTooSlow, "too slow"}
	case !errors.As(err, &why):
		why = nil // the client has gone
	}
	if why != nil {
		s.server.cfg.Logger.DebugContext(ctx, "websocket closed", "code", int(why.code), "reason", why.reason, "name", s.peer.Name)
		_ = s.conn.Close(why.code, why.reason) // the client may have gone meanwhile
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
	}{"hello", Protocol, cfg.Version, cfg.Label, s.hub.Epoch(), s.hub.Seq(), cfg.Interval.Milliseconds(), cfg.History, s.hub.Topics()})
	if err != nil { // never: all fields can be encoded
		return []byte(`{}`)
	}
	return frame
}

// read reads subscriptions until the connection ends.
func (s *subscriber) read(ctx context.Context) {
	timeout := time.AfterFunc(subscribeTimeout, func() { s.end(&closeError{codeNoSubscription, "no subscription came in time"}) })
	defer timeout.Stop()
	defer func() { s.server.ledger.change(s.peer, s.keys, 0) }()
	for {
		data, err := s.message(ctx)
		if err != nil {
			s.end(err)
			return
		}
		// Decoding needs a larger stack, which this goroutine would keep while it
		// waits for the next message.
		done := make(chan error)
		go func() { done <- s.subscribe(data) }()
		err = <-done
		if errors.As(err, new(*closeError)) {
			s.end(err)
			return
		}
		if err != nil {
			frame, _ := json.Marshal(struct { // strings can be encoded
				Type    string `json:"type"`
				Message string `json:"message"`
			}{"error", err.Error()})
			_ = s.writer.writeText(ctx, frame) // the close code says it too
			s.end(&closeError{codeBadMessage, "bad message"})
			return
		}
		timeout.Stop()
	}
}

// tooManyKeys ends a subscriber whose keys would be too many beside those of others.
func tooManyKeys() error {
	return &closeError{websocket.StatusTryAgainLater, "too many keys are followed"}
}

// message reads the next message. One that is not small is counted while it is read, and has
// to come within frameTimeout.
func (s *subscriber) message(ctx context.Context) ([]byte, error) {
	_, r, err := s.conn.Reader(ctx)
	if err != nil {
		return nil, err
	}
	timeout := time.AfterFunc(frameTimeout, func() { s.end(&closeError{codeTooSlow, "too slow"}) })
	defer timeout.Stop()
	data, err := io.ReadAll(io.LimitReader(r, smallMessage))
	if err != nil || len(data) < smallMessage {
		return data, err
	}
	const cost = 2 * maxSubscription // while the buffer grows
	if !s.server.ledger.change(s.peer, 0, cost) {
		return nil, tooManyKeys()
	}
	defer s.server.ledger.change(s.peer, cost, 0)
	rest, err := io.ReadAll(r)
	return append(data, rest...), err
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
		return fmt.Errorf("%s is not a type of message, expected subscribe", quoted(in.Type))
	case len(in.Topics) > maxTopics:
		return fmt.Errorf("%d topics are too many, expected at most %d", len(in.Topics), maxTopics)
	case len(in.Keys) > maxKeys:
		return fmt.Errorf("%d keys are too many, expected at most %d, or no keys to follow everything", len(in.Keys), maxKeys)
	}
	cost := keyCost(in.Keys)
	if !s.server.ledger.change(s.peer, s.keys, cost) {
		return tooManyKeys()
	}
	s.keys = cost
	return s.client.Subscribe(stream.Subscription{Topics: in.Topics, Keys: in.Keys, Epoch: in.Epoch, Seq: in.Seq})
}

// messageError says what is wrong with a message that could not be decoded.
func messageError(err error) error {
	typing, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return fmt.Errorf("the message is not JSON: %w", err)
	case typing.Field == "":
		return fmt.Errorf("the message is not a JSON object: it is of type %s", typing.Value)
	}
	return fmt.Errorf("%s has the wrong type: %s", typing.Field, typing.Value)
}

// checkRights ends s if the client has lost its rights, or has others.
func (s *subscriber) checkRights() {
	if s.peer.Check == nil {
		return
	}
	switch err := s.peer.Check(); {
	case errors.Is(err, ErrChanged):
		s.end(&closeError{codeChanged, err.Error()})
	case err != nil:
		s.end(&closeError{codeSessionOver, "the session has ended"})
	}
}

// left tells the peer's owner that s has ended.
func (s *subscriber) left() {
	if s.peer.Left != nil {
		s.peer.Left()
	}
}

// check ends s if the client does not answer. It does not block: the client has until the
// next check to answer.
func (s *subscriber) check() {
	if s.pinged.Swap(true) {
		s.end(errGone)
		return
	}
	if !s.writer.ping() { // a client that is too slow for a text is closed by writeText
		s.pinged.Store(false)
	}
}

// errGone says that a client does not answer.
var errGone = errors.New("the client does not answer")

// quoted is a part of a message as a sentence can repeat it: short, and quoted where it
// has other than plain characters.
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
