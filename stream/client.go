package stream

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
)

// ErrLong says that the next task has more than one frame.
var ErrLong = errors.New("the next task is a whole state")

// ErrSlow is why a client was dropped: its queue was full.
var ErrSlow = errors.New("the client is too slow")

// A Subscription is what a client wants to follow.
type Subscription struct {
	Topics []string
	// Keys limits the topics that have them; nil: all objects.
	Keys []string
	// Epoch and Seq are of the last frame that the client got with these topics and
	// keys; empty: none.
	Epoch string
	Seq   uint64
}

// A Client is one reader of the hub. Run, or Step, writes to it; Subscribe may be
// called meanwhile from another goroutine.
type Client struct {
	hub    *Hub
	notify func()
	poke   chan struct{} // of Run, one slot: there is a task
	writer writer

	// Guarded by hub.mu.
	sub     *selection // nil: none yet
	renewed bool       // sub is new
	// missed goes before queue. What the hub keeps for clients that come back bounds
	// it. queue, whose size is bytes, grows while the client does not read.
	missed []*delta
	queue  []*delta
	bytes  int
	block  *block // nil: none
	since  uint64 // the number of its hold

	slow bool
	// inTheWay: it was dropped to make room for others. It changes under hub.mu.
	inTheWay atomic.Bool
}

// A selection is a subscription in effect. It is never changed.
type selection struct {
	Subscription
	topics []*Topic
	keys   *keySet // nil: all
}

// Join adds a client. It gets nothing until it subscribes. Leave must be
// called.
func (h *Hub) Join() *Client {
	poke := make(chan struct{}, 1)
	c := h.JoinFunc(func() {
		select {
		case poke <- struct{}{}:
		default:
		}
	})
	c.poke = poke
	return c
}

// JoinFunc is Join for a client without a goroutine of its own. notify is called when
// Step has a task, and when the client is dropped. It must neither block nor call the Hub.
func (h *Hub) JoinFunc(notify func()) *Client {
	c := &Client{hub: h, notify: notify}
	c.writer.client = c
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = struct{}{}
	return c
}

// Leave removes the client.
func (c *Client) Leave() {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	c.follow(nil)
	c.drop()
	c.letGo()
	delete(c.hub.clients, c)
}

// An UnknownTopicError says that there is no topic of a name.
type UnknownTopicError struct{ Topic string }

// Error names it.
func (e *UnknownTopicError) Error() string { return "there is no topic " + e.Topic }

// Subscribe replaces the client's subscription. The error is an
// *UnknownTopicError; the former subscription stays then. After Leave it does
// nothing, because a message of the client may arrive late.
func (c *Client) Subscribe(s Subscription) error {
	f := &selection{Subscription: s}
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	if _, here := c.hub.clients[c]; !here {
		return nil
	}
	for _, name := range s.Topics {
		t := c.hub.topic(name)
		if t == nil {
			return &UnknownTopicError{name}
		}
		if !slices.Contains(f.topics, t) {
			f.topics = append(f.topics, t)
		}
	}
	if s.Keys != nil {
		f.keys = c.hub.keySet(s.Keys)
		f.Keys = f.keys.list
	}
	if c.sub != nil && !c.sub.covers(f) {
		f.Epoch = "" // the client does not have the new objects
	}
	c.follow(f)
	c.wake()
	return nil
}

// covers reports whether f includes all objects of o.
func (f *selection) covers(o *selection) bool {
	for _, t := range o.topics {
		if !slices.Contains(f.topics, t) {
			return false
		}
	}
	if f.keys == nil {
		return true
	}
	return o.keys != nil && !slices.ContainsFunc(o.keys.list, func(key string) bool { return !f.keys.has(key) })
}

// follow puts a subscription into effect, and drops what is queued for the former one.
func (c *Client) follow(f *selection) {
	if c.sub != nil {
		c.hub.release(c.sub.keys)
		for _, t := range c.sub.topics {
			if t.clients--; t.clients == 0 {
				t.left = c.hub.cfg.Now()
			}
		}
	}
	c.sub, c.renewed = f, f != nil
	c.drop()
	if f != nil {
		for _, t := range f.topics {
			t.clients++
		}
	}
}

func (c *Client) wants(t *Topic) bool {
	return c.sub != nil && !c.slow && slices.Contains(c.sub.topics, t)
}

// push queues a delta, or drops the client if its queue is full; hub.mu is held.
func (c *Client) push(d *delta) {
	if len(c.queue) > 0 && (len(c.queue) >= c.hub.cfg.Queue || c.bytes+d.size() > c.hub.cfg.QueueBytes) {
		c.lag()
		return
	}
	c.queue = append(c.queue, d)
	c.bytes += d.size()
	c.wake()
}

// drop empties the queues.
func (c *Client) drop() { c.missed, c.queue, c.bytes = nil, nil, 0 }

func (c *Client) wake() { c.notify() }

// IsInTheWay reports whether the client was dropped to make room for others: a write to it
// that is under way is to be broken off. It may be called from notify.
func (c *Client) IsInTheWay() bool { return c.inTheWay.Load() }

// Run is for clients of Join. It passes frames to write until ctx ends, whose error it
// returns, or write fails, or the client is too slow (ErrSlow). A frame is valid during
// the call only.
func (c *Client) Run(ctx context.Context, write func(frame []byte) error) error {
	for {
		select {
		case <-c.poke:
		case <-ctx.Done():
			return ctx.Err()
		}
		for more := true; more; {
			var err error
			if more, err = c.Step(write); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}

// Step passes the frames of the next task to write; false: there is none. Only one
// goroutine may call it at a time. The errors are those of Run.
func (c *Client) Step(write func(frame []byte) error) (more bool, err error) {
	c.writer.write = write
	return c.writer.step(false)
}

// StepBriefly is Step for tasks of one frame. If the next task has more, it does nothing
// and returns ErrLong.
func (c *Client) StepBriefly(write func(frame []byte) error) (more bool, err error) {
	c.writer.write = write
	return c.writer.step(true)
}

// A task is what a client gets next: a state, the message that it resumes, or a
// delta.
type task struct {
	sub   *selection
	state bool
	// resumed says that the client gets the deltas after sub.Seq.
	resumed bool
	delta   *delta
}

// next is the next task; all fields are zero if there is none. briefly: only a task of
// one frame.
func (c *Client) next(briefly bool) (task, error) {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	c.letGo() // what it held has been written
	switch {
	case c.slow:
		return task{}, ErrSlow
	case c.renewed && briefly:
		return task{}, ErrLong
	case c.renewed:
		c.renewed = false
		if c.sub.Epoch != c.hub.epoch {
			return task{sub: c.sub, state: true}, nil
		}
		missed, ok := c.hub.missed(c.sub.topics, c.sub.Seq)
		if !ok {
			return task{sub: c.sub, state: true}, nil
		}
		c.drop()
		c.missed = missed // includes what was queued
		return task{sub: c.sub, resumed: true}, nil
	case len(c.missed) > 0:
		return task{sub: c.sub, delta: shift(&c.missed)}, nil
	case len(c.queue) > 0:
		d := shift(&c.queue)
		c.bytes -= d.size()
		return task{sub: c.sub, delta: d}, nil
	}
	return task{}, nil
}

// shift removes the first delta of a list that is not empty.
func shift(list *[]*delta) *delta {
	d := (*list)[0]
	(*list)[0] = nil
	*list = (*list)[1:]
	if len(*list) == 0 {
		*list = nil
	}
	return d
}
