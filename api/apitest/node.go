// Package apitest is a node without HAProxy and Consul for tests of the API and
// its client: it applies changes to an lb.Intent in memory and tells about them,
// with lb's own rules and the real activity log. It is never part of the program.
package apitest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/api"
	"thalassa/api/console"
	"thalassa/api/hrapi"
	"thalassa/canary"
	"thalassa/internal/permit"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/stage"
)

// A Node stands in for agent, store and discovery. All methods may be called
// concurrently.
type Node struct {
	Log      *activity.Log
	Canaries *canary.Runner // carries out canaries while Run does
	Audited  *Auditor

	now     func() time.Time
	changed wake.Signal // the snapshot has
	views   wake.Signal // that, or the intent
	drafts  drafts
	keys    Keys

	mu        sync.Mutex
	intent    lb.Intent
	snapshot  lb.Snapshot
	revisions []lb.Revision // oldest first
	configs   []lb.Recorded // oldest first; the text of each is its cause
	down      bool          // HAProxy is
	idle      bool          // and need not be here
	trouble   error         // what every call answers with; nil: none
	counters  map[lb.HostPort]lb.ServerStats
	underWay  []lb.ServerConnections
}

// New makes a node that knows nothing yet. A nil clock is time.Now.
func New(now func() time.Time) (*Node, error) {
	if now == nil {
		now = time.Now
	}
	log, err := activity.NewLog(context.Background(), &keeper{}, now, discard())
	if err != nil {
		return nil, err
	}
	n := &Node{Log: log, Audited: &Auditor{}, now: now, snapshot: lb.Snapshot{Services: map[lb.Name]lb.Service{}}}
	n.Canaries, err = canary.New(context.Background(), canary.Config{
		Node: n, Store: canaryStore{}, Journal: log, Stats: n.Stats, Interval: 10 * time.Millisecond, Now: now,
	})
	return n, err
}

// Prepare makes a node, and what api.New needs of it, as each adjust changes that.
func Prepare(tb testing.TB, adjust ...func(*api.Config)) (*Node, api.Config) {
	tb.Helper()
	n, err := New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	cfg := n.Config()
	for _, a := range adjust {
		a(&cfg)
	}
	return n, cfg
}

// Run carries out canaries until ctx ends.
func (n *Node) Run(ctx context.Context) error { return n.Canaries.Run(ctx) }

// A canaryStore keeps nothing: the Runner has all canaries of its time.
type canaryStore struct{}

func (canaryStore) SaveCanary(context.Context, lb.CanaryState) error   { return nil }
func (canaryStore) DeleteCanary(context.Context, lb.Name) error        { return nil }
func (canaryStore) Canaries(context.Context) ([]lb.CanaryState, error) { return nil, nil }

// Config is what api.New needs of the node.
func (n *Node) Config() api.Config {
	return api.Config{
		Changes: n, Members: n, Views: n, Changed: n.Changed, Activity: n.Log, History: n, Drafts: &n.drafts, Backups: backups{n}, HAProxyConfig: n.HAProxyConfig, Stats: n.Stats, Connections: n.Connections,
		ServiceNames: n.ServiceNames, Reload: n.Reload,
		Version: "1.2.3", Now: n.now, Configs: n, Canaries: n.Canaries, Audit: n.Audited, Keys: &n.keys,
		Dialects: []api.Dialect{hrapi.New(hrapi.Config{
			Dashboard: "127.0.0.1", Variables: hrapi.Variables{IP: "127.0.0.1", PortMin: 8000, PortMax: 8080, Certificates: "/tmp"}, HAProxyConfig: n.HAProxyConfig, Reload: n.Reload,
		}), console.New(nil)},
	}
}

// Fail makes every call answer with err, until nil.
func (n *Node) Fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trouble = err
}

// SetDown says that HAProxy is not running, or is again.
func (n *Node) SetDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

// SetIdle says that HAProxy is not running, and need not, or is again.
func (n *Node) SetIdle(idle bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down, n.idle = idle, idle
}

// Changed returns a channel that is closed when intent or snapshot change.
func (n *Node) Changed() <-chan struct{} { return n.views.Next() }

