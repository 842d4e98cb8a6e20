package peers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/auth"
	"thalassa/consul"
	"thalassa/internal/wake"
)

// Times of what is read from the store and written to it.
const (
	wait         = 45 * time.Second // for a change
	answerIn     = 15 * time.Second // beyond the wait
	writeIn      = 5 * time.Second
	sweepEvery   = time.Second
	leastPause   = 100 * time.Millisecond // between two writes
	readPause    = 30 * time.Millisecond  // between two rounds of reading
	rewriteAfter = 2 * time.Second        // of an acknowledgement that somebody else has replaced
	firstBackoff = 250 * time.Millisecond
	// Between two times that this node writes its document because somebody else has: the first
	// pause, the longest, and the time after which it is the first again.
	firstRewrite = 100 * time.Millisecond
	lastRewrite  = 2 * time.Second
	rewriteCalm  = 10 * time.Second
	lastBackoff  = 15 * time.Second
)

// A Record is a key of the store.
type Record struct {
	Value []byte
	Index uint64 // of the value
}

// Keys are the names of keys.
type Keys struct {
	Names []string
	Whole bool // else there are more, too many to list
}

// A Store is where the nodes of a cluster leave documents, such as Consul's key-value
// store. Others may write there as well, and fill it.
type Store interface {
	// Keys has the keys that begin with a prefix, with no slash after it. With an index it
	// waits for a change of any key that begins so. The new index is for the next call.
	Keys(ctx context.Context, prefix string, index uint64, wait time.Duration) (keys Keys, next uint64, err error)
	// Read reads the record of a key; false: there is none.
	Read(ctx context.Context, key string) (Record, bool, error)
	Put(ctx context.Context, key string, value []byte) error
	// Remove removes a key that still has the index of its Record.
	Remove(ctx context.Context, key string, index uint64) error
}

// Config is what a Carrier needs.
type Config struct {
	Sessions *auth.SharedSessions
	Store    Store
	Prefix   string // of the keys; the name of a node follows
	Node     string // this one
	// Ended is called with each session that another node, or a file of this node, has
	// ended.
	Ended  func(auth.Session)
	Logger *slog.Logger
}

// A Carrier keeps the sessions of this node and those of the others in step. Create it with New;
// Problems may be called concurrently with Run.
type Carrier struct {
	cfg   Config
	first chan struct{} // closed once the documents have been read, or cannot be
	again chan struct{} // one slot: write the document again

	acknowledged time.Time // for the goroutine that reads
	strangers    strangers // for the same

	mu      sync.Mutex
	reading string // why the documents cannot be read; empty: they can
	writing string
}

// New makes a Carrier. It starts nothing.
func New(cfg Config) *Carrier {
	return &Carrier{cfg: cfg, first: make(chan struct{}), again: make(chan struct{}, 1)}
}

// Ready waits until the documents of the other nodes have been read for the first time, or
// cannot be read, or ctx ends.
func (c *Carrier) Ready(ctx context.Context) {
	select {
	case <-c.first:
	case <-ctx.Done():
	}
}

// Problems are sentences for operators. A nil Carrier has none.
func (c *Carrier) Problems() []string {
	if c == nil {
		return nil
	}
	out := c.cfg.Sessions.Problems()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing != "" {
		out = append(out, "new logins and logouts hold on this node alone: "+c.writing)
	}
	if c.reading != "" {
		out = append(out, "logins and logouts on other nodes are not known here: "+c.reading)
	}
	return out
}

// Run carries documents until ctx ends, which is no error.
func (c *Carrier) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context){c.read, c.write, c.sweep, c.ask} {
		g.Go(func() error { part(ctx); return nil })
	}
	return g.Wait()
}

// read follows the documents of all nodes.
func (c *Carrier) read(ctx context.Context) {
	first := sync.OnceFunc(func() { close(c.first) })
	index, pause, backoff := uint64(0), wait, firstBackoff
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, wait+answerIn)
		if index == 0 {
			cancel()
			asking, cancel = context.WithTimeout(ctx, writeIn)
		}
		keys, next, err := c.cfg.Store.Keys(asking, c.cfg.Prefix, index, pause)
		cancel()
		if err == nil {
			pause, err = c.round(ctx, keys)
		}
		if ctx.Err() != nil {
			return
		}
		c.note(&c.reading, "reading those of other nodes", err)
		if err != nil {
			c.cfg.Sessions.Complete(false)
			first()
			index = 0
			_ = wake.Pause(ctx, consul.Jitter(backoff))
			backoff = min(2*backoff, lastBackoff)
			continue
		}
		backoff = firstBackoff
		if next < index {
			next = 0 // Consul has lost its state
		}
		index = next
		first()
		_ = wake.Pause(ctx, readPause)
	}
}

