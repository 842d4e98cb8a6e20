package peers

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/auth"
	"thalassa/consul"
	"thalassa/internal/wake"
)

// Times of what is written to the store.
const (
	writeIn      = 5 * time.Second
	sweepEvery   = time.Second
	leastPause   = 100 * time.Millisecond // between two writes
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 15 * time.Second
)

// A Record is a key of the store.
type Record struct {
	Value []byte
	Index uint64 // of the value
}

// A Store is where the nodes of a cluster exchange documents, such as Consul's key-value store.
type Store interface {
	// List returns all records whose keys begin with a prefix, by their keys. With an index it
	// waits for a change. Pass the returned index to the next call.
	List(ctx context.Context, prefix string, index uint64, wait time.Duration) (records map[string]Record, next uint64, err error)
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
	list := func(ctx context.Context, index uint64, wait time.Duration) (map[string]Record, uint64, error) {
		return c.cfg.Store.List(ctx, c.cfg.Prefix, index, wait)
	}
	consul.Follow(ctx, list, func(records map[string]Record, err error) {
		c.note(&c.reading, "reading those of other nodes", err)
		if err == nil {
			c.merge(ctx, records)
		}
		first()
	})
}

func (c *Carrier) merge(ctx context.Context, records map[string]Record) {
	documents := make(map[string][]byte, len(records))
	for key, r := range records {
		documents[strings.TrimPrefix(key, c.cfg.Prefix)] = r.Value
	}
	merged := c.cfg.Sessions.Merge(documents)
	c.tell(merged.Ended)
	c.tell(c.cfg.Sessions.Sweep())
	if merged.Again {
		c.writeAgain()
	}
	for _, node := range merged.Over {
		key := c.cfg.Prefix + node
		r, ok := records[key]
		if !ok {
			continue
		}
		removing, cancel := context.WithTimeout(ctx, writeIn)
		if err := c.cfg.Store.Remove(removing, key, r.Index); err != nil && ctx.Err() == nil {
			c.cfg.Logger.DebugContext(ctx, "old document not removed", "node", node, "error", err)
		}
		cancel()
	}
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
	var again <-chan time.Time // after a failure
	backoff, repeated := firstBackoff, firstBackoff
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.cfg.Sessions.Changed():
		case <-used.C:
		case <-again:
		case <-c.again: // somebody else writes it, or it cannot be read: not too often
			_ = wake.Pause(ctx, repeated-time.Since(last))
			if repeated = min(2*repeated, time.Minute); time.Since(last) > 2*time.Minute {
				repeated = firstBackoff
			}
		}
		again = nil
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
