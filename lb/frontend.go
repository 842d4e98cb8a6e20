package lb

import (
	"net/netip"
	"slices"
	"strings"
)

// A Frontend is where clients connect: addresses, and the rules that choose a
// backend.
type Frontend struct {
	Key   Name
	Binds []Bind // no duplicates; empty where RawBind is set, or only TLS or Natives bind
	// RawBind is a whole bind line instead of Binds: addresses of any form, or with
	// options, e.g. "bind *:443 ssl crt /etc/ssl/x.pem".
	RawBind   RawLine
	Backend   Name   // default backend; may be empty when there are rules, or raw lines route
	Mode      string // "http" or "tcp"
	Keepalive string // "default", "close" or "server-close"
	Rules     []Rule
	Natives   []RawLine
	// Defaults names the section of defaults that the frontend is based on; empty: those of the
	// template.
	Defaults Name
	// Register is the Consul service that this frontend is announced as;
	// empty: not announced.
	Register Name
	// Endpoints are names of addresses among Binds; not nil: see IsGateway.
	Endpoints []Endpoint
	// Pools are further backends that belong to the frontend. Without a Backend and raw lines that
	// route, the first of them is the default backend.
	Pools []Name
	// AcceptProxy are the sources whose connections must begin with a header of the PROXY
	// protocol, which has the client's address. Masked, no duplicates.
	AcceptProxy []netip.Prefix
	// TLS is where the frontend speaks TLS; nil: nowhere but where raw lines say so.
	TLS *FrontendTLS
}

// A FrontendSpec is a frontend as written by a user, not yet checked.
// An empty Mode or Keepalive stands for the default.
type FrontendSpec struct {
	Bind      string // addresses, separated by commas, and options; empty where Natives bind
	Backend   string
	Mode      string
	Keepalive string
	Rules     []RuleSpec
	Natives   []string
	Defaults  string         // empty: those of the template
	Register  *string        // nil: not announced
	Endpoints []EndpointSpec // of addresses in Bind; nil: see Frontend.IsGateway
	Pools     []string
	// AcceptProxy are addresses and networks.
	AcceptProxy []string
	TLS         *FrontendTLSSpec // nil: no TLS
}

// Parse checks the frontend named key. The error is an *InvalidError that names every
// bad field as the node API does: "bind", "rules[0].value", "register.name".
func (s FrontendSpec) Parse(key Name) (Frontend, error) {
	var fe FieldErrors
	f := Frontend{Key: key}
	var err error
	f.Natives = parseNatives(&fe, s.Natives)
	isGateway := s.Endpoints != nil
	if s.Bind != "" || !isGateway && s.TLS == nil && !hasBindLine(f.Natives) {
		f.Binds, f.RawBind, err = parseBindField(s.Bind)
		fe.AddErr("bind", err)
	}
	f.Mode, err = oneOf(s.Mode, "http", "tcp")
	fe.AddErr("mode", err)
	f.Keepalive, err = oneOf(s.Keepalive, "default", "close", "server-close")
	fe.AddErr("keepalive", err)
	if s.TLS != nil {
		f.TLS = s.TLS.parse(&fe, f)
	}
	f.Rules = parseRules(&fe, s.Rules)
	f.AcceptProxy = parseSources(&fe, "acceptProxy", s.AcceptProxy)
	f.parseGateway(&fe, s)
	f.Defaults, err = parseDefaults(s.Defaults)
	fe.AddErr("defaults", err)
	if s.Backend != "" || !isGateway && len(s.Rules) == 0 && f.Defaults == "" && len(f.rawTargets()) == 0 && !f.answersItself() {
		f.Backend, err = ParseName(s.Backend)
		fe.AddErr("backend", err)
	}
	if f.Mode == "tcp" && len(s.Rules) > 0 {
		fe.Add("rules", "look into HTTP requests, and mode is tcp", "no rules, or mode http")
	}
	if s.Register != nil {
		f.Register, err = ParseName(*s.Register)
		fe.AddErr("register.name", err)
		if _, ok := f.Address(); !ok {
			fe.Add("register", "needs an address with a TCP port, and nothing binds one", "an address in bind, or no register")
		}
	}
	return f, fe.Err()
}

// Spec is the inverse of FrontendSpec.Parse.
func (f Frontend) Spec() FrontendSpec {
	s := FrontendSpec{
		Bind: strings.Join(f.BindTexts(), ","), Backend: string(f.Backend), Mode: f.Mode, Keepalive: f.Keepalive,
		Rules: make([]RuleSpec, len(f.Rules)), Natives: nativeTexts(f.Natives), Endpoints: endpointSpecs(f), Pools: poolTexts(f),
		Defaults: string(f.Defaults), AcceptProxy: f.AcceptedSources(), TLS: f.TLS.spec(),
	}
	for i, r := range f.Rules {
		s.Rules[i] = r.spec()
	}
	if f.Register != "" {
		name := string(f.Register)
		s.Register = &name
	}
	return s
}

// ID is "frontend/KEY".
func (f Frontend) ID() string { return "frontend/" + string(f.Key) }

// ETag is the entity tag of the frontend, quotes included: it changes with anything that
// operators define.
func (f Frontend) ETag() string { return entityTag(f) }

func (f Frontend) digest() digest {
	s := f.Spec()
	d := newDigest("frontend", string(f.Key), s.Bind, s.Backend, s.Mode, s.Keepalive)
	for _, r := range s.Rules {
		d.list(r.Type, r.Header, r.Operation, r.Value, r.Backend)
	}
	d.list(s.Natives...)
	d.list(string(f.Register))
	digestGateway(f, d)
	digestTLS(f, d)
	if f.Defaults != "" {
		d.list("defaults", string(f.Defaults))
	}
	if len(s.AcceptProxy) > 0 {
		d.list(append([]string{"acceptProxy"}, s.AcceptProxy...)...)
	}
	return d
}

// Targets lists the backends that this frontend can send a request to, each once, the default
// backend last. It includes Pools.
func (f Frontend) Targets() []Name {
	var out []Name
	seen := map[Name]bool{"": true}
	for _, r := range f.Rules {
		if !seen[r.Backend] {
			seen[r.Backend] = true
			out = append(out, r.Backend)
		}
	}
	for _, p := range append(slices.Clone(f.Pools), f.Backend) {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// PretendsKeepalive reports whether requests through this frontend go to members with option
// http-server-close and option http-pretend-keepalive: this is what "default" means for frontends
// with rules. With named defaults, those decide.
func (f Frontend) PretendsKeepalive() bool {
	return f.Mode == "http" && f.Keepalive == "default" && len(f.Rules) > 0 && f.Defaults == ""
}
