package gateway

import (
	"slices"
	"strings"

	"thalassa/lb"
)

// fieldIf adds a field where the dialect cannot express it.
func fieldIf(fields []string, name string, is bool) []string {
	if is {
		return append(fields, name)
	}
	return fields
}

// beyondGateway lists the fields of a frontend that the dialect cannot express.
func beyondGateway(f lb.Frontend) []string {
	out := fieldIf(nil, "rules", len(f.Rules) > 0)
	isRaw := func(n lb.RawLine) bool { return n != disabledLine && !strings.HasPrefix(string(n), "bind ") }
	out = fieldIf(out, "natives", slices.ContainsFunc(f.Natives, isRaw))
	out = fieldIf(out, "keepalive", f.Keepalive != "default")
	out = fieldIf(out, "defaults", f.Defaults != "")
	out = fieldIf(out, "register", f.Register != "")
	if f.TLS != nil {
		out = append(out, beyondTLS(*f.TLS, f.Mode)...)
	}
	return out
}

// beyondTLS lists the fields of TLS that are not those of an endpoint with a certificate.
func beyondTLS(t lb.FrontendTLS, mode string) []string {
	plain := newTLS(t.Default, mode)
	out := fieldIf(nil, "tls.certificates", !slices.Equal(t.Certificates, plain.Certificates))
	out = fieldIf(out, "tls.strictSNI", t.StrictSNI)
	out = fieldIf(out, "tls.minVersion", t.MinVersion != plain.MinVersion)
	out = fieldIf(out, "tls.ciphers", t.Ciphers != "")
	out = fieldIf(out, "tls.cipherSuites", t.CipherSuites != "")
	out = fieldIf(out, "tls.alpn", !slices.Equal(t.ALPN, plain.ALPN))
	out = fieldIf(out, "tls.clientCA", t.ClientCA != "")
	out = fieldIf(out, "tls.redirect", t.Redirect)
	return fieldIf(out, "tls.hsts", t.HSTS != "")
}

// beyondPool lists the fields of a backend that the dialect cannot express. The mode counts if it
// differs from the protocol of the gateways.
func beyondPool(in lb.Intent, b lb.Backend) []string {
	s := b.Spec()
	out := fieldIf(nil, "service", b.Type != "static")
	isOwn := b.Mode != "http" && !slices.ContainsFunc(in.SortedFrontends(), func(f lb.Frontend) bool {
		return f.Mode == b.Mode && slices.Contains(f.AllTargets(), b.Key)
	})
	out = fieldIf(out, "mode", isOwn)
	out = fieldIf(out, "hashStable", s.HashStable)
	out = fieldIf(out, "host", s.Host != "")
	out = fieldIf(out, "health", s.Health != nil)
	out = fieldIf(out, "natives", len(withDefaultWeight(b.Natives, 1)) > 0)
	return fieldIf(out, "defaults", s.Defaults != "")
}