// Discover makes a service's instances known; "HOST:PORT VERSION" each.
func (n *Node) Discover(service lb.Name, instances ...string) {
	s := lb.Service{Name: service, Index: 1, Seen: n.now()}
	for i, text := range instances {
		addr, version, _ := strings.Cut(text, " ")
		bind, err := lb.ParseBind(addr)
		if err != nil {
			panic(err) // a mistake of the test
		}
		s.Instances = append(s.Instances, lb.Instance{
			ID: fmt.Sprintf("%s-%d", service, i+1), Node: "node1", Address: lb.HostPort(bind), Version: lb.Version(version),
			Meta:   map[string]string{"version": version, "hostname": "host-" + version, "pid": "4711"},
			Weight: 1, Status: "passing", Healthy: true,
		})
	}
	n.replace(service, func(lb.Service) lb.Service { return s })
}

// ServiceNames lists the services that are known.
func (n *Node) ServiceNames(context.Context) ([]lb.Name, error) {
	return slices.Sorted(maps.Keys(n.Snapshot().Services)), nil
}

// Find makes known what is wrong with registrations of a service.
func (n *Node) Find(service lb.Name, faults ...lb.Fault) {
	n.replace(service, func(s lb.Service) lb.Service {
		s.Faults = faults
		return s
	})
}

// Lose has Consul not answer for a service any more.
func (n *Node) Lose(service lb.Name, reason string) {
	n.replace(service, func(s lb.Service) lb.Service {
		s.Stale = reason
		return s
	})
}

// Hold makes a service keep the instances it has, as all of them are gone.
func (n *Node) Hold(service lb.Name) {
	n.replace(service, func(s lb.Service) lb.Service {
		s.Instances = slices.Clone(s.Instances)
		for i := range s.Instances {
			s.Instances[i].Held = true
		}
		s.Hold = &lb.Hold{Since: n.now(), Lost: len(s.Instances), Reason: fmt.Sprintf("%d of %d instances disappeared at once", len(s.Instances), len(s.Instances)), Doubt: lb.DoubtBlind}
		return s
	})
}

// Accept lets go of what a service holds.
func (n *Node) Accept(ctx context.Context, service lb.Name, by lb.Origin) error {
	if _, err := n.Intent(ctx); err != nil {
		return err
	}
	s, known := n.Snapshot().Services[service]
	switch {
	case !known:
		return &lb.NotFoundError{ID: "service/" + string(service)}
	case s.Hold == nil:
		return &lb.ConflictError{ID: "service/" + string(service), Reason: "no instances are held, so there is nothing to accept"}
	}
	n.replace(service, func(s lb.Service) lb.Service {
		s.Hold = nil
		s.Instances = slices.DeleteFunc(slices.Clone(s.Instances), func(i lb.Instance) bool { return i.Held })
		return s
	})
	n.Log.Note(activity.Event{
		Verb: activity.MembersReleased, Object: activity.Object{ID: "service/" + string(service), Type: "service", Key: string(service)},
		Author: by.Author, Cause: by.Cause, Reasons: []string{lb.Accepted},
	})
	return n.Log.Flush(ctx)
}

// replace makes another value of a service known.
func (n *Node) replace(service lb.Name, change func(lb.Service) lb.Service) {
	n.mu.Lock()
	services := maps.Clone(n.snapshot.Services)
	services[service] = change(services[service])
	n.snapshot = lb.Snapshot{Services: services}
	n.mu.Unlock()
	n.changed.Broadcast()
	n.views.Broadcast()
}

// Edit applies an edit, once its backend has healthy instances if it needs them.
func (n *Node) Edit(ctx context.Context, e lb.Edit) (lb.Applied, error) {
	applied, err := n.Apply(ctx, stage.Of(e))
	return applied, stage.Single(err)
}

// Apply applies a changeset, once its backends have healthy instances if they need them.
func (n *Node) Apply(ctx context.Context, set stage.Changeset) (lb.Applied, error) {
	in, err := n.Intent(ctx)
	if err != nil {
		return lb.Applied{}, err
	}
	for _, need := range in.NeedHealthy(set.Edits) {
		if err := n.awaitHealthy(ctx, need.Backend, need.Wait); err != nil {
			return lb.Applied{}, stage.About(need.Edit, err)
		}
	}
	applied, err := n.change(ctx, set.Origin, set.Apply)
	if err == nil {
		applied.Warnings = n.warnings(set.Concerns())
	}
	return applied, err
}

