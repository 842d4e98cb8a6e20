package template

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/lb"
)

// A View is the input of a template. It contains everything of a configuration that affects
// HAProxy, and nothing else: HAProxy behaves the same with two configurations of the same View.
type View struct {
	// Fingerprint is 12 hex digits that name this rendering. It is empty in the
	// rendering that the fingerprint itself is computed from.
	Fingerprint string
	// SocketPath is the path of the stats socket, the same as
	// Process.StatsSocket.
	SocketPath string
	Process    ProcessView
	// Stats is HAProxy's statistics page; nil: no page.
	Stats *StatsView
	// Page is the same page for the agent, which shows it to its callers; nil: no page.
	Page *PageView
	// Resolving: a server has a host name instead of an address, so that a resolvers section is
	// needed.
	Resolving bool
	Frontends []FrontendView // sorted by key
	Backends  []BackendView  // sorted by key
	// Global and Defaults are raw lines for the template's own sections of these kinds.
	Global   []string
	Defaults []string
	// NamedDefaults are sections of defaults, each after the one that it is based on. They must
	// come before the template's own defaults, which apply to all sections that name none.
	NamedDefaults []SectionView
	// Sections are the other raw sections, sorted by kind and name.
	Sections []SectionView
}

// A ProcessView holds the settings of HAProxy itself.
type ProcessView struct {
	StatsSocket   string        // path; needs quote
	SocketUser    string        // owner of the stats socket, or empty; needs quote
	StateFile     string        // file with the states of servers before a reload, or empty; needs quote
	PeersSocket   string        // path of the socket for stick tables, or empty; needs quote
	PeersBind     string        // the bind line for stick tables after its keyword, or empty
	LocalPeer     string        // name of this node among peers
	User          string        // or empty; needs quote
	Group         string        // or empty; needs quote
	Log           string        // target and facility in HAProxy's words, or empty
	MaxConn       int           // 0: HAProxy decides
	HardStopAfter time.Duration // 0: unbounded
}

// A StatsView says where HAProxy serves its statistics page.
type StatsView struct {
	Name string // of its listen section; no frontend or backend has it
	Bind string // address
}

// A PageView says where the agent finds the statistics page.
type PageView struct {
	Name string // of its listen section; no frontend, backend or StatsView has it
	Bind string // the bind line after its keyword
	URI  string // path of the page
}

// A FrontendView is one frontend.
type FrontendView struct {
	Key     string
	Mode    string   // "http" or "tcp"
	Binds   []string // one address each, or addresses with options, as for TLS; empty if Natives bind
	Backend string   // default backend, may be empty when there are rules
	// Keepalive is "default", "close" or "server-close". "default" leaves the
	// choice to HAProxy, except that Rules ask for PretendKeepalive then.
	Keepalive string
	// PretendKeepalive asks for option http-server-close here. The backends
	// routed to have their own PretendKeepalive.
	PretendKeepalive bool
	Rules            []RuleView // the first match wins
	Natives          []string   // lines for acceptProxy and TLS, and raw lines
	Defaults         string     // the section of defaults that it begins with; empty: the last one
	// Challenges is the path of the map with answers to HTTP-01 challenges, which come before
	// everything else that the frontend does with a request; empty: it answers none.
	Challenges string
}

// A RuleView sends requests that match one of Values to Backend.
type RuleView struct {
	Name       string   // "rule_1", "rule_2", … in the order of the frontend
	Fetch      string   // what is matched and how: "path_beg", "hdr_dom(host)"
	IgnoreCase bool     // the comparison ignores case (-i)
	Values     []string // patterns, at least one; need quote
	Backend    string
}

// A BackendView is one backend with its servers.
type BackendView struct {
	Key     string
	Mode    string // "http" or "tcp"
	Balance string // algorithm with its arguments
	// Host is the Host header that servers get; empty: the client's, or mode is
	// tcp.
	Host string
	// Health is the HTTP check; nil: a TCP connect.
	Health *HealthView
	// PretendKeepalive asks for option http-pretend-keepalive: some frontend
	// that routes here has its own PretendKeepalive.
	PretendKeepalive bool
	Natives          []string // raw lines, then one with options that all Servers have
	Servers          []ServerView
	Defaults         string // the section of defaults that it begins with; empty: the last one
}

