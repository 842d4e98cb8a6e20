package plan_test

import (
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/plan"
)

func tlsConfig(t *testing.T, change func(*lb.FrontendTLSSpec, map[lb.Name]lb.Certificate)) lb.Config {
	t.Helper()
	certificate := func(name lb.Name, digit string) lb.Certificate {
		return lb.Certificate{Key: name, Files: []lb.PEMFile{{Digest: strings.Repeat(digit, 64), KeyType: "RSA", Chain: []lb.X509{{Serial: digit}}}}}
	}
	certificates := map[lb.Name]lb.Certificate{"shop": certificate("shop", "1"), "api": certificate("api", "2"), "new": certificate("new", "3")}
	ca := certificate("corp", "4")
	ca.Authority, ca.Files[0].KeyType = true, ""
	certificates["corp"] = ca
	s := lb.FrontendTLSSpec{Bind: "*:443", Certificates: []string{"shop", "api"}, ClientCA: "corp"}
	change(&s, certificates)
	f, err := lb.FrontendSpec{Backend: "live", TLS: &s}.Parse("web")
	if err != nil {
		t.Fatal(err)
	}
	in := lb.Intent{Frontends: map[lb.Name]lb.Frontend{"web": f}, Certificates: certificates}
	return lb.Resolve(in, lb.Snapshot{}, lb.Process{CertificateDir: "/certs"})
}

func TestChangeOfCertificatesNeedsNoReload(t *testing.T) {
	t.Parallel()
	type certificates = map[lb.Name]lb.Certificate
	renew := func(all certificates, name lb.Name) {
		c := all[name]
		file := c.Files[0]
		file.Digest, file.Chain = strings.Repeat("5", 64), []lb.X509{{Serial: "5"}}
		c.Files = []lb.PEMFile{file}
		all[name] = c
	}
	for _, test := range []struct {
		change func(*lb.FrontendTLSSpec, certificates)
		diff   string
		reload bool
	}{
		{func(*lb.FrontendTLSSpec, certificates) {}, "", false},
		{func(s *lb.FrontendTLSSpec, _ certificates) { s.Certificates = []string{"shop", "new"} }, "frontend/web certificates: -api\nfrontend/web certificates: +new", false},
		{func(_ *lb.FrontendTLSSpec, all certificates) { renew(all, "shop") }, "certificate/shop content: 1 → 5", false},
		{func(_ *lb.FrontendTLSSpec, all certificates) { renew(all, "corp") }, "certificate/corp content: 4 → 5", false},
		{func(_ *lb.FrontendTLSSpec, all certificates) { renew(all, "new") }, "", false}, // nothing uses it
		{func(s *lb.FrontendTLSSpec, _ certificates) { s.Default = "api" }, "frontend/web tls: ", true},
		{func(s *lb.FrontendTLSSpec, _ certificates) { s.MinVersion = "1.3" }, "frontend/web tls: ", true},
		{func(s *lb.FrontendTLSSpec, _ certificates) { s.ClientCA = "" }, "frontend/web tls: ", true},
		{func(s *lb.FrontendTLSSpec, _ certificates) { s.HSTS = "max-age=9" }, "frontend/web tls: ", true},
	} {
		running := tlsConfig(t, func(*lb.FrontendTLSSpec, certificates) {})
		change := plan.Compute(&running, tlsConfig(t, test.change))
		diff := strings.Join(change.Diff(), "\n")
		if len(change.Reload) > 0 != test.reload || !strings.HasPrefix(diff, test.diff) || (diff == "") != change.Empty() || test.diff == "" && diff != "" {
			t.Errorf("expected %q, got %q, reload %v", test.diff, diff, change.Reload)
		}
		if !test.reload && diff != "" && change.Certificates == 0 {
			t.Errorf("%s: nothing to do", diff)
		}
	}
}
