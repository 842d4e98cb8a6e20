package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// This file is the store's own format: the documents in the buckets of schema.go and in the
// persistence file. They look like bodies of the REST API, but are separate: an API may change, and
// what is stored has to stay readable. What is stored was checked when it was asked for; reading
// checks again what haproxy.cfg depends on (the Parse methods of lb), and ignores fields that it
// does not know, as another version may have written them.

// frontendDoc is a stored frontend.
type frontendDoc struct {
	ID        string           `json:"id,omitempty"`
	Type      string           `json:"_type,omitempty"`
	Key       string           `json:"key,omitempty"`
	Name      string           `json:"name,omitempty"` // the same as the key
	Bind      string           `json:"bind"`
	Backend   string           `json:"backend"`
	Mode      string           `json:"mode"`
	Keepalive string           `json:"keepalive"`
	Rules     []ruleDoc        `json:"rules"`
	Natives   []string         `json:"natives"`
	Register  *registrationDoc `json:"register,omitempty"`
	Defaults  string           `json:"defaults,omitempty"`
	// Of the gateways/pools dialect; an empty list of endpoints differs from a missing one.
	Endpoints []endpointDoc   `json:"endpoints,omitzero"`
	Pools     []string        `json:"pools,omitempty"`
	TLS       *frontendTLSDoc `json:"tls,omitempty"`
	// AcceptProxy are addresses and networks.
	AcceptProxy []string `json:"acceptProxy,omitempty"`
}

