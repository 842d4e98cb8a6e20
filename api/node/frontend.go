package node

import (
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// A Frontend is a frontend in requests and answers of the API.
type Frontend struct {
	ID        string        `json:"id,omitempty"`
	Type      string        `json:"_type,omitempty"`
	Key       string        `json:"key,omitempty"`
	Name      string        `json:"name,omitempty"` // the key again
	Bind      string        `json:"bind"`           // comma-separated host:port
	Backend   string        `json:"backend"`
	Mode      string        `json:"mode"`
	Keepalive string        `json:"keepalive"`
	Rules     []Rule        `json:"rules"`
	Natives   []string      `json:"natives"`
	Register  *Registration `json:"register,omitempty"`
	Defaults  string        `json:"defaults,omitempty"`
	// Endpoints are names of addresses in Bind, Pools further backends that belong to the
	// frontend.
	Endpoints []Endpoint   `json:"endpoints,omitzero"`
	Pools     []string     `json:"pools,omitempty"`
	TLS       *FrontendTLS `json:"tls,omitempty"`
	// AcceptProxy are addresses and networks whose connections must begin with a header of
	// the PROXY protocol.
	AcceptProxy []string `json:"acceptProxy,omitempty"`
}

// A FrontendTLS says at which addresses a frontend uses TLS, and how; lb.FrontendTLS documents its
// fields.
type FrontendTLS struct {
	Bind         string   `json:"bind"` // comma-separated host:port
	Certificates []string `json:"certificates"`
	Default      string   `json:"default,omitempty"`
	StrictSNI    bool     `json:"strictSNI,omitempty"`
	MinVersion   string   `json:"minVersion,omitempty"`
	Ciphers      string   `json:"ciphers,omitempty"`
	CipherSuites string   `json:"cipherSuites,omitempty"`
	ALPN         []string `json:"alpn,omitzero"`
	ClientCA     string   `json:"clientCA,omitempty"`
	ClientVerify string   `json:"clientVerify,omitempty"`
	Redirect     bool     `json:"redirect,omitempty"`
	HSTS         string   `json:"hsts,omitempty"`
}

// A Rule sends matching requests to a backend; Value holds the patterns separated by blanks.
type Rule struct {
	Type      string `json:"type"`
	Header    string `json:"header,omitempty"`
	Operation string `json:"operation"`
	Value     string `json:"value"`
	Backend   string `json:"backend"`
}

// An Endpoint names one of the addresses of a frontend.
type Endpoint struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// A Registration names the Consul service that a frontend is announced as.
type Registration struct {
	Name string `json:"name"`
}

// ParseFrontend decodes and checks the body of the frontend named key. id, _type, key and
// name may be present, as in an object read before, and must then agree.
func ParseFrontend(key string, body []byte) (lb.Frontend, error) {
	var in Frontend
	if err := strictjson.Decode(body, &in); err != nil {
		return lb.Frontend{}, err
	}
	var fe lb.FieldErrors
	name := checkIdentity(&fe, "frontend", key, in.ID, in.Type, in.Key)
	if in.Name != "" && in.Name != key {
		fe.Add("name", "does not repeat the key", key)
	}
	f, err := in.spec().Parse(name)
	fe.AddErr("", err)
	if err := fe.Err(); err != nil {
		return f, err
	}
	return f, f.CheckNew()
}

func (in Frontend) spec() lb.FrontendSpec {
	s := lb.FrontendSpec{
		Bind: in.Bind, Backend: in.Backend, Mode: in.Mode, Keepalive: in.Keepalive,
		Rules: make([]lb.RuleSpec, len(in.Rules)), Natives: in.Natives, Pools: in.Pools, Defaults: in.Defaults,
		AcceptProxy: in.AcceptProxy,
	}
	for i, r := range in.Rules {
		s.Rules[i] = lb.RuleSpec(r)
	}
	if in.Endpoints != nil {
		s.Endpoints = make([]lb.EndpointSpec, len(in.Endpoints))
	}
	for i, e := range in.Endpoints {
		s.Endpoints[i] = lb.EndpointSpec(e)
	}
	if in.Register != nil {
		s.Register = &in.Register.Name
	}
	if in.TLS != nil {
		tls := lb.FrontendTLSSpec(*in.TLS)
		s.TLS = &tls
	}
	return s
}

// NewFrontend makes the JSON document of a frontend.
func NewFrontend(f lb.Frontend) Frontend {
	s := f.Spec()
	out := Frontend{
		ID: f.ID(), Type: "frontend", Key: string(f.Key), Name: string(f.Key),
		Bind: s.Bind, Backend: s.Backend, Mode: s.Mode, Keepalive: s.Keepalive,
		Rules: make([]Rule, len(s.Rules)), Natives: s.Natives, Pools: s.Pools, Defaults: s.Defaults,
		AcceptProxy: s.AcceptProxy,
	}
	for i, r := range s.Rules {
		out.Rules[i] = Rule(r)
	}
	if s.Endpoints != nil {
		out.Endpoints = make([]Endpoint, len(s.Endpoints))
	}
	for i, e := range s.Endpoints {
		out.Endpoints[i] = Endpoint(e)
	}
	if s.Register != nil {
		out.Register = &Registration{Name: *s.Register}
	}
	if s.TLS != nil {
		tls := FrontendTLS(*s.TLS)
		out.TLS = &tls
	}
	return out
}

// checkIdentity parses key and checks the identifying fields that a body may repeat.
func checkIdentity(fe *lb.FieldErrors, kind, key, id, typ, bodyKey string) lb.Name {
	name, err := lb.ParseName(key)
	fe.AddErr("key", err)
	if id != "" && id != kind+"/"+key {
		fe.Add("id", "does not fit the key", kind+"/"+key)
	}
	if typ != "" && typ != kind {
		fe.Add("_type", "is not the type of this object", kind)
	}
	if bodyKey != "" && bodyKey != key {
		fe.Add("key", "does not fit the address", key)
	}
	return name
}
