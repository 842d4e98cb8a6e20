package stream

// A block is frames that some clients hold while they read them, and others do not share.
// Its fields are guarded by hub.mu.
type block struct {
	size    int // bytes
	holders int
}

// hold makes b the block of the client, in the place of the former; nil: it has none. Where
// there are too many bytes, those who have held theirs for longest are dropped.
func (c *Client) hold(b *block) {
	h := c.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	c.letGo()
	if _, here := h.clients[c]; !here || b == nil || c.slow {
		return
	}
	h.holds++
	c.block, c.since = b, h.holds
	if b.holders++; b.holders == 1 {
		h.held += b.size
	}
	for h.held > h.cfg.OwnBytes {
		longest := h.longestHolder(c)
		if longest == nil {
			return
		}
		longest.inTheWay.Store(true)
		longest.lag()
	}
}

// longestHolder is the client other than c that has held a block for longest; nil: there is
// none. h.mu is held.
func (h *Hub) longestHolder(c *Client) (longest *Client) {
	for other := range h.clients {
		if other != c && other.block != nil && (longest == nil || other.since < longest.since) {
			longest = other
		}
	}
	return longest
}

// letGo ends that the client holds a block; hub.mu is held.
func (c *Client) letGo() {
	if c.block == nil {
		return
	}
	if c.block.holders--; c.block.holders == 0 {
		c.hub.held -= c.block.size
	}
	c.block = nil
}

// lag drops a client that is too slow; hub.mu is held.
func (c *Client) lag() {
	c.slow = true
	c.hub.slow++
	c.letGo()
	c.drop()
	c.wake()
}
