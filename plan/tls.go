package plan

import (
	"slices"

	"thalassa/lb"
)

// compareTLS finds what differs in how frontends speak TLS. Certificates come, go and change
// while HAProxy runs, except for the default one of a frontend: HAProxy refuses to remove
// it, and always takes the first for it.
func (c *Change) compareTLS(a, b lb.Config) {
	before := map[lb.Name]lb.Frontend{}
	for _, f := range a.Frontends {
		before[f.Key] = f
	}
	for _, f := range b.Frontends {
		old, isThere := before[f.Key]
		if !isThere {
			continue
		}
		from, to := a.TLSLines(old, plainWord, false), b.TLSLines(f, plainWord, false)
		r := reasons{object: f.ID()}
		r.add("tls", slices.Concat(listChanged(from.Binds, to.Binds), listChanged(from.Rules, to.Rules)))
		c.Reload = append(c.Reload, r.list...)
		if len(r.list) > 0 || !b.SpeaksTLS(f) {
			continue
		}
		r.add("certificates", listChanged(texts(a.Served(old), certificateText), texts(b.Served(f), certificateText)))
		c.Runtime = append(c.Runtime, r.list...)
		c.Certificates += len(r.list)
	}
	for _, cert := range b.Certificates {
		old, isThere := a.Certificate(cert.Key)
		if isThere && !old.SharesFiles(cert) && !slices.Equal(old.Digests(), cert.Digests()) {
			r := reasons{object: cert.ID()}
			r.add("content", changed(serials(old), serials(cert)))
			if r.list == nil {
				r.add("content", []string{otherContent(old, cert)})
			}
			if cert.Authority && b.TakesAtStart(cert.Key) {
				c.Reload = append(c.Reload, r.list...)
				continue
			}
			c.Runtime = append(c.Runtime, r.list...)
			c.Certificates++
		}
	}
}

// otherContent says what differs in certificates with the same serial numbers.
func otherContent(a, b lb.Certificate) string {
	if !slices.EqualFunc(a.Files, b.Files, func(a, b lb.PEMFile) bool { return a.Digest == b.Digest }) {
		return "another chain or key"
	}
	return "another revocation list"
}

func plainWord(s string) string { return s }

func certificateText(c lb.Certificate) string { return string(c.Key) }

// serials are the serial numbers of a certificate, of authorities that of the first.
func serials(c lb.Certificate) string {
	var out string
	for _, f := range c.Files {
		if out != "" {
			out += ", "
		}
		out += f.Chain[0].Serial
	}
	return out
}
