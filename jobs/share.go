package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

// Times of the talk between nodes.
const (
	// ackWithin is how long a job waits for another node to keep it.
	ackWithin = 5 * time.Second
	// askPause is the pause between two looks for the answers of other nodes.
	askPause = 40 * time.Millisecond
	// idlePause is the pause while nothing is to be heard, and busyPause while a job of
	// another node runs, or nodes have other jobs.
	idlePause, busyPause = 30 * time.Second, 2 * time.Second
	// silentAfter is how long the node of a running job may say nothing before it is asked
	// whether it lives, and answerWithin how long it has for the answer.
	silentAfter, answerWithin = 6 * time.Second, 6 * time.Second
	// againAfter is how long the same jobs are not sent again to a node that lacks them.
	againAfter = time.Minute
)

// maxBatch is how many jobs a message has, and maxBatchBytes their bytes as JSON.
const maxBatch, maxBatchBytes = 200, 600 << 10

// A peer is another node, as it has been heard.
type peer struct {
	boot string
	beat uint64
	seq  uint64
	sums string
	acks uint64 // up to which it has the jobs of this node
	// since is when it last said something new; asked is when it was asked whether it
	// lives.
	since, asked time.Time
	// silent: it has not kept a job in time. dead: it has not answered.
	silent, dead bool
	// unkept is why its jobs are not on disk here; empty: they are.
	unkept string
}

// An offer is a job that the other nodes are being told.
type offer struct {
	rec   record
	seq   uint64
	since time.Time
}

// sharing is the talk with the other nodes, and what is known of them. Methods may be called
// concurrently.
type sharing struct {
	cfg    Config
	ledger *ledger
	boot   string
	told   wake.Poke // there is something for the other nodes
	heard  wake.Signal

	// heed is called with the jobs that others have told, and elsewhere reports whether a job
	// runs on another node.
	heed      func([]record)
	elsewhere func() bool

	mu     sync.Mutex
	offers map[string]offer
	seq    uint64
	beat   uint64
	peers  map[string]*peer
	acks   map[string]string // for others
	sent   map[string]time.Time
	ask    []string
	said   string
	dirty  bool // the message must be said again
	ring   bool // the others must be woken
	lame   string
	// listened: the other nodes have been heard once.
	listened bool
}

func newSharing(cfg Config, l *ledger) *sharing {
	return &sharing{
		cfg: cfg, ledger: l, boot: idOf(cluster.Order{})[:8], told: wake.NewPoke(),
		offers: map[string]offer{}, peers: map[string]*peer{}, acks: map[string]string{}, sent: map[string]time.Time{},
		dirty: true, ring: true, // this node tells that it is there
	}
}

// keep stores records, and has the other nodes told of them.
func (s *sharing) keep(ctx context.Context, list ...record) error {
	if err := s.ledger.save(ctx, list); err != nil {
		return err
	}
	s.offer(list...)
	return nil
}

// offer has the other nodes told of records.
func (s *sharing) offer(list ...record) {
	s.put(list)
	s.told.Send()
}

// tell has the other nodes told of a job, and waits as await does.
func (s *sharing) tell(ctx context.Context, rec record) (kept []string) {
	seq := s.put([]record{rec})
	s.told.Send()
	if isDown(s.cfg.View()) { // nobody hears it before the cluster is back
		return nil
	}
	return s.await(ctx, seq, rec.isOfNodes())
}

// isDown reports whether there is no cluster now that carries anything.
func isDown(v cluster.Status) bool {
	return v.State == "" || v.State == cluster.StateNone || v.State == cluster.StateOffline
}

// put offers jobs to the other nodes. The number is for await.
func (s *sharing) put(list []record) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rec := range list {
		s.seq++
		s.offers[rec.ID] = offer{rec, s.seq, time.Now()}
	}
	s.dirty, s.ring = true, true
	return s.seq
}

// await waits until another node keeps a job, and returns those that do. It returns early if
// there is no other node. all: it waits for each of them, since the first may be the one that leaves, and
// nothing carries the word to the others once the cluster is shut down.
func (s *sharing) await(ctx context.Context, seq uint64, all bool) []string {
	limited, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	for {
		next := s.heard.Next()
		s.mu.Lock()
		var kept []string
		others := 0
		for _, name := range slices.Sorted(maps.Keys(s.peers)) {
			if p := s.peers[name]; p.acks >= seq {
				kept = append(kept, name)
			} else if !p.silent {
				others++
			}
		}
		s.mu.Unlock()
		if len(kept) > 0 && !all || others == 0 || limited.Err() != nil {
			return kept
		}
		select {
		case <-next:
		case <-limited.Done():
		}
	}
}

