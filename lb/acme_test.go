package lb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// What is ordered has one form, whoever wrote it.
func TestACMESpec(t *testing.T) {
	t.Parallel()
	a, err := lb.ACMESpec{Domains: []string{"WWW.Shop.Example", "bücher.example"}}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.Domains, []string{"www.shop.example", "xn--bcher-kva.example"}) || a.Challenge != lb.HTTP01 || a.KeyType != "ecdsa" || a.Directory != lb.DefaultDirectory {
		t.Errorf("got %+v", a)
	}
	again, err := a.Spec().Parse()
	if err != nil || again.Identity() != a.Identity() || !slices.Equal(again.Domains, a.Domains) {
		t.Errorf("read back as %+v, %v", again, err)
	}
	authority := testkit.NewAuthority(t).PEM
	wild, err := lb.ACMESpec{
		Domains: []string{"*.shop.example", "shop.example"}, Challenge: lb.DNS01, Directory: "https://ACME.example:443/dir", DirectoryCA: authority, Email: "a+b@shop.example", KeyType: "rsa-3072",
	}.Parse()
	if err != nil || wild.Directory != "https://acme.example/dir" || wild.DirectoryCA != authority {
		t.Errorf("got %+v, %v", wild, err)
	}
}

// One order does for all that differ in nothing that the server certifies.
func TestACMEIdentity(t *testing.T) {
	t.Parallel()
	parse := func(s lb.ACMESpec) string {
		t.Helper()
		a, err := s.Parse()
		if err != nil {
			t.Fatal(err)
		}
		return a.Identity()
	}
	base := lb.ACMESpec{Domains: []string{"a.example", "b.example"}}
	for name, same := range map[string]lb.ACMESpec{
		"the order": {Domains: []string{"b.example", "A.example"}}, "mail": {Domains: base.Domains, Email: "x@a.example"}, "the challenge": {Domains: base.Domains, Challenge: lb.DNS01},
	} {
		if parse(same) != parse(base) {
			t.Errorf("%s makes another identity", name)
		}
	}
	for name, other := range map[string]lb.ACMESpec{
		"fewer domains": {Domains: []string{"a.example"}}, "a joined domain": {Domains: []string{"a.exampleb.example"}},
		"the server": {Domains: base.Domains, Directory: "https://acme.example/dir"}, "the key": {Domains: base.Domains, KeyType: "rsa"},
	} {
		if parse(other) == parse(base) {
			t.Errorf("%s makes no other identity", name)
		}
	}
}

// Bad input is refused with the field, and with what was expected.
func TestACMESpecRefusals(t *testing.T) {
	t.Parallel()
	good := []string{"shop.example"}
	many := make([]string, lb.MaxDomains+1)
	for i := range many {
		many[i] = strings.Repeat("a", i%50+1) + ".example"
	}
	for name, c := range map[string]struct {
		spec lb.ACMESpec
		path string
	}{
		"no domain":         {lb.ACMESpec{}, "acme.domains"},
		"too many":          {lb.ACMESpec{Domains: many}, "acme.domains"},
		"twice":             {lb.ACMESpec{Domains: []string{"a.example", "A.example"}}, "acme.domains[1]"},
		"an address":        {lb.ACMESpec{Domains: []string{"192.0.2.1"}}, "acme.domains[0]"},
		"an IPv6 address":   {lb.ACMESpec{Domains: []string{"[2001:db8::1]"}}, "acme.domains[0]"},
		"a path":            {lb.ACMESpec{Domains: []string{"../etc"}}, "acme.domains[0]"},
		"a line":            {lb.ACMESpec{Domains: []string{"a.example\nb"}}, "acme.domains[0]"},
		"an underscore":     {lb.ACMESpec{Domains: []string{"_acme.example"}}, "acme.domains[0]"},
		"a dot at the end":  {lb.ACMESpec{Domains: []string{"shop.example."}}, "acme.domains[0]"},
		"too long":          {lb.ACMESpec{Domains: []string{strings.Repeat("abcdefgh.", 30) + "example"}}, "acme.domains[0]"},
		"wildcard, http-01": {lb.ACMESpec{Domains: []string{"*.shop.example"}}, "acme.domains[0]"},
		"wildcard of a TLD": {lb.ACMESpec{Domains: []string{"*.example"}, Challenge: lb.DNS01}, "acme.domains[0]"},
		"wildcard inside":   {lb.ACMESpec{Domains: []string{"a.*.example"}, Challenge: lb.DNS01}, "acme.domains[0]"},
		"challenge":         {lb.ACMESpec{Domains: good, Challenge: "tls-alpn-01"}, "acme.challenge"},
		"key type":          {lb.ACMESpec{Domains: good, KeyType: "rsa-1024"}, "acme.keyType"},
		"http":              {lb.ACMESpec{Domains: good, Directory: "http://acme.example/dir"}, "acme.directory"},
		"user":              {lb.ACMESpec{Domains: good, Directory: "https://u:p@acme.example/dir"}, "acme.directory"},
		"query":             {lb.ACMESpec{Domains: good, Directory: "https://acme.example/dir?x=y"}, "acme.directory"},
		"port":              {lb.ACMESpec{Domains: good, Directory: "https://acme.example:70000/dir"}, "acme.directory"},
		"long directory":    {lb.ACMESpec{Domains: good, Directory: "https://acme.example/" + strings.Repeat("x", 500)}, "acme.directory"},
		"no PEM":            {lb.ACMESpec{Domains: good, DirectoryCA: "text"}, "acme.directoryCA"},
		"a key":             {lb.ACMESpec{Domains: good, DirectoryCA: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, "acme.directoryCA"},
		"a large text":      {lb.ACMESpec{Domains: good, DirectoryCA: strings.Repeat("\n", 65<<10)}, "acme.directoryCA"},
		"mail":              {lb.ACMESpec{Domains: good, Email: "a@b@c.example"}, "acme.email"},
		"mail with a line":  {lb.ACMESpec{Domains: good, Email: "a\n@c.example"}, "acme.email"},
	} {
		_, err := c.spec.Parse()
		invalid, ok := errors.AsType[*lb.InvalidError](err)
		if !ok || invalid.Fields[0].Path != c.path || invalid.Fields[0].Expected == "" {
			t.Errorf("%s: %v, expected an error about %s", name, err, c.path)
		}
	}
}
