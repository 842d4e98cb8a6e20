package lb

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// DefaultCheckInterval is the time between two health checks of a member.
const DefaultCheckInterval = 2 * time.Second

// A Backend is a set of members that requests are balanced over. A static one
// lists them; a dynamic one names the Consul service and version, or versions,
// that they come from.
type Backend struct {
	Key     Name
	Type    string  // "dynamic" or "static"
	Service Name    // the Consul service; dynamic only
	Version Version // of that service; dynamic only, and empty where Versions are
	// Versions of that service divide the traffic; nil: Version gets it all.
	Versions Split
	Balance  string // HAProxy's algorithm with its arguments, e.g. "roundrobin", "uri depth 2"
	// HashStable: a hashing algorithm chooses the same member on every load balancer with the same
	// members. Where necessary, each change of members then causes a reload.
	HashStable bool
	Host       string  // Host header sent to members; empty: the client's
	Health     *Health // HTTP check; nil: a TCP connect every DefaultCheckInterval
	Mode       string  // "http" or "tcp"
	Natives    []RawLine
	Members    []StaticMember // static only, sorted as given, no duplicates
	// Disabled: it is defined, but no member is in use.
	Disabled bool
	// Defaults names the section of defaults that the backend is based on; empty: those of the
	// template.
	Defaults Name
	// Transport is the protocol between HAProxy and the members.
	Transport Transport
}

// Health is an HTTP check of a backend's members.
type Health struct {
	Method   string        // "GET"
	URI      string        // "/"
	Version  string        // "HTTP/1.0" or "HTTP/1.1"
	Interval time.Duration // whole milliseconds
}

// A BackendSpec is a backend as written by a user, not yet checked. Empty
// fields stand for their defaults.
type BackendSpec struct {
	Type       string
	Service    string
	Version    string
	Versions   *SplitSpec // nil: Version alone
	Balance    string
	HashStable bool
	Host       string
	Health     *HealthSpec // nil: a TCP connect
	Mode       string
	Natives    []string
	Members    []MemberSpec // static only
	Defaults   string       // empty: those of the template
	Disabled   bool
	Protocol   string         // of HTTP to members; empty: h1
	SendProxy  string         // empty: no header of the PROXY protocol
	TLS        *MemberTLSSpec // nil: no TLS to members
}

// A HealthSpec is an HTTP check as written by a user, not yet checked.
type HealthSpec struct {
	Method, URI, Version string
	Interval             *int64 // milliseconds; nil: DefaultCheckInterval
}

// checkServerLines refuses raw server lines of a dynamic backend that have the names of its slots:
// the agent would take them for its own. Definitions that are stored already are not checked.
func (b Backend) checkServerLines(fe *FieldErrors) {
	for i, n := range b.Natives {
		text, _, _ := strings.Cut(strings.Map(unquoted, string(n)), "#")
		words := append(strings.Fields(text), "", "")
		slot := words[0] == "server" && SlotIndex(words[1]) >= 0 ||
			words[0] == "server-template" && SlotIndex(words[1]+"1") >= 0 // its servers have a number behind this
		if (b.Type == "dynamic" || b.HasTargets()) && slot {
			fe.Add("natives["+strconv.Itoa(i)+"]", strconv.Quote(string(n))+" has the name of one of the backend's own servers (s1, s2-notls, s3-tls-NAME, …)", "another name")
		}
	}
}

// unquoted leaves out what HAProxy may drop from a word: names of servers hold none of it.
func unquoted(r rune) rune {
	if strings.ContainsRune("\"'\\", r) {
		return -1
	}
	return r
}

// checkAddresses refuses members with impossible addresses. Definitions that are stored already are
// not checked.
func checkAddresses(b Backend, fe *FieldErrors) {
	for i, m := range b.Members {
		if why := m.Host.NoMember(); why != "" {
			fe.Add("members["+strconv.Itoa(i)+"].host", strconv.Quote(string(m.Host))+" "+why, "where the member listens")
		}
	}
	for i, n := range b.Natives {
		words := rawWords(n)
		if len(words) < 3 || words[0].text != "server" {
			continue
		}
		host := Host(plainHost(parseTarget(words[2]).host))
		if host == "*" || host == "::" {
			continue // where the client connected to: for those who may have that
		}
		if why := host.NoMember(); why != "" {
			fe.Add("natives["+strconv.Itoa(i)+"]", strconv.Quote(string(n))+": "+strconv.Quote(string(host))+" "+why, "where the server listens")
		}
	}
}

// CheckNew checks the conditions that apply only to new definitions, not to those that are stored
// already. The error is an *InvalidError.
func (b Backend) CheckNew() error {
	var fe FieldErrors
	b.Key.checkNew(&fe)
	b.checkServerLines(&fe)
	checkAddresses(b, &fe)
	b.checkOverrides(&fe)
	b.checkHashStable(&fe)
	return fe.Err()
}