// Preview returns what a changeset would do. Every change takes a reload.
func (n *Node) Preview(ctx context.Context, set stage.Changeset) (stage.Preview, error) {
	in, err := n.Intent(ctx)
	if err != nil {
		return stage.Preview{}, err
	}
	next, err := set.Apply(in)
	if err != nil {
		return stage.Preview{}, err
	}
	out := stage.Preview{Base: in.Revision, Changes: in.Changes(next), Path: "none"}
	if len(out.Changes) > 0 {
		out.Path, out.Reasons = "reload", []string{out.Changes[0].ID + " created"}
		out.Before, out.After = []byte("# before\n"), []byte("# after\n")
	}
	return out, nil
}

// Switch points a backend at other versions, once those are healthy.
func (n *Node) Switch(ctx context.Context, s lb.Switch) (lb.Applied, error) {
	b, err := n.switched(s)
	if err != nil {
		return lb.Applied{}, err
	}
	if !s.Force {
		if err := n.awaitHealthy(ctx, b, s.Wait); err != nil {
			return lb.Applied{}, err
		}
	}
	applied, err := n.change(ctx, s.Origin, func(in lb.Intent) (lb.Intent, error) {
		return in.Apply(lb.Edit{Backend: &b, IfMatch: s.IfMatch, Origin: s.Origin})
	})
	if err == nil {
		applied.Backend, applied.Warnings = &b, n.warnings([]lb.Name{b.Key})
	}
	return applied, err
}

// awaitHealthy waits for a healthy instance of each version of a backend.
func (n *Node) awaitHealthy(ctx context.Context, b lb.Backend, wait time.Duration) error {
	patience, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		next := n.changed.Next()
		err := n.Snapshot().Services[b.Service].CheckHealthy(b, wait)
		if err == nil {
			return nil
		}
		select {
		case <-next:
		case <-patience.Done():
			return cmp.Or(ctx.Err(), err)
		}
	}
}

// warnings say which of the backends have no member.
func (n *Node) warnings(keys []lb.Name) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, key := range keys {
		if b, ok := n.intent.Backends[key]; ok {
			if e, isEmpty := n.intent.Empty(lb.Populate(b, n.snapshot), n.snapshot); isEmpty {
				out = append(out, e.String())
			}
		}
	}
	return out
}

func (n *Node) switched(s lb.Switch) (lb.Backend, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.trouble != nil {
		return lb.Backend{}, n.trouble
	}
	return n.intent.Switched(s)
}

// change makes the next intent, a revision and an event of an edit.
func (n *Node) change(ctx context.Context, by lb.Origin, edit func(lb.Intent) (lb.Intent, error)) (lb.Applied, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.trouble != nil {
		return lb.Applied{}, n.trouble
	}
	next, err := edit(n.intent)
	if err == nil {
		err = permit.Judge(ctx, n.intent, next)
	}
	if err != nil {
		return lb.Applied{}, err
	}
	changes := n.intent.Changes(next)
	applied := lb.Applied{Applied: true, Path: "none", Revision: n.intent.Revision}
	if len(changes) > 0 {
		next.Revision++
		n.intent = next
		n.views.Broadcast()
		n.revisions = append(n.revisions, lb.Revision{Number: next.Revision, Origin: by, Changes: changes})
		applied = lb.Applied{Applied: true, Path: "reload", Duration: 1500 * time.Microsecond, Revision: next.Revision}
		n.configs = append(n.configs, lb.Recorded{
			Number: uint64(len(n.configs) + 1), Time: by.Time, Revision: next.Revision, Cause: by.Cause, Author: by.Author,
			Path: applied.Path, Fingerprint: "1f874a0d5653", Size: len(by.Cause),
		})
		n.Log.Record(ctx, activity.Event{
			Verb: activity.ConfigurationChanged, Object: activity.Object{ID: changes[0].ID, Type: "configuration"},
			Cause: by.Cause, Author: by.Author, Revision: next.Revision, Path: applied.Path,
		})
	}
	applied.Changes = changes
	if n.down {
		applied.Applied, applied.Path, applied.Reason = false, "none", "HAProxy is not running"
	}
	return applied, nil
}

