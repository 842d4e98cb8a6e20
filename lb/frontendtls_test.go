package lb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
)

// storedCertificate is a certificate with one file for each type of key; none: authorities.
func storedCertificate(name lb.Name, keyTypes ...string) lb.Certificate {
	c := lb.Certificate{Key: name, Authority: len(keyTypes) == 0}
	if c.Authority {
		keyTypes = []string{""}
	}
	for i, keyType := range keyTypes {
		digest := strings.Repeat(fmt.Sprintf("%02x", len(name)+i), 32)
		c.Files = append(c.Files, lb.PEMFile{Digest: digest, KeyType: keyType, Chain: []lb.X509{{Serial: "a1", NotAfter: time.Unix(0, 0)}}})
	}
	return c
}

func tlsIntent(t *testing.T) lb.Intent {
	t.Helper()
	in := lb.Intent{}
	for _, c := range []lb.Certificate{storedCertificate("shop", "ECDSA", "RSA"), storedCertificate("api:1", "RSA"), storedCertificate("corp")} {
		in = applied(t, in, lb.Edit{Certificate: &c})
	}
	live := parsedBackend(t, "live", lb.BackendSpec{Type: "static"})
	return applied(t, in, lb.Edit{Backend: &live})
}

func applied(t *testing.T, in lb.Intent, e lb.Edit) lb.Intent {
	t.Helper()
	next, err := in.Apply(e)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func parsedBackend(t *testing.T, key lb.Name, s lb.BackendSpec) lb.Backend {
	t.Helper()
	b, err := s.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tlsFrontend(t *testing.T, s lb.FrontendTLSSpec) lb.Frontend {
	t.Helper()
	f, err := lb.FrontendSpec{Backend: "live", TLS: &s}.Parse("web")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFrontendTLSDefaults(t *testing.T) {
	t.Parallel()
	f := tlsFrontend(t, lb.FrontendTLSSpec{Bind: "*:443,[::]:443", Certificates: []string{"shop", "api:1"}, ClientCA: "corp"})
	if f.TLS.MinVersion != "1.2" || f.TLS.Default != "shop" || !slices.Equal(f.TLS.ALPN, []string{"h2", "http/1.1"}) || f.TLS.ClientVerify != "required" {
		t.Errorf("the defaults are %+v", *f.TLS)
	}
	again, err := f.Spec().Parse("web")
	if err != nil || again.ETag() != f.ETag() {
		t.Errorf("its specification gives %+v, %v", again.TLS, err)
	}
	if b, ok := f.Address(); !ok || b.Port != 443 {
		t.Errorf("its address is %v", b)
	}
}

func TestFrontendTLSFields(t *testing.T) {
	t.Parallel()
	for path, change := range map[string]func(*lb.FrontendSpec){
		"tls.bind":            func(s *lb.FrontendSpec) { s.TLS.Bind = "*:80" },
		"tls.certificates":    func(s *lb.FrontendSpec) { s.TLS.Certificates = nil },
		"tls.certificates[1]": func(s *lb.FrontendSpec) { s.TLS.Certificates = []string{"shop", "../etc"} },
		"tls.default":         func(s *lb.FrontendSpec) { s.TLS.Default = "other" },
		"tls.minVersion":      func(s *lb.FrontendSpec) { s.TLS.MinVersion = "1.1" },
		"tls.ciphers":         func(s *lb.FrontendSpec) { s.TLS.Ciphers = "AES alpn" },
		"tls.cipherSuites":    func(s *lb.FrontendSpec) { s.TLS.CipherSuites = "$X" },
		"tls.alpn[0]":         func(s *lb.FrontendSpec) { s.TLS.ALPN = []string{"spdy/1"} },
		"tls.clientVerify":    func(s *lb.FrontendSpec) { s.TLS.ClientVerify = "optional" },
		"tls.hsts":            func(s *lb.FrontendSpec) { s.TLS.HSTS = "max-age=1\" x" },
		"tls.redirect":        func(s *lb.FrontendSpec) { s.Mode, s.TLS.Redirect = "tcp", true },
	} {
		s := lb.FrontendSpec{Bind: "*:80", Backend: "live", TLS: &lb.FrontendTLSSpec{Bind: "*:443", Certificates: []string{"shop"}}}
		change(&s)
		_, err := s.Parse("web")
		if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || invalid.Fields[0].Path != path {
			t.Errorf("%s: the error is %v", path, err)
		}
	}
}

func TestCertificatesOfFrontendsMustExist(t *testing.T) {
	t.Parallel()
	in := tlsIntent(t)
	for path, s := range map[string]lb.FrontendTLSSpec{
		"tls.certificates[1]": {Bind: "*:443", Certificates: []string{"shop", "none"}},
		"tls.certificates[0]": {Bind: "*:443", Certificates: []string{"corp"}},
		"tls.clientCA":        {Bind: "*:443", Certificates: []string{"shop"}, ClientCA: "api:1"},
	} {
		f := tlsFrontend(t, s)
		_, err := in.Apply(lb.Edit{Frontend: &f})
		if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || invalid.Fields[0].Path != path {
			t.Errorf("%s: the error is %v", path, err)
		}
	}
}

func TestUsedCertificateStays(t *testing.T) {
	t.Parallel()
	f := tlsFrontend(t, lb.FrontendTLSSpec{Bind: "*:443", Certificates: []string{"shop"}, ClientCA: "corp"})
	in := applied(t, tlsIntent(t), lb.Edit{Frontend: &f})
	for _, id := range []string{"certificate/shop", "certificate/corp"} {
		_, err := in.Apply(lb.Edit{Delete: id})
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || !slices.Equal(conflict.By, []string{"frontend/web"}) {
			t.Errorf("deleting %s: %v", id, err)
		}
	}
	applied(t, in, lb.Edit{Delete: "certificate/api:1"})
	other := storedCertificate("shop")
	if _, err := in.Apply(lb.Edit{Certificate: &other}); err == nil || !strings.Contains(err.Error(), "needs a certificate with a key") {
		t.Errorf("an authority in the place of a certificate: %v", err)
	}
}

func TestAddressesWithTLSAreBoundOnce(t *testing.T) {
	t.Parallel()
	f := tlsFrontend(t, lb.FrontendTLSSpec{Bind: "*:443", Certificates: []string{"shop"}})
	in := applied(t, tlsIntent(t), lb.Edit{Frontend: &f})
	for _, s := range []lb.FrontendSpec{
		{Bind: "0.0.0.0:443", Backend: "live"},
		{Bind: "*:443 ssl crt /x.pem", Backend: "live"},
		{Backend: "live", TLS: &lb.FrontendTLSSpec{Bind: "*:443", Certificates: []string{"shop"}}},
	} {
		other, err := s.Parse("other")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Apply(lb.Edit{Frontend: &other}); !errors.As(err, new(*lb.ConflictError)) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestTLSFiles(t *testing.T) {
	t.Parallel()
	f := tlsFrontend(t, lb.FrontendTLSSpec{Bind: "*:443", Certificates: []string{"shop", "api:1"}, Default: "api:1", ClientCA: "corp"})
	in := applied(t, tlsIntent(t), lb.Edit{Frontend: &f})
	c := lb.Resolve(in, lb.Snapshot{}, lb.Process{CertificateDir: "/x.certs"})
	var roles []string
	for _, file := range c.TLSFiles() {
		role, ok := lb.TLSRole(file.Name)
		if !ok || role != file.Role {
			t.Errorf("the role of %s is %s, expected %s", file.Name, role, file.Role)
		}
		roles = append(roles, role)
	}
	if want := []string{"api+1.0", "corp.ca", "shop.0", "shop.1", "web.list"}; !slices.Equal(roles, want) {
		t.Errorf("the files are %v, expected %v", roles, want)
	}
	if got := c.CertificateLists()[0].Entries; !slices.Equal(got, []string{"api+1.0", "shop.0", "shop.1"}) {
		t.Errorf("the list has %v", got)
	}
	if shop, _ := c.Certificate("shop"); shop.TLSFiles()[0].Digest != shop.Files[1].Digest {
		t.Error("the first file is not that of the RSA key")
	}
}

// Without the authority for clients nobody may get in; without the certificate of an address
// the others are served.
func TestTLSWithoutItsFiles(t *testing.T) {
	t.Parallel()
	f := tlsFrontend(t, lb.FrontendTLSSpec{Bind: "*:443", Certificates: []string{"shop", "api:1"}, ClientCA: "corp"})
	in := applied(t, tlsIntent(t), lb.Edit{Frontend: &f})
	quote := func(s string) string { return s }
	delete(in.Certificates, "shop")
	c := lb.Resolve(in, lb.Snapshot{}, lb.Process{CertificateDir: "/x.certs"})
	if lines := c.TLSLines(f, quote, false); len(lines.Binds) != 1 || !strings.Contains(lines.Binds[0], " strict-sni ") {
		t.Errorf("without the default certificate: %q", lines.Binds)
	}
	delete(in.Certificates, "corp")
	c = lb.Resolve(in, lb.Snapshot{}, lb.Process{CertificateDir: "/x.certs"})
	if lines := c.TLSLines(f, quote, false); len(lines.Binds) != 0 {
		t.Errorf("without the authority for clients: %q", lines.Binds)
	}
}