// round reads what all nodes have written, each key by itself: whoever fills the store with
// other keys does not keep it from being read. pause is how long to wait for a change before
// the next round.
func (c *Carrier) round(ctx context.Context, keys Keys) (pause time.Duration, err error) {
	known := c.cfg.Sessions.Nodes()
	look, pause, fresh := c.strangers.choose(c.others(keys, known))
	found := found{records: map[string]Record{}, documents: c.strangers.beginnings()}
	for _, name := range known {
		if err := c.readDocument(ctx, name, found); err != nil {
			return 0, err
		}
	}
	isUnsettled := c.merge(ctx, found)
	isGone, err := c.exchangeAcks(ctx)
	if err != nil {
		return 0, err
	}
	if isGone || isUnsettled {
		pause = min(pause, moreIn)
	}
	looked, err := c.meet(ctx, look, found)
	if looked < len(look) {
		pause = moreIn
	}
	c.cfg.Sessions.Complete(keys.Whole && looked >= fresh)
	return pause, err
}

// found is what a round has read, by the names below the prefix.
type found struct {
	records   map[string]Record
	documents map[string][]byte
}

func (c *Carrier) readDocument(ctx context.Context, name string, into found) error {
	r, ok, err := c.readOne(ctx, c.cfg.Prefix+name)
	if err != nil {
		return err
	}
	if delete(into.documents, name); ok {
		into.records[name], into.documents[name] = r, r.Value
	}
	return nil
}

// meet looks at strangers for a while, which must not be long: what known nodes write waits.
func (c *Carrier) meet(ctx context.Context, look []string, found found) (looked int, err error) {
	begun := time.Now()
	for _, name := range look {
		if looked > 0 && time.Since(begun) > longestLook {
			break
		}
		if err := c.readDocument(ctx, name, found); err != nil {
			return looked, err
		}
		looked++
	}
	if looked == 0 {
		return 0, nil
	}
	c.merge(ctx, found)
	known, isNew := c.cfg.Sessions.Nodes(), false
	for _, name := range look[:looked] {
		if slices.Contains(known, name) {
			isNew = true
		} else {
			c.strangers.note(name, found.documents[name])
		}
	}
	if isNew {
		_, err = c.exchangeAcks(ctx)
	}
	return looked, err
}

// exchangeAcks reads what the nodes say that they have read, and says what this one has.
// isGone: what this node has said is not there.
func (c *Carrier) exchangeAcks(ctx context.Context) (isGone bool, err error) {
	acks := map[string][]byte{}
	for _, name := range c.cfg.Sessions.Nodes() {
		r, ok, err := c.readOne(ctx, c.ackKey(name))
		if err != nil {
			return false, err
		}
		if ok {
			acks[name] = r.Value
		}
	}
	isGone = c.cfg.Sessions.MergeAcknowledgements(acks)
	return isGone, c.acknowledge(ctx, isGone)
}

// others are the names below the prefix that are not those of nodes that are known.
func (c *Carrier) others(keys Keys, known []string) []string {
	var all []string
	for _, key := range keys.Names {
		if name := strings.TrimPrefix(key, c.cfg.Prefix); !slices.Contains(known, name) {
			all = append(all, name)
		}
	}
	return all
}

func (c *Carrier) readOne(ctx context.Context, key string) (Record, bool, error) {
	reading, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	return c.cfg.Store.Read(reading, key)
}

// ackKey is where a node says what it has read of the others.
func (c *Carrier) ackKey(node string) string { return c.cfg.Prefix + "acks/" + node }

// acknowledge tells the other nodes what has been read of them. isGone: what this node has
// told before is not there.
func (c *Carrier) acknowledge(ctx context.Context, isGone bool) error {
	if isGone && time.Since(c.acknowledged) > rewriteAfter {
		c.cfg.Sessions.AcknowledgeAgain()
	}
	sealed, stored := c.cfg.Sessions.Acknowledgement()
	if sealed == nil {
		return nil
	}
	writing, cancel := context.WithTimeout(ctx, writeIn)
	defer cancel()
	if err := c.cfg.Store.Put(writing, c.ackKey(c.cfg.Node), sealed); err != nil {
		return err
	}
	stored()
	c.acknowledged = time.Now()
	return nil
}