// Count sets what HAProxy counts for the server at an address; name, address and
// weight of its line, and the status unless given, are filled in.
func (n *Node) Count(address string, counters lb.ServerStats) {
	bind, err := lb.ParseBind(address)
	if err != nil {
		panic(err) // a mistake of the test
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.counters == nil {
		n.counters = map[lb.HostPort]lb.ServerStats{}
	}
	n.counters[lb.HostPort(bind)] = counters
}

// Stats returns the counters of a backend's members.
func (n *Node) Stats(_ context.Context, backend lb.Name) ([]lb.ServerStats, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, &lb.UnavailableError{What: "HAProxy is not running"}
	}
	pool := lb.Populate(n.intent.Backends[backend], n.snapshot)
	out := make([]lb.ServerStats, len(pool.Members))
	for i, m := range pool.Members {
		s := n.counters[m.Address]
		s.Server, s.Address, s.Weight, s.Status = lb.SlotName(i), m.Address, m.Weight, cmp.Or(s.Status, "UP")
		out[i] = s
	}
	return out, n.trouble
}

// Connect sets which servers have connections under way, of whatever backend.
func (n *Node) Connect(connections ...lb.ServerConnections) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.underWay = connections
}

// Connections returns what Connect has set.
func (n *Node) Connections(context.Context, lb.Name) ([]lb.ServerConnections, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, &lb.UnavailableError{What: "HAProxy is not running"}
	}
	return n.underWay, n.trouble
}

// Intent is what was asked for.
func (n *Node) Intent(context.Context) (lb.Intent, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.intent, n.trouble
}

// Snapshot is what was discovered.
func (n *Node) Snapshot() lb.Snapshot {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.snapshot
}

// Status returns the status.
func (n *Node) Status(context.Context) (lb.Status, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var empty []lb.EmptyBackend
	for _, b := range n.intent.SortedBackends() {
		if e, isEmpty := n.intent.Empty(lb.Populate(b, n.snapshot), n.snapshot); isEmpty {
			empty = append(empty, e)
		}
	}
	return lb.Status{
		Version: "1.2.3", Label: "edge", Started: time.UnixMilli(0).UTC(), Revision: n.intent.Revision, InEffect: n.intent.Revision,
		HAProxy:   lb.HAProxyStatus{Running: !n.down, Idle: n.idle, Version: "2.6.12", MasterPID: 100, WorkerPID: 101},
		Discovery: lb.ServiceStatuses(n.intent, n.snapshot), Empty: empty,
	}, n.trouble
}

// Revisions lists the history, newest first.
func (n *Node) Revisions(_ context.Context, before uint64, limit int) ([]lb.Revision, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return newest(n.revisions, before, limit, func(r lb.Revision) uint64 { return r.Number }), n.trouble
}

// newest lists what has numbers below before, unless that is 0, from the last on.
func newest[T any](all []T, before uint64, limit int, number func(T) uint64) []T {
	var out []T
	for _, v := range slices.Backward(all) {
		if (before == 0 || number(v) < before) && len(out) < limit {
			out = append(out, v)
		}
	}
	return out
}

// Reload reloads HAProxy, which has no file to read here.
func (n *Node) Reload(context.Context, lb.Origin) (lb.Applied, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return lb.Applied{Applied: true, Path: "reload", Duration: 1500 * time.Microsecond, Revision: n.intent.Revision}, n.trouble
}

// Configs lists a text for each revision.
func (n *Node) Configs(_ context.Context, before uint64, limit int) ([]lb.Recorded, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return newest(n.configs, before, limit, func(r lb.Recorded) uint64 { return r.Number }), n.trouble
}

// ConfigText is one of them; its text is the cause of the revision.
func (n *Node) ConfigText(_ context.Context, number uint64) (lb.Recorded, []byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if number == 0 || number > uint64(len(n.configs)) {
		return lb.Recorded{}, nil, &lb.NotFoundError{ID: fmt.Sprintf("haproxy/configs/%d", number)}
	}
	r := n.configs[number-1]
	return r, []byte(r.Cause), n.trouble
}

// HAProxyConfig lists the sections and servers that HAProxy would have.
func (n *Node) HAProxyConfig(context.Context) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.intent.Revision == 0 {
		return nil, &lb.UnavailableError{What: "no configuration has been written yet"}
	}
	var out bytes.Buffer
	c := lb.Resolve(n.intent, n.snapshot, lb.Process{})
	for _, f := range c.Frontends {
		fmt.Fprintf(&out, "frontend %s\n", f.Key)
	}
	for _, p := range c.Backends {
		fmt.Fprintf(&out, "backend %s\n", p.Key)
		for _, m := range p.Members {
			fmt.Fprintf(&out, "  server %s %s\n", m.ServerName(), m.Address)
		}
	}
	return out.Bytes(), n.trouble
}
