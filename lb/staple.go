package lb

import (
	"net/netip"
	"strings"
	"time"
)

// A StapleTarget is a certificate that clients get at an address with TLS, where an OCSP
// response may be stapled to it.
type StapleTarget struct {
	Certificate Name
	File        TLSFile
	KeyType     string // of PEMFile
	SHA256      string // fingerprint of the certificate, in hexadecimal
	// Bind, ServerName and AcceptProxy are for a client that gets the certificate, of the first
	// frontend that serves it.
	Bind        Bind
	ServerName  string
	AcceptProxy []netip.Prefix
}

// A StapleStatus is how the OCSP response of a certificate stands.
type StapleStatus struct {
	// MustStaple: the certificate says that clients refuse it without a response (RFC 7633).
	MustStaple bool
	// ThisUpdate and NextUpdate are the life of the response that HAProxy has; zero: it has none.
	ThisUpdate, NextUpdate time.Time
	// Next is when the responder is asked again; zero: never.
	Next time.Time
	// Error is why the last attempt failed, or why there is none; empty: it did not.
	Error string
	// Failures are the attempts that failed since the last success.
	Failures int
	// Revoked: the responder says that the certificate is revoked.
	Revoked bool
}

// StapleTargets are the certificates that clients get, each file once.
func (c Config) StapleTargets() []StapleTarget {
	var out []StapleTarget
	seen := map[string]bool{}
	for _, f := range c.Frontends {
		if !c.SpeaksTLS(f) || len(f.TLS.Binds) == 0 {
			continue
		}
		for _, cert := range c.Served(f) {
			byDigest := map[string]PEMFile{}
			for _, file := range cert.Files {
				byDigest[file.Digest] = file
			}
			for _, file := range cert.TLSFiles() {
				if seen[file.Name] {
					continue
				}
				seen[file.Name] = true
				pem := byDigest[file.Digest]
				out = append(out, StapleTarget{
					Certificate: cert.Key, File: file, KeyType: pem.KeyType, SHA256: pem.Chain[0].SHA256,
					Bind: f.TLS.Binds[0], ServerName: cert.ServerName(), AcceptProxy: f.AcceptProxy,
				})
			}
		}
	}
	return out
}

// ServerName is a host name that the first certificate is for; empty: it has none.
func (c Certificate) ServerName() string {
	if len(c.Files) == 0 {
		return ""
	}
	for _, name := range c.Files[0].Chain[0].Names {
		if rest, isWildcard := strings.CutPrefix(name, "*."); isWildcard {
			return "thalassa." + rest
		}
		if host, err := ParseHost(name); err == nil && !host.IsIP() {
			return name
		}
	}
	return ""
}