// Parse checks the backend named key. The error is an *InvalidError that names every
// bad field as the node API does: "health.interval", "members[0].port", "name" for the
// service.
func (s BackendSpec) Parse(key Name) (Backend, error) {
	var fe FieldErrors
	b := Backend{Key: key}
	var err error
	b.Mode, err = oneOf(s.Mode, "http", "tcp")
	fe.AddErr("mode", err)
	b.Natives = parseNatives(&fe, s.Natives)
	b.Balance, err = parseBalance(cmp.Or(s.Balance, rawBalance(b.Natives)), b.Mode)
	fe.AddErr("balance", err)
	b.HashStable, b.Disabled = s.HashStable, s.Disabled
	b.Defaults, err = parseDefaults(s.Defaults)
	fe.AddErr("defaults", err)
	if s.Host != "" {
		b.Host, err = parseHostHeader(s.Host)
		fe.AddErr("host", err)
	}
	b.Health = parseHealth(&fe, s.Health, s.Host != "")
	b.Transport = s.parseTransport(&fe, b)
	if interval := b.serverDefaults().interval; b.Health != nil && s.Health.Interval == nil && interval > 0 {
		b.Health.Interval = interval
	}
	switch s.Type {
	case "dynamic":
		b.Type = s.Type
		b.Service, err = ParseName(s.Service)
		fe.AddErr("name", err)
		b.Version, b.Versions = parseSelection(&fe, s.Version, s.Versions)
		fe.AddErr("balance", b.checkWeighing())
	case "static":
		b.Type = s.Type
		b.Members = s.parseMembers(&fe)
	case "":
		fe.Add("type", "is missing", "dynamic or static")
	default:
		fe.Add("type", strconv.Quote(s.Type)+" is not known here", "dynamic or static")
	}
	return b, fe.Err()
}

// parseMembers checks the members of a static backend, and that it names no service.
func (s BackendSpec) parseMembers(fe *FieldErrors) []StaticMember {
	if s.Service != "" {
		fe.Add("name", "names a Consul service, and type is static", "no name, or type dynamic")
	}
	if s.Version != "" {
		fe.Add("version", "is a version of a Consul service, and type is static", "no version, or type dynamic")
	}
	if s.Versions != nil {
		fe.Add("versions", "are versions of a Consul service, and type is static", "no versions, or type dynamic")
	}
	if s.TLS != nil && len(s.TLS.FromMeta) > 0 {
		fe.Add("tls.fromMeta", "is about instances in Consul, and type is static", "no fromMeta, or type dynamic")
	}
	return parseStaticMembers(fe, s.Members)
}

func parseHealth(fe *FieldErrors, in *HealthSpec, hasHost bool) *Health {
	if in == nil {
		return nil
	}
	h := &Health{Method: in.Method, URI: in.URI, Interval: DefaultCheckInterval}
	if h.Method == "" {
		h.Method = "GET"
	}
	if strings.Trim(h.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || len(h.Method) > 32 {
		fe.Add("health.method", strconv.Quote(h.Method)+" is not an HTTP method", "GET, HEAD, OPTIONS, … in capitals")
	}
	if h.URI == "" {
		h.URI = "/"
	}
	switch {
	case len(h.URI) > maxLine:
		fe.Add("health.uri", "is "+strconv.Itoa(len(h.URI))+" bytes long", "at most "+strconv.Itoa(maxLine)+" bytes")
	case !strings.HasPrefix(h.URI, "/") || hasControl(h.URI) || strings.Contains(h.URI, " "):
		fe.Add("health.uri", strconv.Quote(h.URI)+" is not a path", "a path that begins with / and holds no blank")
	}
	var err error
	h.Version, err = oneOf(in.Version, "HTTP/1.0", "HTTP/1.1")
	fe.AddErr("health.httpVersion", err)
	if h.Version == "HTTP/1.1" && !hasHost {
		fe.Add("host", "is missing, and an HTTP/1.1 check must send it", "the Host header for members, or health.httpVersion HTTP/1.0")
	}
	if in.Interval != nil {
		if *in.Interval < 1 || *in.Interval > 24*3600*1000 {
			fe.Add("health.interval", strconv.FormatInt(*in.Interval, 10)+" is out of range", "milliseconds between 1 and 86400000")
		}
		h.Interval = time.Duration(*in.Interval) * time.Millisecond
	}
	return h
}

// parseHostHeader accepts a host with an optional port.
func parseHostHeader(s string) (string, error) {
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		if _, err := parsePort(s[i+1:]); err != nil {
			return "", bad(strconv.Quote(s)+" is not a Host header", "a host name or address, IPv6 in brackets, with an optional :port")
		}
		host = s[:i]
	}
	_, err := ParseHost(host)
	if err != nil || strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "", bad(strconv.Quote(s)+" is not a Host header", "a host name or address with an optional :port")
	}
	return s, nil
}

