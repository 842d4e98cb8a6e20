package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"thalassa/stream"
)

// Protocol is the websocket's sub-protocol.
const Protocol = "thalassa.v1"

// The codes with which the server closes a websocket (docs/streams.md).
const (
	closeSilent  websocket.StatusCode = 4001
	closeBad     websocket.StatusCode = 4002
	closeSlow    websocket.StatusCode = 4003
	closeSession websocket.StatusCode = 4004
)

const (
	// firstWord is how long a client may take for its first subscription.
	firstWord = 10 * time.Second
	// frameTimeout is how long a client may take to read one frame.
	frameTimeout = 10 * time.Second
	// lookEvery is the time between two looks at whether clients are there and
	// still who they were.
	lookEvery = 15 * time.Second
	// A subscription's bounds.
	maxSubscription = 256 << 10
	maxKeys         = 5000
	maxTopics       = 32
)

// A dismissal is why the server closes a websocket.
type dismissal struct {
	code   websocket.StatusCode
	reason string
}

// Error is the reason.
func (d *dismissal) Error() string { return d.reason }

// A follower is one websocket.
type follower struct {
	server *Server
	conn   *websocket.Conn
	wire   *wire // of conn
	client *stream.Client
	who    caller
	// dismiss ends it; the cause is a *dismissal or the connection's error.
	dismiss context.CancelCauseFunc
	ctx     func() context.Context // that dismiss ends

	asked   atomic.Bool // whether it is there, and has not answered
	greeted bool        // hello was sent; of the goroutine that tells
	telling atomic.Bool // there is such a goroutine
	due     atomic.Bool // there is something to tell
}

// tell sees to it that what there is to tell is told. A websocket has no
// goroutine for that while there is nothing: a thousand would be memory.
func (f *follower) tell() {
	f.due.Store(true)
	if f.telling.CompareAndSwap(false, true) {
		f.server.followers.tellers.add(f)
	}
}

// tellAll tells until nothing is due. Without patience it waits for nobody: what
// cannot be written at once is left to a goroutine of its own.
func (f *follower) tellAll(patient bool) {
	for {
		f.due.Store(false)
		err := f.tellDue(patient)
		switch {
		case errors.Is(err, errRoom), errors.Is(err, stream.ErrLong):
			go f.tellAll(true)
			return
		case err != nil:
			f.dismiss(err)
			return // and nobody begins again
		}
		f.telling.Store(false)
		if !f.due.Load() || !f.telling.CompareAndSwap(false, true) {
			return // who makes it due from now on tells it
		}
	}
}

// tellDue writes until there is nothing more.
func (f *follower) tellDue(patient bool) (err error) {
	if !patient {
		if !f.greeted {
			return stream.ErrLong
		}
		for more := true; more && err == nil; {
			more, err = f.client.StepBriefly(f.put)
		}
		return err
	}
	if err := f.wire.finish(f.ctx()); err != nil {
		return err
	}
	if !f.greeted {
		f.greeted = true
		if err := f.send(f.hello()); err != nil {
			return err
		}
	}
	for more := true; more && err == nil; {
		more, err = f.client.Step(f.send)
	}
	return err
}

func (f *follower) put(frame []byte) error  { return f.wire.put(f.ctx(), frame) }
func (f *follower) send(frame []byte) error { return f.wire.send(f.ctx(), frame) }

// finish says goodbye once f was dismissed.
func (f *follower) finish() {
	ctx := f.ctx()
	f.client.Leave()
	err := context.Cause(ctx)
	var why *dismissal
	switch {
	case errors.Is(err, stream.ErrSlow), errors.Is(err, os.ErrDeadlineExceeded):
		why = &dismissal{closeSlow, "too slow"}
	case !errors.As(err, &why):
		why = nil // it has gone
	}
	if why != nil {
		f.server.cfg.Logger.DebugContext(ctx, "websocket closed", "code", int(why.code), "reason", why.reason, "name", f.who.Name)
		_ = f.conn.Close(why.code, why.reason) // it may have gone meanwhile
	}
	_ = f.conn.CloseNow()
}

// hello is the first frame.
func (f *follower) hello() []byte {
	s := f.server
	interval := time.Duration(0)
	if s.cfg.Sampler != nil {
		interval = s.cfg.Sampler.Interval()
	}
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
	}{"hello", Protocol, s.cfg.Version, s.cfg.Label, s.hub.Epoch(), s.hub.Seq(), interval.Milliseconds(), historyLength, s.hub.Topics()})
	if err != nil { // never: there is nothing that cannot be encoded
		return []byte(`{}`)
	}
	return frame
}