// talk tells the other nodes what they lack, and hears what they tell, until ctx ends.
func (s *sharing) talk(ctx context.Context) {
	rings := map[string]string{}
	for ctx.Err() == nil {
		changed := s.cfg.Changed()
		_ = s.listen(ctx) // it complains
		s.speak(ctx)
		timer := time.NewTimer(s.pause())
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				waiting = false
			case <-timer.C:
				waiting = false
			case <-s.told:
				waiting = false
			case <-changed:
				changed = s.cfg.Changed()
				now := s.cfg.Exchange.Rings()
				delete(now, s.cfg.View().Self)
				waiting = maps.Equal(now, rings)
				rings = now
			}
		}
		timer.Stop()
	}
}

// leave tells the other nodes that this agent stops.
func (s *sharing) leave(ctx context.Context) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackWithin)
	defer cancel()
	if s.cfg.View().Self == "" {
		return
	}
	if err := s.cfg.Exchange.Say(end, ""); err != nil {
		s.cfg.Logger.DebugContext(end, "other nodes not told of the end", "error", err)
	}
}

// pause is how long to wait for something to be heard.
func (s *sharing) pause() time.Duration {
	mine := s.ledger.own()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirty {
		return time.Second
	}
	for _, p := range s.peers {
		if !p.silent && p.acks < s.seq && len(s.offers) > 0 {
			return askPause
		}
		if p.sums != mine {
			return busyPause
		}
	}
	if s.elsewhere() {
		return busyPause
	}
	return idlePause
}

// listenOnce listens, unless the other nodes have been heard before.
func (s *sharing) listenOnce(ctx context.Context) {
	s.mu.Lock()
	listened := s.listened
	s.mu.Unlock()
	if !listened && !isDown(s.cfg.View()) {
		_ = s.listen(ctx) // it complains
	}
}

// listen hears what the other nodes tell, and keeps their jobs. After an error, nothing was heard.
func (s *sharing) listen(ctx context.Context) error {
	self := s.cfg.View().Self
	if self == "" {
		return errors.New("this node is in no cluster")
	}
	texts, err := s.cfg.Exchange.Heard(ctx)
	if err != nil {
		s.complain(ctx, err)
		return err
	}
	s.mu.Lock()
	s.listened = true
	if texts[self] != s.said { // the cluster has forgotten it, as after a restart of Pacemaker
		s.dirty = true
	}
	for name := range s.peers {
		if texts[name] == "" {
			delete(s.peers, name)
		}
	}
	s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if name == self {
			continue
		}
		m, err := parseMessage(texts[name])
		if err != nil {
			s.cfg.Logger.DebugContext(ctx, "message of another node not readable", "node", name, "error", err)
			continue
		}
		s.hear(ctx, self, name, m)
	}
	s.heard.Broadcast()
	return nil
}

// others are the nodes whose agents have told something, and have not said that they stop.
func (s *sharing) others() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.peers))
}

// hear takes over what one node tells.
func (s *sharing) hear(ctx context.Context, self, name string, m message) {
	s.mu.Lock()
	p := s.peers[name]
	isNew := p == nil || p.boot != m.Boot
	if isNew {
		p = &peer{boot: m.Boot}
		s.peers[name] = p
	}
	same := !isNew && p.beat == m.Beat
	if !same {
		p.beat, p.since, p.asked, p.silent, p.dead, p.sums = m.Beat, time.Now(), time.Time{}, false, false, m.Sums
		var seq uint64
		if n, err := fmt.Sscanf(m.Acks[self], s.boot+"/%d", &seq); err == nil && n == 1 {
			p.acks = seq
		}
	}
	fresh := m.Seq > p.seq || isNew
	s.mu.Unlock()
	if !same && slices.Contains(m.Ask, self) {
		s.mark(false)
	}
	if !fresh {
		return
	}
	var list []record
	for _, doc := range m.Jobs[:min(len(m.Jobs), 10*maxBatch)] {
		rec, err := parseRecord(doc)
		if err != nil {
			s.cfg.Logger.WarnContext(ctx, "job of another node not readable", "node", name, "error", err)
			continue
		}
		if s.ledger.isNews(rec) {
			list = append(list, rec)
		}
	}
	if len(list) > 0 {
		if err := s.ledger.save(ctx, list); err != nil {
			s.mu.Lock()
			isKnown := p.unkept == err.Error()
			p.unkept = err.Error()
			s.mu.Unlock()
			if !isKnown {
				s.cfg.Logger.ErrorContext(ctx, "jobs of another node not stored", "node", name, "error", err)
			}
			return // they are stored at a later look, and acknowledged then
		}
		s.heed(list)
	}
	s.mu.Lock()
	p.seq, p.unkept = m.Seq, ""
	if ack := fmt.Sprintf("%s/%d", m.Boot, m.Seq); s.acks[name] != ack {
		s.acks[name], s.dirty = ack, true
	}
	s.mu.Unlock()
}

// mark has the message of this node said again; ring: the others are woken.
func (s *sharing) mark(ring bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty, s.ring = true, s.ring || ring
}

