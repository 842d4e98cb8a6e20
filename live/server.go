package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"thalassa/stream"
)

// Protocol is the websocket's sub-protocol.
const Protocol = "thalassa.v1"

// Config configures a Server, and what clients get in the first frame. Hub is
// required.
type Config struct {
	Hub      *stream.Hub
	Version  string        // of the agent
	Label    string        // logical name of this load balancer
	Interval time.Duration // between two samples of the statistics; 0: there are none
	History  int           // samples in the history of an object
	// MaxSubscribers is the maximum number of open websockets; default: 4096.
	MaxSubscribers int
	// MaxOfPeer is the maximum number of them from one address, and of one name; default:
	// 256.
	MaxOfPeer int
	// Logger logs closed websockets at debug level; default: discards.
	Logger *slog.Logger
}

// A Peer is who opened a websocket.
type Peer struct {
	Name string // for the log
	// Address is where it comes from; empty: that is not counted. Token is whose
	// websockets are counted together; empty: nobody's.
	Address, Token string
	// Session is the ID for lists of the session that identified the peer; empty: none.
	Session string
	// Check returns nil while the peer has the rights that it had. ErrChanged asks it to
	// connect again; any other error ends its session. nil: it always has them.
	Check func() error
	// Hub has the topics that the peer may see; nil: that of Config.
	Hub *stream.Hub
	// Left is called when the websocket has ended, or was not opened; nil: no call.
	Left func()
}

// ErrChanged says that a peer has other rights than when it opened its websocket.
var ErrChanged = errors.New("the rights have changed, connect again")

// A Server serves websockets. Its methods may be called from any goroutine.
type Server struct {
	cfg  Config
	pool writerPool

	mu      sync.Mutex
	all     map[*subscriber]struct{}
	counts  map[string]int // of all, by counted
	refused uint64
	closed  bool
	ledger  ledger
	serving sync.WaitGroup
}

// New makes a Server. It starts nothing.
func New(cfg Config) *Server {
	cfg.MaxSubscribers = cmp.Or(cfg.MaxSubscribers, 4096)
	cfg.MaxOfPeer = cmp.Or(cfg.MaxOfPeer, 256)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, all: map[*subscriber]struct{}{}, counts: map[string]int{}}
}

// Accept turns a request into a websocket and returns. It answers the request
// itself if that fails. The websocket keeps nothing of the request. It is
// served until the client leaves or Close is called; only the values of ctx are
// used.
//
// The caller has checked who may open it, and that the request names Protocol.
func (s *Server) Accept(ctx context.Context, w http.ResponseWriter, r *http.Request, peer Peer) {
	sub := &subscriber{server: s, peer: peer, hub: cmp.Or(peer.Hub, s.cfg.Hub)}
	conn, err := websocket.Accept(smallBuffers{w, &sub.writer}, r, &websocket.AcceptOptions{
		Subprotocols: []string{Protocol}, InsecureSkipVerify: true, // the caller has checked the origin
		OnPongReceived: func(context.Context, []byte) { sub.pinged.Store(false) },
	})
	if err != nil {
		s.cfg.Logger.DebugContext(ctx, "websocket not opened", "error", err)
		sub.left()
		return // Accept has answered
	}
	conn.SetReadLimit(maxSubscription)
	own, end := context.WithCancelCause(context.WithoutCancel(ctx))
	sub.conn, sub.end, sub.ctx = conn, end, func() context.Context { return own }
	sub.client = sub.hub.JoinFunc(sub.wake)
	if !s.add(own, sub) {
		sub.client.Leave()
		sub.left()
		_ = conn.Close(websocket.StatusTryAgainLater, "too many websockets")
	}
}

// add begins to serve a subscriber, unless there are too many or the server ends.
func (s *Server) add(ctx context.Context, sub *subscriber) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal(sub.peer) != "" {
		s.refused++
		return false
	}
	s.all[sub] = struct{}{}
	for _, key := range sub.peer.counted() {
		s.counts[key]++
	}
	s.serving.Add(1)
	context.AfterFunc(ctx, func() { //nolint:contextcheck // it has ended
		defer s.serving.Done()
		sub.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, sub)
		s.uncount(sub.peer)
	})
	sub.wake() //nolint:contextcheck // it uses that of the subscriber
	// The end of a context would close the connection before a reason is sent.
	s.serving.Go(func() { sub.read(context.WithoutCancel(ctx)) })
	return true
}

// IsFull reports whether no further websocket is served: there are too many, or
// Close was called.
func (s *Server) IsFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || len(s.all) >= s.cfg.MaxSubscribers
}

// Refuses says why a peer may not open another websocket, because it has too many; empty:
// it may. A refusal is counted.
func (s *Server) Refuses(p Peer) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	why := s.tooMany(p)
	if why != "" {
		s.refused++
	}
	return why
}

// Refused is the total number of websockets that were refused because there were too many.
func (s *Server) Refused() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// refusal says why no websocket of a peer is served; empty: one is. The caller holds mu.
func (s *Server) refusal(p Peer) string {
	if s.closed || len(s.all) >= s.cfg.MaxSubscribers {
		return "too many websockets"
	}
	return s.tooMany(p)
}

func (s *Server) tooMany(p Peer) string {
	for _, key := range p.counted() {
		if s.counts[key] >= s.cfg.MaxOfPeer {
			return fmt.Sprintf("too many websockets of %s are open, at most %d may be", key, s.cfg.MaxOfPeer)
		}
	}
	return ""
}

// uncount is the end of a websocket of a peer. The caller holds mu.
func (s *Server) uncount(p Peer) {
	for _, key := range p.counted() {
		if s.counts[key]--; s.counts[key] == 0 {
			delete(s.counts, key)
		}
	}
}

// counted are the things of a peer whose websockets are counted together.
func (p Peer) counted() (keys []string) {
	if p.Address != "" {
		keys = append(keys, "address "+p.Address)
	}
	if p.Token != "" {
		keys = append(keys, "token "+p.Token)
	}
	return keys
}

// subscribers are the open websockets.
func (s *Server) subscribers() []*subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*subscriber, 0, len(s.all))
	for sub := range s.all {
		out = append(out, sub)
	}
	return out
}

// EndSession closes the websockets of a session, known by its ID for lists.
func (s *Server) EndSession(id string) {
	for _, sub := range s.subscribers() {
		if sub.peer.Session == id {
			sub.end(&closeError{codeSessionOver, "the session has ended"})
		}
	}
}

// Run closes the websockets whose clients do not answer or have lost their rights,
// until ctx ends, which is no error.
func (s *Server) Run(ctx context.Context) error {
	tick, ask := time.NewTicker(checkEvery), time.NewTicker(askEvery)
	defer tick.Stop()
	defer ask.Stop()
	for {
		select {
		case <-ask.C:
			for _, sub := range s.subscribers() {
				sub.checkRights()
			}
		case <-tick.C:
			for _, sub := range s.subscribers() {
				sub.check()
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Close closes all websockets for good, and waits for them until ctx ends.
func (s *Server) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, sub := range s.subscribers() {
		sub.end(&closeError{websocket.StatusGoingAway, "the agent stops"})
	}
	done := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
