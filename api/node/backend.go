package node

import (
	"encoding/json"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// A Backend is a backend in answers of the API. Its members are those in use: for a static backend
// the listed ones, for a dynamic one those from Consul.
type Backend struct {
	definition

	// WeightsBy names who sets weights and states of its servers instead of Thalassa:
	// "agent-check", or empty.
	WeightsBy string   `json:"weightsBy,omitempty"`
	Members   []Member `json:"members"`
	// Overrides are those of members that the backend does not have now, but may have again.
	Overrides []DormantOverride `json:"overrides,omitempty"`
	// Unused are the first MaxUnused instances and members that get no requests, where
	// that was asked for.
	Unused []UnusedInstance `json:"unused,omitzero"`
}

// A BackendDefinition is a backend as operators defined it, as revisions show it.
type BackendDefinition struct {
	definition

	Members []Address `json:"members,omitzero"` // static only
}

// An Address is where a static member listens.
type Address struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Target   string `json:"target,omitempty"` // its name in the gateways/pools dialect
	Weight   *int   `json:"weight,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
}

// definition has the fields that operators set, but for the members of static backends.
type definition struct {
	ID       string   `json:"id,omitempty"`
	JSONTyp  string   `json:"_type,omitempty"`
	Key      string   `json:"key,omitempty"`
	Type     string   `json:"type"`              // "dynamic" or "static"
	Name     string   `json:"name,omitempty"`    // the Consul service; dynamic only
	Version  string   `json:"version,omitempty"` // of that service; dynamic only
	Versions Versions `json:"versions,omitempty"`
	Balance  string   `json:"balance"`
	// HashStable: a hash chooses the same member on every load balancer.
	HashStable bool     `json:"hashStable,omitempty"`
	Host       string   `json:"host,omitempty"`
	Health     *Health  `json:"health,omitempty"`
	Mode       string   `json:"mode"`
	Natives    []string `json:"natives"`
	Defaults   string   `json:"defaults,omitempty"`
	// Disabled: it has no member in use.
	Disabled bool `json:"disabled,omitempty"`
	// Protocol of HTTP to members: "h2"; empty: HTTP/1.1.
	Protocol string `json:"protocol,omitempty"`
	// SendProxy is the header of the PROXY protocol that members get; empty: none.
	SendProxy string `json:"sendProxy,omitempty"`
	// TLS to members; nil: none.
	TLS *MemberTLS `json:"tls,omitempty"`
}

// A MemberTLS is how HAProxy uses TLS to the members of a backend; lb.MemberTLS documents its
// fields.
type MemberTLS struct {
	Verify      string   `json:"verify"`
	ServerName  string   `json:"serverName,omitempty"`
	SNI         string   `json:"sni,omitempty"`
	ALPN        []string `json:"alpn,omitempty"`
	MinVersion  string   `json:"minVersion,omitempty"`
	Certificate string   `json:"certificate,omitempty"`
	FromMeta    []string `json:"fromMeta,omitempty"`
}

// Versions are an lb.Split as JSON: an object of weights by version.
type Versions lb.Split

// MarshalJSON gives {"1.0.0":90,"1.1.0":10}.
func (v Versions) MarshalJSON() ([]byte, error) {
	object := make(map[lb.Version]int, len(v))
	for _, share := range v {
		object[share.Version] = share.Weight
	}
	return json.Marshal(object)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Versions) UnmarshalJSON(data []byte) error {
	*v = nil
	if strictjson.IsAbsent(data) {
		return nil
	}
	split, err := splitSpec(data).Parse()
	*v = Versions(split)
	return err
}

// Health is an HTTP check of a backend's members.
type Health struct {
	Method      string `json:"method"`
	URI         string `json:"uri"`
	HTTPVersion string `json:"httpVersion"`
	Interval    *int64 `json:"interval"` // milliseconds
}

// backendBody is a backend in a request.
type backendBody struct {
	ID         string          `json:"id,omitempty"`
	JSONTyp    string          `json:"_type,omitempty"`
	Key        string          `json:"key,omitempty"`
	Type       string          `json:"type"`
	Name       string          `json:"name,omitempty"`
	Version    string          `json:"version,omitempty"`
	Versions   json.RawMessage `json:"versions,omitempty"` // see strictjson.Numbers
	Balance    string          `json:"balance"`
	HashStable bool            `json:"hashStable,omitempty"`
	Host       string          `json:"host,omitempty"`
	Health     *Health         `json:"health,omitempty"`
	Mode       string          `json:"mode"`
	Natives    []string        `json:"natives"`
	Defaults   string          `json:"defaults,omitempty"`
	Members    json.RawMessage `json:"members,omitempty"` // of a static backend, see memberBody
	Disabled   bool            `json:"disabled,omitempty"`
	Protocol   string          `json:"protocol,omitempty"`
	SendProxy  string          `json:"sendProxy,omitempty"`
	TLS        *MemberTLS      `json:"tls,omitempty"`

	// How it is put, as in a switchBody.
	Force bool   `json:"force,omitempty"`
	Wait  string `json:"wait,omitempty"`

	// Read-only, and ignored.
	Overrides json.RawMessage `json:"overrides,omitempty"`
	Unused    json.RawMessage `json:"unused,omitempty"`    // read-only, and ignored
	WeightsBy json.RawMessage `json:"weightsBy,omitempty"` // likewise
}

// memberBody accepts all fields of a listed member, so that an answer can be sent back; only host,
// port, target, weight and disabled count.
type memberBody struct {
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Version   string          `json:"version,omitempty"`
	Host      string          `json:"host"`
	Port      int             `json:"port"`
	LastKnown json.RawMessage `json:"lastKnown,omitempty"`
	Meta      json.RawMessage `json:"meta,omitempty"`
	Override  json.RawMessage `json:"override,omitempty"`
	Target    string          `json:"target,omitempty"`
	Weight    *int            `json:"weight,omitempty"`
	Disabled  bool            `json:"disabled,omitempty"`
}

// ParseBackend decodes and checks the body of the backend named key. The members of a
// dynamic backend are read-only and ignored, as are force and wait.
func ParseBackend(key string, body []byte) (lb.Backend, error) {
	e, err := ParsePut(key, body)
	if err != nil {
		return lb.Backend{}, err
	}
	return *e.Backend, nil
}

// ParsePut is ParseBackend for the edit that puts the backend, with force and wait.
func ParsePut(key string, body []byte) (lb.Edit, error) {
	var in backendBody
	if err := strictjson.Decode(body, &in); err != nil {
		return lb.Edit{}, err
	}
	var fe lb.FieldErrors
	name := checkIdentity(&fe, "backend", key, in.ID, in.JSONTyp, in.Key)
	spec, err := in.spec()
	b, specErr := spec.Parse(name)
	fe.AddErr("", specErr)
	fe.AddErr("", err)
	e := lb.Edit{Backend: &b, Keeps: true, Force: in.Force}
	e.Wait, err = lb.ParseWait(in.Wait)
	fe.AddErr("wait", err)
	if err := fe.Err(); err != nil {
		return e, err
	}
	return e, b.CheckNew()
}

func (in backendBody) spec() (lb.BackendSpec, error) {
	s := lb.BackendSpec{
		Type: in.Type, Service: in.Name, Version: in.Version, Balance: in.Balance, HashStable: in.HashStable, Host: in.Host,
		Mode: in.Mode, Natives: in.Natives, Versions: splitSpec(in.Versions), Disabled: in.Disabled, Defaults: in.Defaults,
		Protocol: in.Protocol, SendProxy: in.SendProxy,
	}
	s.TLS = (*lb.MemberTLSSpec)(in.TLS)
	if h := in.Health; h != nil {
		s.Health = &lb.HealthSpec{Method: h.Method, URI: h.URI, Version: h.HTTPVersion, Interval: h.Interval}
	}
	if in.Type != "static" || len(in.Members) == 0 {
		return s, nil
	}
	var members []memberBody
	if err := strictjson.DecodeAt("members", in.Members, &members); err != nil {
		return s, err
	}
	for _, m := range members {
		s.Members = append(s.Members, lb.MemberSpec{Host: m.Host, Port: m.Port, Target: m.Target, Weight: m.Weight, Disabled: m.Disabled})
	}
	return s, nil
}

// splitSpec reads {"1.0.0": 90, "1.1.0": 10}; nil: there is none.
func splitSpec(raw json.RawMessage) *lb.SplitSpec {
	if strictjson.IsAbsent(raw) {
		return nil
	}
	pairs, problem := strictjson.Numbers(raw)
	out := &lb.SplitSpec{Malformed: problem}
	for _, p := range pairs {
		out.Shares = append(out.Shares, lb.ShareSpec{Version: p.Name, Weight: p.Number})
	}
	return out
}

// NewBackend makes the JSON document of a backend with the members that it has now.
func NewBackend(p lb.ResolvedBackend) Backend {
	out := Backend{definition: newDefinition(p.Backend), Members: NewListedMembers(p)}
	if p.AgentCheck {
		out.WeightsBy = "agent-check"
	}
	return out
}

// NewBackendDefinition makes the JSON document of a backend as operators defined it.
func NewBackendDefinition(b lb.Backend) BackendDefinition {
	out := BackendDefinition{definition: newDefinition(b)}
	if b.Type == "static" {
		out.Members = make([]Address, len(b.Members))
		for i, m := range b.Spec().Members {
			out.Members[i] = Address(m)
		}
	}
	return out
}

func newDefinition(b lb.Backend) definition {
	s := b.Spec()
	out := definition{
		ID: b.ID(), JSONTyp: "backend", Key: string(b.Key), Type: s.Type,
		Name: s.Service, Version: s.Version, Versions: Versions(b.Versions), Balance: s.Balance, HashStable: s.HashStable, Host: s.Host,
		Mode: s.Mode, Natives: s.Natives, Disabled: s.Disabled, Defaults: s.Defaults,
		Protocol: s.Protocol, SendProxy: s.SendProxy, TLS: (*MemberTLS)(s.TLS),
	}
	if h := s.Health; h != nil {
		out.Health = &Health{Method: h.Method, URI: h.URI, HTTPVersion: h.Version, Interval: h.Interval}
	}
	return out
}