// A SectionView is a raw section.
type SectionView struct {
	Kind     string // "listen", "userlist", …
	Name     string
	Defaults string   // the section of defaults that it begins with, or empty
	Natives  []string // raw lines
}

// A HealthView is the HTTP check of a backend's servers.
type HealthView struct {
	Method  string
	URI     string // needs quote
	Version string // "HTTP/1.0" or "HTTP/1.1"
	Host    string // Host header of the check, or empty
}

// A ServerView is one server of a backend.
type ServerView struct {
	Name string
	// Address is host:port, IPv6 in brackets. Options of a server's own about TLS follow it:
	// templates need not know of them.
	Address string
	// Resolve: the address has a host name.
	Resolve  bool
	Interval time.Duration // between two checks
	Weight   int           // 0 to 256
	// Spare: no member uses this line, or an operator has taken its member out of use. The line
	// needs "disabled"; a member may take it while HAProxy runs.
	Spare bool
	// ID is the number of the line in its backend if it must be written, else 0.
	ID int
	// HashKey says that the line needs "hash-key addr-port": its address decides which
	// requests it gets.
	HashKey bool
}

// manyLines is from how many server lines on a backend numbers them. HAProxy 2.6 and 3.0
// compare the name of each line without a number to those of all others: 20,000 lines take
// 5 s, and with numbers 0.3 s.
const manyLines = 1000

// numbers reports whether the lines of a backend say their numbers. Raw server lines come
// first and would lose theirs.
func numbers(p lb.ResolvedBackend) bool {
	isServer := func(n lb.RawLine) bool { return strings.HasPrefix(string(n), "server") }
	return max(len(p.Members), len(p.Slots)) >= manyLines && !slices.ContainsFunc(p.Natives, isServer)
}

// newView makes the View of c. Slices are in c's order.
func newView(c lb.Config) View { return viewOf(c, true) }

// viewOf is newView. Without names the names of files of certificates lack what changes while
// HAProxy runs.
func viewOf(c lb.Config, names bool) View {
	v := View{
		SocketPath: c.Process.StatsSocket,
		Process: ProcessView{
			StatsSocket: c.Process.StatsSocket, SocketUser: c.Process.SocketUser,
			StateFile: c.Process.StateFile, PeersSocket: c.Process.PeersSocket,
			User: c.Process.User, Group: c.Process.Group, Log: c.Process.Log,
			MaxConn: max(0, c.Process.MaxConn), HardStopAfter: max(0, c.Process.HardStopAfter),
		},
		Frontends: make([]FrontendView, len(c.Frontends)),
		Backends:  make([]BackendView, len(c.Backends)),
	}
	pretending := map[lb.Name]bool{}
	for i, f := range c.Frontends {
		v.Frontends[i] = newFrontendView(f)
		if f.AnswersChallenges(c.Process.Challenges.Port) {
			v.Frontends[i].Challenges = c.ChallengeMap
		}
		v.Frontends[i].addTLS(c.TLSLines(f, quote, names))
		v.Frontends[i].Natives = append(proxyLines(f.AcceptedSources()), v.Frontends[i].Natives...)
		if v.Frontends[i].PretendKeepalive {
			for _, target := range f.Targets() {
				pretending[target] = true
			}
		}
	}
	for i, p := range c.Backends {
		v.Backends[i] = newBackendView(p)
		if options := c.ServerOptions(p.Backend, quote, names); len(options) > 0 {
			v.Backends[i].Natives = append(v.Backends[i].Natives, "default-server "+strings.Join(options, " "))
		}
		v.Backends[i].PretendKeepalive = pretending[p.Key]
		v.Resolving = v.Resolving || slices.ContainsFunc(p.Members, func(m lb.Member) bool { return !m.Address.Host.IsIP() })
	}
	v.addSections(c.Sections)
	if c.Process.StatsBind != nil {
		v.Stats = &StatsView{Name: freeName(c, "stats"), Bind: c.Process.StatsBind.String()}
	}
	if c.Process.PageSocket != "" {
		v.Page = &PageView{Name: freeName(c, "stats-page"), Bind: pageBind(c.Process), URI: lb.StatsPath}
	}
	return v
}

