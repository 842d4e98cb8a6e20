package stream

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"
)

// Config bounds a Hub. The zero value is safe.
type Config struct {
	// Queue and QueueBytes bound the frames that wait for one client (64, 8 MB). One
	// frame may always wait.
	Queue, QueueBytes int
	// OwnBytes bounds the frames that clients do not share: states of different times, and
	// what was made for their keys (32 MB). Beyond it, the clients that have taken longest to
	// read theirs are dropped.
	OwnBytes int
	// ReplayBytes and ReplayAge bound the deltas that are kept for clients that
	// come back (4 MB, 1 min).
	ReplayBytes int
	ReplayAge   time.Duration
	Now         func() time.Time // time.Now
}

func (c Config) withDefaults() Config {
	def := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&c.Queue, 64)
	def(&c.QueueBytes, 8<<20)
	def(&c.OwnBytes, 32<<20)
	def(&c.ReplayBytes, 4<<20)
	if c.ReplayAge <= 0 {
		c.ReplayAge = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// A Hub has the topics and the clients. All methods may be called concurrently.
type Hub struct {
	cfg   Config
	epoch string

	mu      sync.Mutex
	seq     uint64 // of the newest delta
	topics  []*Topic
	clients map[*Client]struct{}
	keySets map[string]*keySet // in use by subscriptions, by name
	replay  []*delta           // ascending
	bytes   int                // in replay
	dropped uint64             // number of the last delta that left replay
	slow    uint64
	held    int    // bytes of the blocks that clients hold
	holds   uint64 // number so far
}

// New makes a Hub without topics.
func New(cfg Config) *Hub {
	return &Hub{cfg: cfg.withDefaults(), epoch: rand.Text()[:12], clients: map[*Client]struct{}{}, keySets: map[string]*keySet{}}
}

// Epoch identifies this hub.
func (h *Hub) Epoch() string { return h.epoch }

// Seq is the number of the newest delta.
func (h *Hub) Seq() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// Topics lists the names of the topics in the order in which they
// were opened.
func (h *Hub) Topics() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := make([]string, len(h.topics))
	for i, t := range h.topics {
		names[i] = t.name
	}
	return names
}

// Clients is the number of clients.
func (h *Hub) Clients() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

// Slow is the number of clients that were dropped because they were too slow.
func (h *Hub) Slow() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.slow
}

// topic finds one; h.mu is held.
func (h *Hub) topic(name string) *Topic {
	if i := slices.IndexFunc(h.topics, func(t *Topic) bool { return t.name == name }); i >= 0 {
		return h.topics[i]
	}
	return nil
}

// publish numbers a delta, queues it for all clients that want it, and keeps it for
// clients that may come back; h.mu is held.
func (h *Hub) publish(t *Topic, d *delta, changed []Object) {
	h.seq++
	d.seq = h.seq
	t.changed()
	if !t.wanted() {
		t.since = h.seq
		return
	}
	d.encode(changed)
	for c := range h.clients {
		if c.wants(t) {
			c.push(d)
		}
	}
	h.replay = append(h.replay, d)
	h.bytes += d.size()
	h.trim()
}

// trim drops the oldest deltas beyond the bounds of Config.
func (h *Hub) trim() {
	oldest := h.cfg.Now().Add(-h.cfg.ReplayAge)
	n := 0
	for n < len(h.replay) && (h.bytes > h.cfg.ReplayBytes || h.replay[n].created.Before(oldest)) {
		h.bytes -= h.replay[n].size()
		h.dropped = h.replay[n].seq
		n++
	}
	if n > 0 {
		h.replay = slices.Delete(h.replay, 0, n) // clears the freed elements
	}
}

// missed are the deltas after seq; false: some of them have been dropped.
func (h *Hub) missed(topics []*Topic, seq uint64) ([]*delta, bool) {
	if seq > h.seq || seq < h.dropped {
		return nil, false
	}
	for _, t := range topics {
		if t.since > seq {
			return nil, false
		}
	}
	var out []*delta
	for _, d := range h.replay {
		if d.seq > seq && slices.Contains(topics, d.topic) {
			out = append(out, d)
		}
	}
	return out, true
}
