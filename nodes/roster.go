package nodes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/safefile"
	"thalassa/internal/wake"
)

// Bounds of what is known of other nodes.
const (
	maxNodes     = 64
	maxURLs      = 8
	maxURL       = 200     // bytes
	maxRosterDoc = 1 << 20 // bytes
	// hearEvery is the pause between two looks at what the other nodes tell.
	hearEvery = 30 * time.Second
)

// An Exchange passes texts between the agents while the cluster runs, as pacemaker.Exchange does.
type Exchange interface {
	Say(ctx context.Context, text string) error
	Heard(ctx context.Context) (map[string]string, error)
}

// A Roster knows the nodes of the cluster and the addresses of their agents, also while the
// cluster is down. Make it with NewRoster; methods may be called concurrently with Run.
type Roster struct {
	cfg RosterConfig

	mu   sync.Mutex
	list rosterDoc
	said string
}

// A RosterConfig is what a Roster needs.
type RosterConfig struct {
	Exchange Exchange
	// File keeps the roster over restarts.
	File string
	// URL is where the agent listens; URLs that others can reach are made of it.
	URL string
	// View is the status of the cluster; Changed closes with its next change.
	View    func() cluster.Status
	Changed func() <-chan struct{}
	Now     func() time.Time
	Logger  *slog.Logger
}

// rosterDoc is the file of a roster.
type rosterDoc struct {
	Self  string              `json:"self"`
	Nodes []string            `json:"nodes"`
	URLs  map[string][]string `json:"urls"`
	// Up is when the cluster was seen to run again after it was down; Down: it does not run.
	Up   time.Time `json:"up,omitzero"`
	Down bool      `json:"down,omitempty"`
}

// told is what an agent tells the others of itself.
type told struct {
	URLs []string `json:"urls"`
}

// NewRoster reads what is known from a former start. A file that cannot be read is logged, and
// made again when the cluster runs.
func NewRoster(ctx context.Context, cfg RosterConfig) *Roster {
	r := &Roster{cfg: cfg}
	data, err := safefile.Read(cfg.File, maxRosterDoc)
	if err == nil {
		err = json.Unmarshal(data, &r.list)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		cfg.Logger.WarnContext(ctx, "the nodes of the cluster are not known from a former start", "error", err)
	}
	r.list = r.list.bounded()
	return r
}

func (d rosterDoc) bounded() rosterDoc {
	d.Nodes = slices.Clone(d.Nodes[:min(len(d.Nodes), maxNodes)])
	urls := map[string][]string{}
	for _, name := range d.Nodes {
		if list := usable(d.URLs[name]); len(list) > 0 {
			urls[name] = list
		}
	}
	d.URLs = urls
	return d
}

// usable are those of the URLs that can be one of an agent.
func usable(list []string) []string {
	var out []string
	for _, text := range list {
		u, err := url.Parse(text)
		if err != nil || len(text) > maxURL || u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		at, err := netip.ParseAddrPort(u.Host)
		if err != nil || text != u.Scheme+"://"+at.String() || len(out) == maxURLs { // nothing beside the address
			continue
		}
		if a := at.Addr().Unmap(); !a.IsLoopback() && !a.IsMulticast() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() {
			out = append(out, text)
		}
	}
	return out
}

// Self is the name of this node in the cluster; empty: it was never in one.
func (r *Roster) Self() string {
	if self := r.cfg.View().Self; self != "" {
		return self
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list.Self
}

// Nodes are the names of the members of the cluster, as last seen.
func (r *Roster) Nodes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list.Nodes)
}

// Up is when the cluster was seen to run again after it was down; zero: that is not known.
func (r *Roster) Up() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list.Up
}

// URLs are the addresses of the agent of a node; none: it has told no address that others reach.
func (r *Roster) URLs(node string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list.URLs[node])
}

// Run tells the other nodes of this one, and hears of them, until ctx ends, which is no error.
func (r *Roster) Run(ctx context.Context) error {
	for wake.Pause(ctx, time.Second) == nil { // a cluster that starts has many changes
		changed := r.cfg.Changed()
		v := r.cfg.View()
		known := online(v)
		if isRunning(v) {
			r.meet(ctx, v)
		} else if v.State == cluster.StateOffline {
			now := r.copied()
			now.Down = true
			r.keep(ctx, now)
		}
		late, cancel := context.WithTimeout(ctx, hearEvery)
		for waiting := true; waiting; {
			select {
			case <-changed:
				changed = r.cfg.Changed()
				waiting = online(r.cfg.View()) == known
			case <-late.Done():
				waiting = false
			}
		}
		cancel()
	}
	return nil
}

