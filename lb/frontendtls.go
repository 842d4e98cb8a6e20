package lb

import (
	"slices"
	"strconv"
	"strings"
)

// A FrontendTLS says at which addresses a frontend uses TLS, and how. It is immutable.
type FrontendTLS struct {
	Binds []Bind // no duplicates, none of them among Frontend.Binds
	// Certificates are names of stored certificates with keys, at least one. Clients get the
	// one that their server name (SNI) asks for.
	Certificates []Name
	// Default is the one of Certificates for clients that ask for another name, or for none.
	Default Name
	// StrictSNI refuses these clients instead.
	StrictSNI bool
	// MinVersion is "1.2" or "1.3".
	MinVersion string
	// Ciphers of TLS 1.2 and CipherSuites of TLS 1.3 in OpenSSL's notation; empty: DefaultCiphers
	// and DefaultCipherSuites.
	Ciphers, CipherSuites string
	// ALPN are the protocols that clients may choose from, the best one first; empty: none is
	// offered.
	ALPN []string
	// ClientCA is the name of the stored authority that issues the certificates of clients; empty:
	// clients need none.
	ClientCA Name
	// ClientVerify is "required" or "optional"; empty without ClientCA.
	ClientVerify string
	// Redirect sends clients of all other addresses of the frontend to https, with the status 308.
	Redirect bool
	// HSTS is the value of the header Strict-Transport-Security; empty: there is none.
	HSTS string
}

// The ciphers of frontends that name none: those of Mozilla's intermediate profile with
// forward secrecy and authenticated encryption, without finite-field Diffie-Hellman.
const (
	DefaultCiphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" +
		"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
	DefaultCipherSuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
)

// MaxFrontendCertificates bounds the certificates of one frontend.
const MaxFrontendCertificates = 10000

// A FrontendTLSSpec is a FrontendTLS as written by a user, not yet checked.
type FrontendTLSSpec struct {
	Bind         string // addresses, separated by commas
	Certificates []string
	Default      string // empty: the first certificate
	StrictSNI    bool
	MinVersion   string // empty: "1.2"
	Ciphers      string
	CipherSuites string
	ALPN         []string // nil: h2 and http/1.1 in mode http, none in mode tcp
	ClientCA     string
	ClientVerify string // empty: "required", where there is a ClientCA
	Redirect     bool
	HSTS         string
}

// parse checks the specification for a frontend whose other fields are parsed. Fields of
// errors begin with "tls.".
func (s FrontendTLSSpec) parse(fe *FieldErrors, f Frontend) *FrontendTLS {
	t := &FrontendTLS{StrictSNI: s.StrictSNI, Redirect: s.Redirect}
	var err error
	t.Binds, err = parseBinds(s.Bind)
	fe.AddErr("tls.bind", err)
	for _, b := range t.Binds {
		if slices.ContainsFunc(f.Binds, b.Same) {
			fe.Add("tls.bind", strconv.Quote(b.String())+" is in bind as well", "another address")
		}
	}
	t.MinVersion, err = oneOf(s.MinVersion, "1.2", "1.3")
	fe.AddErr("tls.minVersion", err)
	t.parseCertificates(fe, s)
	t.parseCiphers(fe, s)
	t.parseALPN(fe, s, f.Mode)
	t.parseClients(fe, s)
	t.parseHTTP(fe, s, f)
	return t
}

func (t *FrontendTLS) parseCertificates(fe *FieldErrors, s FrontendTLSSpec) {
	if n := len(s.Certificates); n == 0 || n > MaxFrontendCertificates {
		fe.Add("tls.certificates", "has "+strconv.Itoa(n)+" names", "1 to "+strconv.Itoa(MaxFrontendCertificates)+" names of stored certificates")
		return
	}
	seen := make(map[Name]bool, len(s.Certificates))
	for i, text := range s.Certificates {
		path := "tls.certificates[" + strconv.Itoa(i) + "]"
		name, err := ParseName(text)
		fe.AddErr(path, err)
		if err == nil && seen[name] {
			fe.Add(path, strconv.Quote(text)+" is named twice", "each certificate once")
		}
		seen[name] = true
		t.Certificates = append(t.Certificates, name)
	}
	t.Default = t.Certificates[0]
	if s.Default == "" {
		return
	}
	if t.Default = Name(s.Default); !seen[t.Default] {
		fe.Add("tls.default", strconv.Quote(s.Default)+" is not among the certificates", "one of tls.certificates")
	}
}

// A list of ciphers must stay one word of haproxy.cfg.
const (
	cipherCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:+!@=.-"
	maxCiphers       = 2000
)

func (t *FrontendTLS) parseCiphers(fe *FieldErrors, s FrontendTLSSpec) {
	t.Ciphers, t.CipherSuites = s.Ciphers, s.CipherSuites
	for _, field := range [][2]string{{"tls.ciphers", s.Ciphers}, {"tls.cipherSuites", s.CipherSuites}} {
		if strings.Trim(field[1], cipherCharacters) != "" || len(field[1]) > maxCiphers || strings.HasPrefix(field[1], "-") {
			fe.Add(field[0], strconv.Quote(field[1])+" is no list of ciphers", "names of OpenSSL with colons between them, e.g. "+DefaultCipherSuites)
		}
	}
}

func (t *FrontendTLS) parseALPN(fe *FieldErrors, s FrontendTLSSpec, mode string) {
	t.ALPN = s.ALPN
	if s.ALPN == nil && mode == "http" {
		t.ALPN = []string{"h2", "http/1.1"}
	}
	checkProtocols(fe, t.ALPN, mode)
}