// merge merges what was read. isUnsettled: look at this node's own document again soon.
func (c *Carrier) merge(ctx context.Context, found found) (isUnsettled bool) {
	merged := c.cfg.Sessions.Merge(found.documents)
	c.tell(merged.Ended)
	c.tell(c.cfg.Sessions.Sweep())
	if merged.Again {
		c.writeAgain()
	}
	for _, node := range merged.Over {
		r, ok := found.records[node]
		if !ok {
			continue
		}
		removing, cancel := context.WithTimeout(ctx, writeIn)
		err := c.cfg.Store.Remove(removing, c.cfg.Prefix+node, r.Index)
		if ack, ok, errRead := c.cfg.Store.Read(removing, c.ackKey(node)); ok && err == nil {
			err = errors.Join(errRead, c.cfg.Store.Remove(removing, c.ackKey(node), ack.Index))
		}
		if err != nil && ctx.Err() == nil {
			c.cfg.Logger.DebugContext(ctx, "old document not removed", "node", node, "error", err)
		}
		cancel()
	}
	return merged.Unsettled
}

func (c *Carrier) tell(ended []auth.Session) {
	for _, session := range ended {
		c.cfg.Ended(session)
	}
}

func (c *Carrier) writeAgain() {
	select {
	case c.again <- struct{}{}:
	default:
	}
}

// write keeps this node's document up to date in the store.
func (c *Carrier) write(ctx context.Context) {
	used := time.NewTicker(auth.UseGranularity)
	defer used.Stop()
	var again, rewrite <-chan time.Time // after a failure, and after somebody else has written
	backoff, repeated := firstBackoff, firstBackoff
	var last, rewritten time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.cfg.Sessions.Changed():
		case <-used.C:
		case <-again:
		case <-c.again: // somebody else writes it, or it cannot be read: not too often
			if rewrite != nil {
				continue
			}
			if repeated = min(2*repeated, lastRewrite); time.Since(rewritten) > rewriteCalm {
				repeated = firstRewrite
			}
			rewrite = time.After(repeated) // what happens here meanwhile does not wait for that
			continue
		case <-rewrite:
			rewritten = time.Now()
		}
		again, rewrite = nil, nil
		_ = wake.Pause(ctx, leastPause-time.Since(last))
		last = time.Now()
		if err := c.publish(ctx); err != nil && ctx.Err() == nil {
			again = time.After(consul.Jitter(backoff))
			backoff = min(2*backoff, lastBackoff)
			continue
		}
		backoff = firstBackoff
	}
}

func (c *Carrier) publish(ctx context.Context) error {
	sealed, version, err := c.cfg.Sessions.Document()
	if err == nil {
		writing, cancel := context.WithTimeout(ctx, writeIn)
		err = c.cfg.Store.Put(writing, c.cfg.Prefix+c.cfg.Node, sealed)
		cancel()
	}
	if ctx.Err() == nil {
		c.note(&c.writing, "telling those of this node", err)
	}
	c.cfg.Sessions.Published(sealed, version, err)
	return err
}

// sweep ends sessions that the files of this node do not allow any more.
func (c *Carrier) sweep(ctx context.Context) {
	for wake.Pause(ctx, sweepEvery) == nil {
		c.tell(c.cfg.Sessions.Sweep())
	}
}

// ask asks the system of this node about accounts that have logged in on others.
func (c *Carrier) ask(ctx context.Context) {
	for wake.Pause(ctx, sweepEvery/4) == nil {
		c.cfg.Sessions.AskAccounts(ctx)
	}
}

// note keeps and logs a problem, or that it is over.
func (c *Carrier) note(problem *string, doing string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	c.mu.Lock()
	former := *problem
	*problem = text
	c.mu.Unlock()
	switch {
	case text != "" && former == "":
		c.cfg.Logger.Warn("sessions of the cluster out of step", "doing", doing, "error", text)
	case text == "" && former != "":
		c.cfg.Logger.Info("sessions of the cluster in step again", "doing", doing)
	}
}