func isRunning(v cluster.Status) bool {
	return v.Self != "" && v.State != "" && v.State != cluster.StateNone && v.State != cluster.StateOffline
}

// online is a text that changes when nodes come and go.
func online(v cluster.Status) string {
	if !isRunning(v) {
		return v.State
	}
	var out bytes.Buffer
	for _, n := range v.Nodes {
		if n.IsOnline() {
			out.WriteString(n.Name + " ")
		}
	}
	return out.String()
}

// offline are the members that do not take part in the cluster now.
func offline(v cluster.Status) []string {
	return namesOf(slices.DeleteFunc(v.Members(), cluster.Node.IsOnline))
}

func namesOf(nodes []cluster.Node) []string {
	names := make([]string, 0, len(nodes))
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

// meet tells the other nodes of this one if they do not know, and hears of them.
func (r *Roster) meet(ctx context.Context, v cluster.Status) {
	heard, err := r.cfg.Exchange.Heard(ctx)
	if err == nil {
		text, _ := json.Marshal(told{URLs: r.own(v)}) // cannot fail
		if heard[v.Self] != string(text) {
			err = r.cfg.Exchange.Say(ctx, string(text))
		}
		heard[v.Self] = string(text)
	}
	if err != nil {
		if ctx.Err() == nil {
			r.cfg.Logger.DebugContext(ctx, "agents of other nodes not heard", "error", err)
		}
		return
	}
	before := r.copied()
	now := rosterDoc{Self: v.Self, URLs: map[string][]string{}, Up: before.Up}
	if before.Down || before.Up.IsZero() {
		now.Up = r.cfg.Now()
	}
	for _, n := range v.Members() {
		now.Nodes = append(now.Nodes, n.Name)
		now.URLs[n.Name] = before.URLs[n.Name] // of an agent that is away
		var one told
		if json.Unmarshal([]byte(heard[n.Name]), &one) == nil {
			now.URLs[n.Name] = one.URLs
		}
	}
	slices.Sort(now.Nodes)
	r.keep(ctx, now.bounded())
}

func (r *Roster) copied() rosterDoc {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.list
	out.Nodes, out.URLs = slices.Clone(out.Nodes), maps.Clone(out.URLs)
	return out
}

// keep notes a roster, and writes it if it has changed.
func (r *Roster) keep(ctx context.Context, now rosterDoc) {
	text, err := json.Marshal(now)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.list = now
	same := r.said == string(text)
	r.mu.Unlock()
	if same {
		return
	}
	if err := safefile.Replace(r.cfg.File, text, nil); err != nil {
		r.cfg.Logger.WarnContext(ctx, "the nodes of the cluster are not kept", "error", err)
		return
	}
	r.mu.Lock()
	r.said = string(text)
	r.mu.Unlock()
}

// own are the URLs of this agent that others can reach. Of a wildcard, each address of the node
// makes one, but for those that move.
func (r *Roster) own(v cluster.Status) []string {
	u, err := url.Parse(r.cfg.URL)
	if err != nil {
		return nil
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil || at.Addr().IsLoopback() {
		return nil
	}
	if !at.Addr().IsUnspecified() {
		return usable([]string{u.Scheme + "://" + at.String()})
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || !prefix.Addr().IsGlobalUnicast() || floats(v, prefix.Addr()) || at.Addr().Is4() && !prefix.Addr().Is4() {
			continue
		}
		out = append(out, u.Scheme+"://"+net.JoinHostPort(prefix.Addr().String(), strconv.Itoa(int(at.Port()))))
	}
	slices.Sort(out)
	return usable(out)
}

// floats reports whether an address is one that the cluster moves.
func floats(v cluster.Status, a netip.Addr) bool {
	return slices.ContainsFunc(v.FloatingIPs, func(ip cluster.FloatingIP) bool {
		moving, err := netip.ParseAddr(ip.Address)
		return err == nil && moving.Unmap() == a.Unmap()
	})
}
