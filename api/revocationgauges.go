package api

import (
	"slices"

	"thalassa/lb"
)

// revocationGauges tell of revocation lists and of OCSP responses.
func revocationGauges() []gaugeKind {
	return []gaugeKind{
		{"thalassa_certificate_crl_next_update_seconds", "When the first revocation list of a stored authority expires, in seconds since the epoch.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			for _, c := range m.intent.SortedCertificates() {
				if c.CRL != nil {
					set(float64(c.CRL.NextUpdate().Unix()), string(c.Key))
				}
			}
		}},
		{"thalassa_certificate_crl_this_update_seconds", "When the revocation list of a stored authority that expires first was signed, in seconds since the epoch.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			for _, c := range m.intent.SortedCertificates() {
				if c.CRL != nil {
					set(float64(c.CRL.ThisUpdate().Unix()), string(c.Key))
				}
			}
		}},
		{"thalassa_certificate_ocsp_next_update_seconds", "When the first stapled OCSP response of a certificate expires, in seconds since the epoch; 0: one has none.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			m.eachStaple(func(name string, all []lb.StapleStatus) {
				next := slices.MinFunc(all, func(a, b lb.StapleStatus) int { return a.NextUpdate.Compare(b.NextUpdate) }).NextUpdate
				set(float64(max(0, next.Unix())), name)
			})
		}},
		{"thalassa_certificate_ocsp_this_update_seconds", "When the stapled OCSP response of a certificate that expires first was signed, in seconds since the epoch; 0: one has none.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			m.eachStaple(func(name string, all []lb.StapleStatus) {
				signed := slices.MinFunc(all, func(a, b lb.StapleStatus) int { return a.NextUpdate.Compare(b.NextUpdate) }).ThisUpdate
				set(float64(max(0, signed.Unix())), name)
			})
		}},
		{"thalassa_certificate_ocsp_failures", "Attempts to get an OCSP response of a certificate that failed since the last success.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			m.eachStaple(func(name string, all []lb.StapleStatus) {
				failures := 0
				for _, s := range all {
					failures += s.Failures
				}
				set(float64(failures), name)
			})
		}},
	}
}

// eachStaple calls do with the OCSP responses of each certificate for which one is asked for.
func (m scrape) eachStaple(do func(certificate string, all []lb.StapleStatus)) {
	if m.staples == nil {
		return
	}
	for _, c := range m.intent.SortedCertificates() {
		files := c.Files
		if c.ACME != nil && m.orders != nil {
			files = m.orders.Files(*c.ACME)
		}
		var all []lb.StapleStatus
		for _, f := range files {
			if s, ok := m.staples.Status(f.Digest); ok && !s.Next.IsZero() {
				all = append(all, s)
			}
		}
		if len(all) > 0 {
			do(string(c.Key), all)
		}
	}
}
