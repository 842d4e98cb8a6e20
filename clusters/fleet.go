package clusters

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"thalassa/client"
	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// mostPassed is how many requests to one cluster are passed on at the same time.
const mostPassed = 8

// Config is what a Fleet needs.
type Config struct {
	Now    func() time.Time
	Logger *slog.Logger // default: discards
}

// A Fleet follows other clusters. Make it with New; all methods may be called concurrently.
type Fleet struct {
	cfg      Config
	changed  wake.Signal
	replaced wake.Poke
	decoding chan struct{} // one slot for each state that is decoded

	mu        sync.Mutex
	followers map[string]*follower // by name
}

// New makes a Fleet of sources whose names differ. It asks nobody before Run.
func New(cfg Config, sources []Source) (*Fleet, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Fleet{cfg: cfg, replaced: wake.NewPoke(), decoding: make(chan struct{}, mostDecoded), followers: map[string]*follower{}}
	return f, f.Replace(sources)
}

// Replace follows other sources from now on. Those that have not changed keep their view.
func (f *Fleet) Replace(sources []Source) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[string]*follower, len(sources))
	for _, s := range sources {
		if known := f.followers[s.entry.Name]; known != nil && known.source.same(s) {
			next[s.entry.Name] = known
			continue
		}
		made, err := newFollower(s, f.cfg, f.changed.Broadcast, f.decoding)
		if err != nil {
			return err
		}
		next[s.entry.Name] = made
	}
	for name, former := range f.followers {
		if next[name] != former && former.end != nil {
			former.end()
		}
	}
	f.followers = next
	f.replaced.Send()
	f.changed.Broadcast()
	return nil
}

// Run follows the clusters until ctx ends, which is no error. Call it once.
func (f *Fleet) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		f.mu.Lock()
		for _, one := range f.followers {
			if one.end == nil {
				var own context.Context
				own, one.end = context.WithCancel(ctx)
				group.Go(func() { one.run(own) })
			}
		}
		f.mu.Unlock()
		select {
		case <-f.replaced:
		case <-ctx.Done():
			return nil
		}
	}
}

// List is all clusters at a glance, by name.
func (f *Fleet) List() []cluster.Summary {
	f.mu.Lock()
	all := make([]*follower, 0, len(f.followers))
	for _, one := range f.followers {
		all = append(all, one)
	}
	f.mu.Unlock()
	out := make([]cluster.Summary, len(all))
	for i, one := range all {
		out[i] = one.last().summary
	}
	slices.SortFunc(out, func(a, b cluster.Summary) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Cluster is one cluster with its last known status; nil: there is none yet. The error is an
// *lb.NotFoundError if the settings have no cluster of that name. The status must not be changed.
func (f *Fleet) Cluster(name string) (cluster.Summary, *cluster.Status, error) {
	one, err := f.find(name)
	if err != nil {
		return cluster.Summary{}, nil, err
	}
	v := one.last()
	return v.summary, v.status, nil
}

// Changed closes with the next change of any cluster.
func (f *Fleet) Changed() <-chan struct{} { return f.changed.Next() }

func (f *Fleet) find(name string) (*follower, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one := f.followers[name]; one != nil {
		return one, nil
	}
	return nil, &lb.NotFoundError{ID: ID(name)}
}

// ID is the id of a cluster, as grants name it.
func ID(name string) string { return "cluster/" + name }

// A Question is a read request for an agent of a cluster.
type Question struct {
	Path  string // of the agent's API, escaped, with its query
	IsXML bool   // the answer may be XML
}

// A Document is what an agent has answered.
type Document struct {
	Type string // Content-Type: JSON, XML or plain text
	Data []byte
}

// A RefusedError is an error that an agent of another cluster has answered with.
type RefusedError struct {
	Cluster string
	Status  int    // of HTTP
	Code    string // of the API; empty: it was no agent
	Message string // a sentence
}

// Error is the sentence, and whose it is.
func (r *RefusedError) Error() string { return "cluster " + r.Cluster + ": " + r.Message }

// Ask passes a read request on to an agent of a cluster: the one that has told its state, or
// another one if that gives no usable answer. The answer is JSON, XML if the question allows that,
// or plain text. Errors: *lb.NotFoundError if there is no such cluster, a *RefusedError, or an
// *lb.UnavailableError.
func (f *Fleet) Ask(ctx context.Context, name string, q Question) (Document, error) {
	one, err := f.find(name)
	if err != nil {
		return Document{}, err
	}
	return one.pass(ctx, q)
}

// pass is Ask for this cluster.
func (f *follower) pass(ctx context.Context, q Question) (Document, error) {
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	select {
	case f.passing <- struct{}{}:
		defer func() { <-f.passing }()
	default:
		return Document{}, f.unavailable(strconv.Itoa(mostPassed) + " requests to it are under way")
	}
	accept, types := "application/json", []string{"application/json", "text/plain"}
	if q.IsXML {
		accept, types = "application/xml", []string{"application/xml", "application/json", "text/plain"}
	}
	problem := "none of its agents gives a usable answer"
	for _, a := range f.order() {
		doc, err := a.read(ctx, client.Reading{Path: q.Path, Accept: accept, Wait: passWait, Most: maxDocument})
		if err == nil {
			err = checkDocument(doc, types...)
		}
		if err == nil {
			return Document{doc.Type, doc.Data}, nil
		}
		if said, ok := errors.AsType[*client.Error](err); ok && said.Code != "" && said.Code != "internal" && said.Code != "unavailable" {
			return Document{}, &RefusedError{Cluster: f.source.entry.Name, Status: said.Status, Code: said.Code, Message: problemOf(said)}
		}
		if ctx.Err() != nil {
			break
		}
		problem = problemOf(err)
	}
	return Document{}, f.unavailable(problem)
}

func (f *follower) unavailable(why string) error {
	return &lb.UnavailableError{What: "cluster " + f.source.entry.Name + " cannot be asked: " + why}
}