func newFrontendView(f lb.Frontend) FrontendView {
	v := FrontendView{
		Key: string(f.Key), Mode: f.Mode, Backend: string(f.Backend),
		Keepalive: f.Keepalive, Natives: texts(f.Natives), Defaults: string(f.Defaults),
		PretendKeepalive: f.PretendsKeepalive(), Binds: f.BindTexts(),
	}
	for i, r := range f.Rules {
		v.Rules = append(v.Rules, newRuleView(i+1, r))
	}
	return v
}

// addTLS adds the addresses with TLS to the others, and the lines for it before the raw ones:
// templates need not know of it.
func (v *FrontendView) addTLS(lines lb.TLSLines) {
	v.Binds = append(slices.Clip(v.Binds), lines.Binds...)
	v.Natives = append(lines.Rules, v.Natives...)
}

func newRuleView(number int, r lb.Rule) RuleView {
	v := RuleView{Name: "rule_" + strconv.Itoa(number), Fetch: r.Operation, Values: r.Values, Backend: string(r.Backend)}
	if r.Type == "header" {
		v.Fetch = r.Operation + "(" + r.Header + ")"
		v.IgnoreCase = strings.EqualFold(r.Header, "host")
	}
	return v
}

func newBackendView(p lb.ResolvedBackend) BackendView {
	v := BackendView{
		Key: string(p.Key), Mode: p.Mode, Balance: p.Balance, Natives: texts(p.Natives), Defaults: string(p.Defaults),
		Servers: make([]ServerView, 0, max(len(p.Members), len(p.Slots))),
	}
	if p.Mode == "http" {
		v.Host = p.Host
	}
	if p.Health != nil {
		v.Health = &HealthView{Method: p.Health.Method, URI: p.Health.URI, Version: p.Health.Version, Host: p.Host}
	}
	own, interval := p.HasResolvers(), p.CheckInterval() // own: raw lines say how names are resolved
	isNumbered := numbers(p)
	for i, s := range p.Servers() {
		line := ServerView{
			Name: s.Name, Address: s.Address.String(), Resolve: !own && !s.Address.Host.IsIP(),
			Interval: interval, Weight: s.Weight, Spare: s.Spare || s.Maintenance,
			ID: s.ID, HashKey: p.Placement == lb.PlacedByAddress,
		}
		if words := s.TLS.Words(); words != nil {
			line.Address += " " + strings.Join(words, " ")
		}
		if isNumbered && line.ID == 0 {
			line.ID = i + 1 // which HAProxy gives it itself
		}
		v.Servers = append(v.Servers, line)
	}
	return v
}

// proxyLines demand a header of the PROXY protocol of connections from some sources. They
// stand before all rules that look at the client's address.
func proxyLines(sources []string) []string {
	var out []string
	for chunk := range slices.Chunk(sources, 20) { // HAProxy bounds the words of a line
		out = append(out, "tcp-request connection expect-proxy layer4 if { src "+strings.Join(chunk, " ")+" }")
	}
	return out
}

// pageBind is a bind line for the agent alone.
func pageBind(p lb.Process) string {
	bind := quote("unix@"+p.PageSocket) + " mode 600"
	if p.SocketUser != "" {
		bind += " user " + quote(p.SocketUser)
	}
	return bind
}

// freeName finds a name for a statistics page. HAProxy refuses two proxies
// of one kind with the same name, and operators may call theirs "stats".
func freeName(c lb.Config, wanted lb.Name) string {
	taken := map[lb.Name]bool{}
	for _, f := range c.Frontends {
		taken[f.Key] = true
	}
	for _, p := range c.Backends {
		taken[p.Key] = true
	}
	for _, s := range c.Sections {
		taken[s.Name] = true
	}
	name := wanted
	for n := 2; taken[name]; n++ {
		name = lb.Name(string(wanted) + "-" + strconv.Itoa(n))
	}
	return string(name)
}

func texts(natives []lb.RawLine) []string {
	out := make([]string, len(natives))
	for i, n := range natives {
		out[i] = string(n)
	}
	return out
}