// checkProtocols checks the field tls.alpn.
func checkProtocols(fe *FieldErrors, list []string, mode string) {
	const most = 8
	if len(list) > most {
		fe.Add("tls.alpn", "has "+strconv.Itoa(len(list))+" protocols", "at most "+strconv.Itoa(most))
	}
	for i, p := range list {
		path := "tls.alpn[" + strconv.Itoa(i) + "]"
		switch {
		case mode == "http" && !slices.Contains([]string{"h2", "http/1.1", "http/1.0"}, p):
			fe.Add(path, strconv.Quote(p)+" is not known here", "h2, http/1.1 or http/1.0")
		case p == "" || len(p) > 60 || strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") != "":
			fe.Add(path, strconv.Quote(p)+" is not the name of a protocol", "letters, digits and characters out of / . _ -")
		case slices.Contains(list[:i], p):
			fe.Add(path, strconv.Quote(p)+" is named twice", "each protocol once")
		}
	}
}

func (t *FrontendTLS) parseClients(fe *FieldErrors, s FrontendTLSSpec) {
	if s.ClientCA == "" {
		if s.ClientVerify != "" {
			fe.Add("tls.clientVerify", "needs an authority that the certificates of clients are checked by", "tls.clientCA as well")
		}
		return
	}
	var err error
	t.ClientCA, err = ParseName(s.ClientCA)
	fe.AddErr("tls.clientCA", err)
	t.ClientVerify, err = oneOf(s.ClientVerify, "required", "optional")
	fe.AddErr("tls.clientVerify", err)
}

func (t *FrontendTLS) parseHTTP(fe *FieldErrors, s FrontendTLSSpec, f Frontend) {
	if f.Mode == "tcp" {
		if s.Redirect {
			fe.Add("tls.redirect", "answers HTTP requests, and mode is tcp", "false, or mode http")
		}
		if s.HSTS != "" {
			fe.Add("tls.hsts", "is a header of HTTP, and mode is tcp", "nothing, or mode http")
		}
		return
	}
	var err error
	t.HSTS, err = parseHSTS(s.HSTS)
	fe.AddErr("tls.hsts", err)
}

// parseHSTS checks a value of the header Strict-Transport-Security (RFC 6797, 6.1).
func parseHSTS(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	wrong := bad(strconv.Quote(s)+" is not known here", "max-age=SECONDS, and optionally ; includeSubDomains and ; preload")
	seen := map[string]bool{}
	var out []string
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		name, value, hasValue := strings.Cut(part, "=")
		if seen[strings.ToLower(name)] {
			return "", wrong
		}
		seen[strings.ToLower(name)] = true
		switch strings.ToLower(name) {
		case "max-age":
			if n, err := strconv.ParseUint(value, 10, 32); err != nil || strconv.FormatUint(n, 10) != value {
				return "", wrong
			}
		case "includesubdomains", "preload":
			if hasValue {
				return "", wrong
			}
		default:
			return "", wrong
		}
		out = append(out, part)
	}
	if !seen["max-age"] {
		return "", wrong
	}
	return strings.Join(out, "; "), nil
}

// spec is the inverse of parse.
func (t *FrontendTLS) spec() *FrontendTLSSpec {
	if t == nil {
		return nil
	}
	s := &FrontendTLSSpec{
		StrictSNI: t.StrictSNI, MinVersion: t.MinVersion, Ciphers: t.Ciphers, CipherSuites: t.CipherSuites,
		ClientCA: string(t.ClientCA), ClientVerify: t.ClientVerify, Redirect: t.Redirect, HSTS: t.HSTS,
		Certificates: make([]string, len(t.Certificates)), Default: string(t.Default), ALPN: slices.Clone(t.ALPN),
	}
	if s.ALPN == nil {
		s.ALPN = []string{}
	}
	for i, name := range t.Certificates {
		s.Certificates[i] = string(name)
	}
	for i, b := range t.Binds {
		if i > 0 {
			s.Bind += ","
		}
		s.Bind += b.String()
	}
	return s
}

// digestTLS adds what the frontend says of TLS, if anything.
func digestTLS(f Frontend, d digest) {
	s := f.TLS.spec()
	if s == nil {
		return
	}
	d.list("tls", s.Bind, s.Default, strconv.FormatBool(s.StrictSNI), s.MinVersion, s.Ciphers, s.CipherSuites,
		s.ClientCA, s.ClientVerify, strconv.FormatBool(s.Redirect), s.HSTS)
	d.list(s.Certificates...)
	d.list(s.ALPN...)
}

// TypedBinds are the addresses of the frontend that are not raw lines: first those without TLS,
// then those with it.
func (f Frontend) TypedBinds() []Bind {
	if f.TLS == nil {
		return f.Binds
	}
	return slices.Concat(f.Binds, f.TLS.Binds)
}

// certificateUses are the fields of the frontend that name a certificate.
func (f Frontend) certificateUses() []CertificateUse {
	if f.TLS == nil {
		return nil
	}
	var out []CertificateUse
	for i, name := range f.TLS.Certificates {
		out = append(out, CertificateUse{Path: "tls.certificates[" + strconv.Itoa(i) + "]", Name: name})
	}
	if f.TLS.ClientCA != "" {
		out = append(out, CertificateUse{Path: "tls.clientCA", Name: f.TLS.ClientCA, Authority: true})
	}
	return out
}