// speak tells the other nodes what they lack.
func (s *sharing) speak(ctx context.Context) {
	s.offerMissing()
	mine := s.ledger.own()
	s.mu.Lock()
	s.forget()
	if !s.dirty {
		s.mu.Unlock()
		return
	}
	s.beat++
	m := message{Boot: s.boot, Beat: s.beat, Seq: s.seq, Acks: maps.Clone(s.acks), Sums: mine, Ask: s.ask}
	ring := s.ring
	s.dirty, s.ring, s.ask = false, false, nil // what comes from now on is said the next time
	offers := slices.SortedFunc(maps.Values(s.offers), func(a, b offer) int { return int(a.seq) - int(b.seq) })
	s.mu.Unlock()
	bytes := 0
	var seqs []uint64
	for i, o := range offers {
		doc, err := json.Marshal(o.rec)
		if err != nil {
			continue
		}
		if bytes += len(doc); i >= maxBatch || bytes > maxBatchBytes && i > 0 {
			m.Seq = offers[i-1].seq
			break
		}
		m.Jobs, seqs = append(m.Jobs, doc), append(seqs, o.seq)
	}
	text, err := m.encode()
	for err == nil && len(text) > maxText && len(m.Jobs) > 1 {
		half := len(m.Jobs) / 2
		m.Jobs, m.Seq = m.Jobs[:half], seqs[half-1]
		text, err = m.encode()
	}
	if err == nil {
		err = s.cfg.Exchange.Say(ctx, text)
	}
	if err == nil && ring {
		err = s.cfg.Exchange.Ring(ctx, fmt.Sprintf("%s-%d", s.boot, m.Beat))
	}
	s.mu.Lock()
	if err != nil {
		s.dirty, s.ring, s.ask = true, s.ring || ring, append(s.ask, m.Ask...)
		s.mu.Unlock()
		s.complain(ctx, err)
		return
	}
	s.said, s.lame = text, ""
	s.dirty = s.dirty || len(m.Jobs) < len(offers)
	s.mu.Unlock()
}

// maxText is the longest message, in bytes, as pacemaker.MaxSaid.
const maxText = 96 << 10

// forget drops the offers that all nodes have that listen. Nodes that do not listen are
// silent from now on. The caller holds the mutex.
func (s *sharing) forget() {
	for id, o := range s.offers {
		old, open := time.Since(o.since) > ackWithin, false
		for _, p := range s.peers {
			if p.acks < o.seq && !p.silent {
				p.silent = old
				open = open || !old
			}
		}
		if !open && (len(s.peers) > 0 || old) {
			delete(s.offers, id)
		}
	}
}

// offerMissing offers jobs that a node lacks, or has in another version, as after it was
// away.
func (s *sharing) offerMissing() {
	mine := s.ledger.own()
	s.mu.Lock()
	if len(s.offers) > 0 {
		s.mu.Unlock()
		return
	}
	wanted := map[int]bool{}
	for name, p := range s.peers {
		if p.silent || time.Since(p.since) < busyPause/2 {
			continue
		}
		for bucket := range differing(mine, p.sums) {
			key := fmt.Sprintf("%s %d", name, bucket)
			if time.Since(s.sent[key]) > againAfter {
				s.sent[key] = time.Now()
				wanted[bucket] = true
			}
		}
	}
	s.mu.Unlock()
	if len(wanted) == 0 {
		return
	}
	list := s.ledger.filter(func(rec record) bool { return wanted[bucketOf(rec.ID)] })
	for batch := range slices.Chunk(list, maxBatch) {
		s.put(batch)
	}
	s.mark(true) // also without jobs: the other node hears what is here
}

// complain notes why the nodes cannot talk.
func (s *sharing) complain(ctx context.Context, err error) {
	if v := s.cfg.View(); ctx.Err() != nil || v.Self == "" || v.State == cluster.StateNone || v.State == cluster.StateOffline {
		return
	}
	s.mu.Lock()
	known := s.lame == err.Error()
	s.lame = err.Error()
	s.mu.Unlock()
	if !known {
		s.cfg.Logger.WarnContext(ctx, "jobs are not shared with other nodes", "error", err)
	}
}

// abandoned are those of the running jobs that this node is to finish: its own, and, if it is
// the first of the nodes that live, those of lost ones.
func (s *sharing) abandoned(open []record, self string, online map[string]bool) []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := self
	for name, p := range s.peers {
		if online[name] && !p.dead {
			first = min(first, name)
		}
	}
	return slices.DeleteFunc(open, func(rec record) bool {
		if rec.Node == self {
			return false
		}
		return s.lives(rec.Node, online) || first != self
	})
}

// lives reports whether the agent of a node answers. If it has said nothing for a while, it
// is asked. The caller holds the mutex.
func (s *sharing) lives(node string, online map[string]bool) bool {
	p := s.peers[node]
	switch {
	case !online[node] || p == nil:
		return false
	case time.Since(p.since) < silentAfter:
	case p.asked.IsZero():
		p.asked = time.Now()
		s.ask = append(s.ask, node)
		s.dirty, s.ring = true, true
	case time.Since(p.asked) > answerWithin:
		p.dead = true
	}
	return !p.dead
}
