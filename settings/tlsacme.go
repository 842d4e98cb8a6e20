package settings

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/pflag"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

// ownOrder says how the API's own certificate is ordered.
type ownOrder struct {
	directory, directoryCA, challenge, email string
}

func ownOrderFlags(o *ownOrder, f *pflag.FlagSet) {
	f.StringVar(&o.directory, "tls-acme-directory", lb.DefaultDirectory, "`URL` of the ACME server of the API's certificate")
	f.StringVar(&o.directoryCA, "tls-acme-directory-ca", "", "PEM `file` of the CAs that sign the ACME server's own certificate")
	f.StringVar(&o.challenge, "tls-acme-challenge", lb.HTTP01, "`kind` of challenge for the API's certificate: http-01 or dns-01")
	f.StringVar(&o.email, "tls-acme-email", "", "mail `address` for the account at the ACME server")
}

// ownOrderSettings are those of the group of the API.
func ownOrderSettings() []Setting {
	return []Setting{
		{Name: "tls-acme-directory", Explanation: "For `tls: acme`. By ordering you accept the terms of service of the server."},
		{Name: "tls-acme-directory-ca", Explanation: "Default: those of this machine."},
		{Name: "tls-acme-challenge", Explanation: "`http-01` needs a frontend on port 80, and `dns-01` a zone in `acme-dns`. See [acme.md](acme.md#the-agents-own-address)."},
		{Name: "tls-acme-email"},
	}
}

// Order is the certificate to order for the API; ok is false where there is none. The error names
// the setting.
func (t TLS) Order() (a lb.ACME, ok bool, err error) {
	if t.Mode() != tlsACME {
		return a, false, nil
	}
	o := t.s.ownOrder
	spec := lb.ACMESpec{Challenge: o.challenge, Directory: o.directory, Email: o.email}
	for _, name := range t.s.tlsNames {
		if _, err := netip.ParseAddr(name); err != nil { // servers certify names
			spec.Domains = append(spec.Domains, name)
		}
	}
	if len(spec.Domains) == 0 {
		return a, true, errors.New("tls-names: has no host name, which tls acme is to order a certificate for")
	}
	if o.directoryCA != "" {
		data, err := safefile.Read(o.directoryCA, maxFile)
		if err != nil {
			return a, true, fmt.Errorf("tls-acme-directory-ca: %w", err)
		}
		spec.DirectoryCA = string(data)
	}
	a, err = spec.Parse()
	invalid, isInvalid := errors.AsType[*lb.InvalidError](err)
	if !isInvalid {
		return a, true, err
	}
	all := make([]error, 0, len(invalid.Fields))
	for _, f := range invalid.Fields {
		setting := map[string]string{
			"acme.directory": "tls-acme-directory", "acme.directoryCA": "tls-acme-directory-ca", "acme.challenge": "tls-acme-challenge", "acme.email": "tls-acme-email",
		}[f.Path]
		if setting == "" {
			setting = "tls-names"
		}
		all = append(all, fmt.Errorf("%s: %s, expected %s", setting, f.Problem, f.Expected))
	}
	return a, true, errors.Join(all...)
}

// checkOwnOrder is about the API's ordered certificate.
func (c *checker) checkOwnOrder() {
	s := c.settings
	a, ok, err := s.TLS().Order()
	if err != nil {
		c.problems = append(c.problems, err)
	}
	if !ok {
		if o := s.ownOrder; o.directory != lb.DefaultDirectory || o.directoryCA != "" || o.challenge != lb.HTTP01 || o.email != "" {
			c.bad("tls-acme-directory, tls-acme-directory-ca, tls-acme-challenge, tls-acme-email: need tls to be %s", tlsACME)
		}
		return
	}
	if _, problem := s.ChallengePort(); err == nil && a.Challenge == lb.HTTP01 && problem != "" {
		c.bad("tls-acme-challenge: %s", problem)
	}
}
