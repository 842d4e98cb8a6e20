package stream

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"
)

// Config bounds a Hub. The zero value is safe.
type Config struct {
	// Queue is how many frames may wait for one client (64), QueueBytes how much
	// text (8 MB); the first frame always may.
	Queue, QueueBytes int
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
	keySets map[string]*keySet // that subscriptions have, by name
	replay  []*delta           // ascending
	bytes   int                // in replay
	dropped uint64             // the number of the last delta that is not in replay any more
	slow    uint64
}

// New makes a Hub without topics.
func New(cfg Config) *Hub {
	return &Hub{cfg: cfg.withDefaults(), epoch: rand.Text()[:12], clients: map[*Client]struct{}{}, keySets: map[string]*keySet{}}
}

// Epoch tells this hub from every other.
func (h *Hub) Epoch() string { return h.epoch }

// Seq is the number of the newest delta.
func (h *Hub) Seq() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// Topics lists the names of the topics there are, in the order in which they
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

// Clients is how many there are.
func (h *Hub) Clients() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

// Slow is how many clients were dropped because they did not keep up.
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

// publish numbers a delta of what has changed and hands it to everybody who wants
// it; h.mu is held. It is kept for those alone who may come back.
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

// trim drops the oldest deltas beyond what is to be kept.
func (h *Hub) trim() {
	oldest := h.cfg.Now().Add(-h.cfg.ReplayAge)
	n := 0
	for n < len(h.replay) && (h.bytes > h.cfg.ReplayBytes || h.replay[n].born.Before(oldest)) {
		h.bytes -= h.replay[n].size()
		h.dropped = h.replay[n].seq
		n++
	}
	if n > 0 {
		h.replay = slices.Delete(h.replay, 0, n) // clears what is left behind
	}
}

// missed are the deltas after seq; false: some of them are not there any more.
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
