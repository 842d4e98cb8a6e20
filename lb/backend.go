package lb

import (
	"encoding/json"
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
	Balance  string  // HAProxy's algorithm with its arguments, e.g. "roundrobin", "uri depth 2"
	Host     string  // Host header sent to members; empty: the client's
	Health   *Health // HTTP check; nil: a TCP connect every DefaultCheckInterval
	Mode     string  // "http" or "tcp"
	Natives  []Native
	Members  []HostPort // static only, sorted as given, no duplicates
}

// Health is an HTTP check of a backend's members.
type Health struct {
	Method   string        // "GET"
	URI      string        // "/"
	Version  string        // "HTTP/1.0" or "HTTP/1.1"
	Interval time.Duration // whole milliseconds
}

type healthJSON struct {
	Method      string `json:"method"`
	URI         string `json:"uri"`
	HTTPVersion string `json:"httpVersion"`
	Interval    *int64 `json:"interval"` // milliseconds
}

type backendJSON struct {
	ID       string          `json:"id,omitempty"`
	JSONTyp  string          `json:"_type,omitempty"`
	Key      string          `json:"key,omitempty"`
	Type     string          `json:"type"`
	Name     string          `json:"name,omitempty"`
	Version  string          `json:"version,omitempty"`
	Versions json.RawMessage `json:"versions,omitempty"`
	Balance  string          `json:"balance"`
	Host     string          `json:"host,omitempty"`
	Health   *healthJSON     `json:"health,omitempty"`
	Mode     string          `json:"mode"`
	Natives  []string        `json:"natives"`
	Members  json.RawMessage `json:"members,omitempty"`
}

// staticMemberJSON takes what a listing of members shows, so that a body read
// before can be put back; only host and port count.
type staticMemberJSON struct {
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Version   string          `json:"version,omitempty"`
	Host      string          `json:"host"`
	Port      int             `json:"port"`
	LastKnown json.RawMessage `json:"lastKnown,omitempty"`
	Meta      json.RawMessage `json:"meta,omitempty"`
}

// ParseBackend decodes and checks the JSON body of the backend named key. The
// members of a dynamic backend are read-only and ignored. The error is an
// *InvalidError naming every bad field.
func ParseBackend(key string, body []byte) (Backend, error) {
	var in backendJSON
	if err := unmarshalStrict(body, &in); err != nil {
		return Backend{}, err
	}
	b, err := in.parse(key)
	if err != nil {
		return b, err
	}
	var fe fieldErrors
	b.checkServerLines(&fe)
	b.checkAddresses(&fe)
	return b, fe.err()
}