// frontendTLSDoc is how a stored frontend speaks TLS; an empty list of alpn differs from a missing
// one.
type frontendTLSDoc struct {
	Bind         string   `json:"bind"`
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

type ruleDoc struct {
	Type      string `json:"type"`
	Header    string `json:"header,omitempty"`
	Operation string `json:"operation"`
	Value     string `json:"value"`
	Backend   string `json:"backend"`
}

type endpointDoc struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

type registrationDoc struct {
	Name string `json:"name"`
}

// backendDoc is a stored backend.
type backendDoc struct {
	ID         string          `json:"id,omitempty"`
	JSONTyp    string          `json:"_type,omitempty"`
	Key        string          `json:"key,omitempty"`
	Type       string          `json:"type"`
	Name       string          `json:"name,omitempty"` // of the Consul service
	Version    string          `json:"version,omitempty"`
	Versions   json.RawMessage `json:"versions,omitempty"` // weights by version
	Balance    string          `json:"balance"`
	HashStable bool            `json:"hashStable,omitempty"`
	Host       string          `json:"host,omitempty"`
	Health     *healthDoc      `json:"health,omitempty"`
	Mode       string          `json:"mode"`
	Natives    []string        `json:"natives"`
	Members    json.RawMessage `json:"members,omitempty"` // of a static one: []memberDoc
	Defaults   string          `json:"defaults,omitempty"`
	Disabled   bool            `json:"disabled,omitempty"`
	Protocol   string          `json:"protocol,omitempty"`
	SendProxy  string          `json:"sendProxy,omitempty"`
	TLS        *memberTLSDoc   `json:"tls,omitempty"`
}

// memberTLSDoc is how a stored backend speaks TLS to its members.
type memberTLSDoc struct {
	Verify      string   `json:"verify"`
	ServerName  string   `json:"serverName,omitempty"`
	SNI         string   `json:"sni,omitempty"`
	ALPN        []string `json:"alpn,omitempty"`
	MinVersion  string   `json:"minVersion,omitempty"`
	Certificate string   `json:"certificate,omitempty"`
	FromMeta    []string `json:"fromMeta,omitempty"`
}

type healthDoc struct {
	Method      string `json:"method"`
	URI         string `json:"uri"`
	HTTPVersion string `json:"httpVersion"`
	Interval    *int64 `json:"interval"` // milliseconds
}

type memberDoc struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Target   string `json:"target,omitempty"`
	Weight   *int   `json:"weight,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
}

// encodeObject is the document of an object.
func encodeObject(o lb.Object) ([]byte, error) {
	var err error
	doc := lb.Match(o,
		func(f lb.Frontend) any { return frontendDocument(f) },
		func(b lb.Backend) (doc any) { doc, err = backendDocument(b); return doc },
		func(s lb.Section) any { return sectionDocument(s) },
		func(c lb.Certificate) any { return certificateDocument(c) },
	)
	if err == nil && doc == nil {
		err = fmt.Errorf("%T is no object that is stored", o)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

func frontendDocument(f lb.Frontend) frontendDoc {
	s := f.Spec()
	doc := frontendDoc{
		ID: f.ID(), Type: "frontend", Key: string(f.Key), Name: string(f.Key),
		Bind: s.Bind, Backend: s.Backend, Mode: s.Mode, Keepalive: s.Keepalive,
		Rules: make([]ruleDoc, len(s.Rules)), Natives: s.Natives, Pools: s.Pools, Defaults: s.Defaults,
		AcceptProxy: s.AcceptProxy,
	}
	for i, r := range s.Rules {
		doc.Rules[i] = ruleDoc(r)
	}
	if s.Endpoints != nil {
		doc.Endpoints = make([]endpointDoc, len(s.Endpoints))
	}
	for i, e := range s.Endpoints {
		doc.Endpoints[i] = endpointDoc(e)
	}
	if s.Register != nil {
		doc.Register = &registrationDoc{Name: *s.Register}
	}
	if s.TLS != nil {
		tls := frontendTLSDoc(*s.TLS)
		doc.TLS = &tls
	}
	return doc
}

func backendDocument(b lb.Backend) (backendDoc, error) {
	s := b.Spec()
	doc := backendDoc{
		ID: b.ID(), JSONTyp: "backend", Key: string(b.Key), Type: s.Type, Name: s.Service, Version: s.Version,
		Balance: s.Balance, HashStable: s.HashStable, Host: s.Host, Mode: s.Mode, Natives: s.Natives, Disabled: s.Disabled,
		Defaults: s.Defaults, Protocol: s.Protocol, SendProxy: s.SendProxy, TLS: (*memberTLSDoc)(s.TLS),
	}
	if h := s.Health; h != nil {
		doc.Health = &healthDoc{Method: h.Method, URI: h.URI, HTTPVersion: h.Version, Interval: h.Interval}
	}
	var err error
	if b.Versions != nil {
		weights := make(map[lb.Version]int, len(b.Versions))
		for _, share := range b.Versions {
			weights[share.Version] = share.Weight
		}
		if doc.Versions, err = json.Marshal(weights); err != nil {
			return doc, err
		}
	}
	if b.Type == "static" {
		members := make([]memberDoc, len(s.Members))
		for i, m := range s.Members {
			members[i] = memberDoc(m)
		}
		doc.Members, err = json.Marshal(members)
	}
	return doc, err
}

// decodeObject reads the document of the object of that id. The error is an
// *lb.InvalidError where a field is wrong.
func decodeObject(id string, data []byte) (lb.Object, error) {
	decode, ok := lb.ByKind(lb.KindOf(id), asObject(decodeFrontend), asObject(decodeBackend), asObject(decodeSection), asObject(decodeCertificate))
	if !ok {
		return nil, errors.New("it is no frontend, backend, certificate or section")
	}
	o, err := decode(data)
	if err == nil && o.ID() != id {
		err = errors.New("it holds another object")
	}
	return o, err
}

// asObject turns a function that decodes one kind into one that returns any lb.Object.
func asObject[O lb.Object](decode func([]byte) (O, error)) func([]byte) (lb.Object, error) {
	return func(data []byte) (lb.Object, error) { return decode(data) }
}

func decodeFrontend(data []byte) (lb.Frontend, error) {
	var doc frontendDoc
	if err := strictjson.DecodeLenient(data, &doc); err != nil {
		return lb.Frontend{}, err
	}
	var fe lb.FieldErrors
	key := parseIdentity(&fe, "frontend", doc.ID, doc.Type, doc.Key)
	if doc.Name != "" && doc.Name != key {
		fe.Add("name", "does not repeat the key", key)
	}
	s := lb.FrontendSpec{
		Bind: doc.Bind, Backend: doc.Backend, Mode: doc.Mode, Keepalive: doc.Keepalive,
		Rules: make([]lb.RuleSpec, len(doc.Rules)), Natives: doc.Natives, Pools: doc.Pools, Defaults: doc.Defaults,
		AcceptProxy: doc.AcceptProxy,
	}
	for i, r := range doc.Rules {
		s.Rules[i] = lb.RuleSpec(r)
	}
	if doc.Endpoints != nil {
		s.Endpoints = make([]lb.EndpointSpec, len(doc.Endpoints))
	}
	for i, e := range doc.Endpoints {
		s.Endpoints[i] = lb.EndpointSpec(e)
	}
	if doc.Register != nil {
		s.Register = &doc.Register.Name
	}
	if doc.TLS != nil {
		tls := lb.FrontendTLSSpec(*doc.TLS)
		s.TLS = &tls
	}
	f, err := s.Parse(lb.Name(key))
	fe.AddErr("", err)
	return f, fe.Err()
}

func decodeBackend(data []byte) (lb.Backend, error) {
	var doc backendDoc
	if err := strictjson.DecodeLenient(data, &doc); err != nil {
		return lb.Backend{}, err
	}
	var fe lb.FieldErrors
	key := parseIdentity(&fe, "backend", doc.ID, doc.JSONTyp, doc.Key)
	s := lb.BackendSpec{
		Type: doc.Type, Service: doc.Name, Version: doc.Version, Balance: doc.Balance, HashStable: doc.HashStable, Host: doc.Host,
		Mode: doc.Mode, Natives: doc.Natives, Disabled: doc.Disabled, Defaults: doc.Defaults,
		Protocol: doc.Protocol, SendProxy: doc.SendProxy, TLS: (*lb.MemberTLSSpec)(doc.TLS),
	}
	if h := doc.Health; h != nil {
		s.Health = &lb.HealthSpec{Method: h.Method, URI: h.URI, Version: h.HTTPVersion, Interval: h.Interval}
	}
	if !strictjson.IsAbsent(doc.Versions) {
		pairs, problem := strictjson.Numbers(doc.Versions)
		s.Versions = &lb.SplitSpec{Malformed: problem}
		for _, p := range pairs {
			s.Versions.Shares = append(s.Versions.Shares, lb.ShareSpec{Version: p.Name, Weight: p.Number})
		}
	}
	if doc.Type == "static" && !strictjson.IsAbsent(doc.Members) {
		var members []memberDoc
		fe.AddErr("", strictjson.DecodeLenientAt("members", doc.Members, &members))
		for _, m := range members {
			s.Members = append(s.Members, lb.MemberSpec(m))
		}
	}
	b, err := s.Parse(lb.Name(key))
	fe.AddErr("", err)
	return b, fe.Err()
}

// parseIdentity finds the key of a document that carries key, id or both.
func parseIdentity(fe *lb.FieldErrors, kind, id, typ, key string) string {
	if key == "" {
		_, key, _ = strings.Cut(id, "/")
	}
	_, err := lb.ParseName(key)
	fe.AddErr("key", err)
	if id != "" && id != kind+"/"+key {
		fe.Add("id", "does not fit the key", kind+"/"+key)
	}
	if typ != "" && typ != kind {
		fe.Add("_type", "is not the type of this object", kind)
	}
	return key
}