// listen takes subscriptions until the connection ends.
func (f *follower) listen(ctx context.Context) {
	patience := time.AfterFunc(firstWord, func() { f.dismiss(&dismissal{closeSilent, "no subscription came in time"}) })
	defer patience.Stop()
	for {
		_, data, err := f.conn.Read(ctx)
		if err != nil {
			f.dismiss(err)
			return
		}
		// What it takes to understand a message, this goroutine would keep as
		// its stack for as long as it waits for the next.
		understood := make(chan error)
		go func() { understood <- f.subscribe(data) }()
		if err := <-understood; err != nil {
			frame, _ := json.Marshal(struct { // strings can be encoded
				Type    string `json:"type"`
				Message string `json:"message"`
			}{"error", err.Error()})
			_ = f.wire.send(ctx, frame) // the close code says it, too
			f.dismiss(&dismissal{closeBad, "bad message"})
			return
		}
		patience.Stop()
	}
}

func (f *follower) subscribe(data []byte) error {
	var in struct {
		Type   string   `json:"type"`
		Topics []string `json:"topics"`
		Keys   []string `json:"keys"`
		Epoch  string   `json:"epoch"`
		Seq    uint64   `json:"seq"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return misread(err)
	}
	switch {
	case in.Type != "subscribe":
		return fmt.Errorf("%s is not a type of message; expected subscribe", shown(in.Type))
	case len(in.Topics) > maxTopics:
		return fmt.Errorf("%d topics are too many; there are not more than %d", len(in.Topics), maxTopics)
	case len(in.Keys) > maxKeys:
		return fmt.Errorf("%d keys are too many; leave keys out to follow everything, or name %d at most", len(in.Keys), maxKeys)
	}
	return f.client.Subscribe(stream.Subscription{Topics: in.Topics, Keys: in.Keys, Epoch: in.Epoch, Seq: in.Seq})
}

// misread says what a message has at fault that could not be decoded.
func misread(err error) error {
	typing, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return fmt.Errorf("the message is not JSON: %w", err)
	case typing.Field == "":
		return fmt.Errorf("the message is not an object: it is of the kind %s", typing.Value)
	}
	return fmt.Errorf("%s is not as described: it is of the kind %s", typing.Field, typing.Value)
}

// look sees to it that the client is there and still who it was. It waits for
// nothing: an answer has time until the next look.
func (f *follower) look() {
	if f.who.check != nil {
		if _, ok := f.who.check(); !ok {
			f.dismiss(&dismissal{closeSession, "the session is over"})
			return
		}
	}
	if f.asked.Swap(true) {
		f.dismiss(errGone)
		return
	}
	if !f.wire.ping() { // who takes too long for a text is given up for that
		f.asked.Store(false)
	}
}

// errGone says that a client does not answer.
var errGone = errors.New("the client is not there any more")

// followers are all websockets. The zero value is ready.
type followers struct {
	mu      sync.Mutex
	all     map[*follower]struct{}
	closed  bool
	serving sync.WaitGroup
	tellers tellers
}

// add begins to serve one more, unless there are too many or the server ends.
func (fs *followers) add(ctx context.Context, f *follower, most int) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed || len(fs.all) >= most {
		return false
	}
	if fs.all == nil {
		fs.all = map[*follower]struct{}{}
	}
	fs.all[f] = struct{}{}
	fs.serving.Add(1)
	context.AfterFunc(ctx, func() { //nolint:contextcheck // it has ended
		defer fs.serving.Done()
		f.finish()
		fs.mu.Lock()
		defer fs.mu.Unlock()
		delete(fs.all, f)
	})
	f.tell() //nolint:contextcheck // it has that of the follower
	// The end of a context would end the connection before anything is said.
	fs.serving.Go(func() { f.listen(context.WithoutCancel(ctx)) })
	return true
}

func (fs *followers) isFull(most int) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.closed || len(fs.all) >= most
}

// list are those of now.
func (fs *followers) list() []*follower {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := make([]*follower, 0, len(fs.all))
	for f := range fs.all {
		out = append(out, f)
	}
	return out
}

// endSession dismisses those of a session.
func (fs *followers) endSession(id string) {
	for _, f := range fs.list() {
		if f.who.session == id {
			f.dismiss(&dismissal{closeSession, "the session is over"})
		}
	}
}

// look looks at everybody.
func (fs *followers) look() {
	for _, f := range fs.list() {
		f.look()
	}
}

// close dismisses everybody, for good, and waits for them.
func (fs *followers) close(ctx context.Context) {
	fs.mu.Lock()
	fs.closed = true
	fs.mu.Unlock()
	for _, f := range fs.list() {
		f.dismiss(&dismissal{websocket.StatusGoingAway, "the agent stops"})
	}
	done := make(chan struct{})
	go func() {
		fs.serving.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// upgradeFailure is for requests that are no websocket's.
func upgradeFailure(message string) *failure {
	return &failure{
		status: http.StatusUpgradeRequired, Code: "upgrade_required", Message: message,
		header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}},
	}
}