// checkServerLines refuses raw server lines of a dynamic backend that have the names
// of its slots: the agent would take them for its own. What is stored already stays
// readable.
func (b Backend) checkServerLines(fe *fieldErrors) {
	for i, n := range b.Natives {
		text, _, _ := strings.Cut(strings.Map(unquoted, string(n)), "#")
		words := append(strings.Fields(text), "", "")
		slot := words[0] == "server" && SlotIndex(words[1]) >= 0 || words[0] == "server-template" && words[1] == "s"
		if b.Type == "dynamic" && slot {
			fe.add("natives["+strconv.Itoa(i)+"]", strconv.Quote(string(n))+" has the name of one of the backend's own servers (s1, s2, …)", "another name")
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

// checkAddresses refuses members that are nowhere. What is stored already stays
// readable, too.
func (b Backend) checkAddresses(fe *fieldErrors) {
	for i, m := range b.Members {
		if m.Host.IsAny() {
			fe.add("members["+strconv.Itoa(i)+"].host", strconv.Quote(string(m.Host))+" is no address of a machine", "where the member listens")
		}
	}
}

func (in backendJSON) parse(key string) (Backend, error) {
	var fe fieldErrors
	b := Backend{Key: checkIdentity(&fe, "backend", key, in.ID, in.JSONTyp, in.Key)}
	var err error
	b.Mode, err = oneOf(in.Mode, "http", "tcp")
	fe.addErr("mode", err)
	b.Balance, err = parseBalance(in.Balance, b.Mode)
	fe.addErr("balance", err)
	if in.Host != "" {
		b.Host, err = parseHostHeader(in.Host)
		fe.addErr("host", err)
	}
	b.Natives = parseNatives(&fe, in.Natives)
	b.Health = parseHealth(&fe, in.Health, in.Host != "")
	switch in.Type {
	case "dynamic":
		b.Type = in.Type
		b.Service, err = ParseName(in.Name)
		fe.addErr("name", err)
		b.Version, b.Versions = parseSelection(&fe, in.Version, in.Versions)
		fe.addErr("balance", b.checkWeighing())
	case "static":
		b.Type = in.Type
		b.Members = parseStaticMembers(&fe, in)
	case "":
		fe.add("type", "is missing", "dynamic or static")
	default:
		fe.add("type", strconv.Quote(in.Type)+" is not known here", "dynamic or static")
	}
	return b, fe.err()
}

func parseStaticMembers(fe *fieldErrors, in backendJSON) []HostPort {
	if in.Name != "" {
		fe.add("name", "names a Consul service, and type is static", "no name, or type dynamic")
	}
	if in.Version != "" {
		fe.add("version", "is a version of a Consul service, and type is static", "no version, or type dynamic")
	}
	if !isAbsent(in.Versions) {
		fe.add("versions", "are versions of a Consul service, and type is static", "no versions, or type dynamic")
	}
	var members []staticMemberJSON
	if len(in.Members) > 0 && !fe.decode("members", in.Members, &members) {
		return nil
	}
	var out []HostPort
	seen := map[HostPort]bool{}
	for i, m := range members {
		path := "members[" + strconv.Itoa(i) + "]"
		host, err := ParseHost(m.Host)
		fe.addErr(path+".host", err)
		if m.Port < 1 || m.Port > 65535 {
			fe.add(path+".port", strconv.Itoa(m.Port)+" is not a port", "1 to 65535")
			continue
		}
		if err != nil {
			continue
		}
		a := HostPort{Host: host, Port: uint16(m.Port)}
		if seen[a] {
			fe.add(path, a.String()+" is named twice", "each member once")
		}
		seen[a] = true
		out = append(out, a)
	}
	return out
}

func parseHealth(fe *fieldErrors, in *healthJSON, hasHost bool) *Health {
	if in == nil {
		return nil
	}
	h := &Health{Method: in.Method, URI: in.URI, Interval: DefaultCheckInterval}
	if h.Method == "" {
		h.Method = "GET"
	}
	if strings.Trim(h.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || len(h.Method) > 32 {
		fe.add("health.method", strconv.Quote(h.Method)+" is not an HTTP method", "GET, HEAD, OPTIONS, … in capitals")
	}
	if h.URI == "" {
		h.URI = "/"
	}
	switch {
	case len(h.URI) > maxLine:
		fe.add("health.uri", "is "+strconv.Itoa(len(h.URI))+" bytes long", "at most "+strconv.Itoa(maxLine)+" bytes")
	case !strings.HasPrefix(h.URI, "/") || hasControl(h.URI) || strings.Contains(h.URI, " "):
		fe.add("health.uri", strconv.Quote(h.URI)+" is not a path", "a path that begins with / and holds no blank")
	}
	var err error
	h.Version, err = oneOf(in.HTTPVersion, "HTTP/1.0", "HTTP/1.1")
	fe.addErr("health.httpVersion", err)
	if h.Version == "HTTP/1.1" && !hasHost {
		fe.add("host", "is missing, and an HTTP/1.1 check must send it", "the Host header for members, or health.httpVersion HTTP/1.0")
	}
	if in.Interval != nil {
		if *in.Interval < 1 || *in.Interval > 24*3600*1000 {
			fe.add("health.interval", strconv.FormatInt(*in.Interval, 10)+" is out of range", "milliseconds between 1 and 86400000")
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

// checkWeighing refuses a split under the one algorithm that heeds no weights.
func (b Backend) checkWeighing() error {
	if b.Versions != nil && b.Balance == "first" {
		return bad("first heeds no weights, so that traffic cannot be divided between versions", "another algorithm, or version instead of versions")
	}
	return nil
}

// Split is which versions of its service get the traffic of a dynamic backend:
// Versions, or Version alone. A static backend has none.
func (b Backend) Split() Split {
	if b.Versions != nil || b.Type != "dynamic" {
		return b.Versions
	}
	return Split{{Version: b.Version, Weight: 100}}
}

// Selection says in words what Split gives: "1.0.0", or "1.0.0=90,1.1.0=10".
func (b Backend) Selection() string {
	if b.Versions != nil {
		return b.Versions.String()
	}
	return string(b.Version)
}

// ID is "backend/KEY".
func (b Backend) ID() string { return "backend/" + string(b.Key) }

// CheckInterval is the time between two health checks of a member.
func (b Backend) CheckInterval() time.Duration {
	if b.Health == nil {
		return DefaultCheckInterval
	}
	return b.Health.Interval
}

// MarshalJSON gives the REST dialect's object. Members are those of a static
// backend; a dynamic backend's come from a Config (see BackendView).
func (b Backend) MarshalJSON() ([]byte, error) {
	out, err := b.json()
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

func (b Backend) json() (backendJSON, error) {
	out := backendJSON{
		ID: b.ID(), JSONTyp: "backend", Key: string(b.Key), Type: b.Type,
		Name: string(b.Service), Version: string(b.Version), Balance: b.Balance, Host: b.Host,
		Mode: b.Mode, Natives: make([]string, len(b.Natives)),
	}
	if b.Health != nil {
		ms := b.Health.Interval.Milliseconds()
		out.Health = &healthJSON{Method: b.Health.Method, URI: b.Health.URI, HTTPVersion: b.Health.Version, Interval: &ms}
	}
	for i, n := range b.Natives {
		out.Natives[i] = string(n)
	}
	if b.Versions != nil {
		raw, err := json.Marshal(b.Versions)
		if err != nil {
			return out, err
		}
		out.Versions = raw
	}
	if b.Type == "static" {
		members := make([]staticMemberJSON, len(b.Members))
		for i, m := range b.Members {
			members[i] = staticMemberJSON{Host: string(m.Host), Port: int(m.Port)}
		}
		raw, err := json.Marshal(members)
		if err != nil {
			return out, err
		}
		out.Members = raw
	}
	return out, nil
}

// UnmarshalJSON reads what MarshalJSON wrote, with the checks of ParseBackend.
func (b *Backend) UnmarshalJSON(data []byte) error {
	var in backendJSON
	if err := unmarshalLenient(data, &in); err != nil {
		return err
	}
	var err error
	*b, err = in.parse(keyOf(in.ID, in.Key))
	return err
}