// balanceForms are HAProxy's algorithms with their arguments (configuration
// manual, "balance"). Those marked http look into requests.
var (
	balanceAny  = regexp.MustCompile(`^(roundrobin|static-rr|leastconn|first|source|random(\([1-9][0-9]{0,2}\))?|rdp-cookie(\([A-Za-z0-9_-]+\))?|hash [A-Za-z0-9_.,()-]+)$`)
	balanceHTTP = regexp.MustCompile(`^(uri( whole| path-only| len [1-9][0-9]{0,4}| depth [1-9][0-9]{0,3})*|url_param [A-Za-z0-9_.-]+( check_post)?|hdr\([A-Za-z0-9_-]+\)( use_domain_only)?)$`)
)

func parseBalance(s, mode string) (string, error) {
	if s == "" {
		return "roundrobin", nil
	}
	if balanceAny.MatchString(s) {
		return s, nil
	}
	if balanceHTTP.MatchString(s) {
		if mode == "tcp" {
			return "", bad(strconv.Quote(s)+" looks into HTTP requests, and mode is tcp", "another algorithm, or mode http")
		}
		return s, nil
	}
	return "", bad(strconv.Quote(s)+" is not a balance algorithm",
		"roundrobin, static-rr, leastconn, first, source, random, random(N), rdp-cookie, hash EXPR, uri, url_param NAME or hdr(NAME)")
}

// checkWeighing refuses a split with the one algorithm that ignores weights.
func (b Backend) checkWeighing() error {
	if b.Versions != nil && b.Balance == "first" {
		return bad("first heeds no weights, so that traffic cannot be divided between versions", "another algorithm, or version instead of versions")
	}
	return nil
}

// Split says which versions get the traffic of a dynamic backend: Versions, or Version alone. A
// static backend has none.
func (b Backend) Split() Split {
	if b.Versions != nil || b.Type != "dynamic" {
		return b.Versions
	}
	return Split{{Version: b.Version, Weight: 100}}
}

// Selection is Split as text: "1.0.0", or "1.0.0=90,1.1.0=10".
func (b Backend) Selection() string {
	if b.Versions != nil {
		return b.Versions.String()
	}
	return string(b.Version)
}

// ID is "backend/KEY".
func (b Backend) ID() string { return "backend/" + string(b.Key) }

// CheckInterval is the time between two health checks of a member: that of Health, or of
// a raw default-server line.
func (b Backend) CheckInterval() time.Duration {
	if b.Health != nil {
		return b.Health.Interval
	}
	return cmp.Or(b.serverDefaults().interval, DefaultCheckInterval)
}

// Spec is the inverse of BackendSpec.Parse.
func (b Backend) Spec() BackendSpec {
	s := BackendSpec{
		Type: b.Type, Service: string(b.Service), Version: string(b.Version), Versions: b.Versions.spec(),
		Balance: b.Balance, HashStable: b.HashStable, Host: b.Host, Mode: b.Mode, Natives: nativeTexts(b.Natives), Disabled: b.Disabled,
		Defaults: string(b.Defaults),
	}
	if b.Health != nil {
		ms := b.Health.Interval.Milliseconds()
		s.Health = &HealthSpec{Method: b.Health.Method, URI: b.Health.URI, Version: b.Health.Version, Interval: &ms}
	}
	for _, m := range b.Members {
		s.Members = append(s.Members, m.spec())
	}
	b.Transport.addTo(&s)
	return s
}

// ETag is the entity tag of the backend, quotes included: it changes with anything that operators
// define. Members from Consul do not affect it, so that an If-Match is valid until somebody changes
// the definition.
func (b Backend) ETag() string { return entityTag(b) }

func (b Backend) digest() digest {
	d := newDigest("backend", string(b.Key), b.Type, string(b.Service), string(b.Version), b.Versions.String(), b.Balance, b.Host, b.Mode)
	if h := b.Health; h != nil {
		d.list(h.Method, h.URI, h.Version, h.Interval.String())
	} else {
		d.list()
	}
	d.list(nativeTexts(b.Natives)...)
	if b.HashStable {
		d.list("hashStable")
	}
	if b.Defaults != "" {
		d.list("defaults", string(b.Defaults))
	}
	if b.Disabled {
		d.list("disabled")
	}
	if texts := b.Transport.texts(); len(texts) > 0 {
		d.list(texts...)
	}
	for _, m := range b.Members {
		d.list(m.texts()...)
	}
	return d
}
