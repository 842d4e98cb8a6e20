package gateway

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// A NoCertificateError says that an endpoint names a certificate that is not stored.
type NoCertificateError struct {
	Field string // of the request
	Name  string
}

// Error names the field and the certificate.
func (e *NoCertificateError) Error() string {
	return e.Field + ": " + strconv.Quote(e.Name) + " is not a stored certificate"
}

// PutCertificates adds or replaces certificates. Their keys must be stored already.
func (m *Model) PutCertificates(list []lb.Certificate) {
	for _, c := range list {
		m.in = m.in.With([]lb.ObjectChange{{ID: c.ID(), After: c}})
	}
}

// newTLS is TLS as an endpoint with a certificate has it.
func newTLS(certificate lb.Name, mode string) lb.FrontendTLS {
	t := lb.FrontendTLS{Certificates: []lb.Name{certificate}, Default: certificate, MinVersion: "1.2", ALPN: []string{}}
	if mode == "http" {
		t.ALPN = []string{"h2", "http/1.1"}
	}
	return t
}

// splitAddress reads "ip:port", or "ip:port @certificate.pem" with a certificate of the intent.
func splitAddress(in lb.Intent, field, text string) (bind lb.Bind, certificate lb.Name, err error) {
	address, rest, isTLS := strings.Cut(strings.TrimSpace(text), "@")
	if bind, err = lb.ParseBind(strings.TrimSpace(address)); err != nil {
		return bind, "", at(field, err)
	}
	if !isTLS {
		return bind, "", nil
	}
	for _, name := range []string{rest, strings.TrimSuffix(rest, ".pem")} {
		if _, isThere := in.Certificates[lb.Name(name)]; isThere {
			return bind, lb.Name(name), nil
		}
	}
	return bind, "", &NoCertificateError{field, strings.TrimSuffix(rest, ".pem")}
}

// inMode is the frontend with another mode. What TLS offers to clients by default follows.
func inMode(f lb.Frontend, mode string) lb.Frontend {
	if f.TLS != nil && slices.Equal(f.TLS.ALPN, newTLS("", f.Mode).ALPN) {
		t := *f.TLS
		t.ALPN = newTLS("", mode).ALPN
		f.TLS = &t
	}
	f.Mode = mode
	return f
}

// serving is the frontend with another certificate, if all its endpoints with TLS use that one
// after a change. Frontends have one list of certificates for all their addresses.
func serving(in lb.Intent, f lb.Frontend, change []Endpoint) lb.Frontend {
	if f.TLS == nil || len(f.TLS.Certificates) > 1 {
		return f
	}
	certificates := map[lb.Name]bool{}
	for _, e := range endpointsOf(f) {
		isChanged := slices.ContainsFunc(change, func(c Endpoint) bool { return c.Name == e.Name || sameAddress(c.Address, e.Address) })
		if e.Certificate != "" && !isChanged {
			certificates[lb.Name(e.Certificate)] = true
		}
	}
	for _, c := range change {
		if _, name, err := splitAddress(in, "", c.Address); err == nil && name != "" {
			certificates[name] = true
		}
	}
	if len(certificates) != 1 {
		return f
	}
	t := *f.TLS
	for name := range certificates {
		t.Certificates, t.Default = []lb.Name{name}, name
	}
	f.TLS = &t
	return f
}

// sameAddress reports whether the text of an endpoint is about an address.
func sameAddress(text, address string) bool {
	plain, _, _ := strings.Cut(text, "@")
	bind, err := lb.ParseBind(strings.TrimSpace(plain))
	return err == nil && bind.String() == address
}

// place puts an address among those with TLS, or among those without, in the place of a
// former one.
func place(f lb.Frontend, path string, former, bind lb.Bind, certificate lb.Name) (lb.Frontend, error) {
	if certificate == "" {
		f.Binds = put(f.Binds, former, bind)
		return withoutTLS(f, former, bind)
	}
	f.Binds = slices.DeleteFunc(slices.Clone(f.Binds), func(b lb.Bind) bool { return b == former || b == bind })
	t := newTLS(certificate, f.Mode)
	if f.TLS != nil {
		t = *f.TLS
	}
	if t.Default != certificate {
		return f, &lb.ConflictError{ID: f.ID(), Reason: path + ": its addresses with TLS serve the certificate " + string(t.Default) +
			": give the other certificate a gateway of its own, or change both through /frontends/" + string(f.Key)}
	}
	t.Binds = put(t.Binds, former, bind)
	f.TLS = &t
	return f, nil
}

// put is a list with an address instead of a former one, or at the end.
func put(list []lb.Bind, former, bind lb.Bind) []lb.Bind {
	list = slices.Clone(list)
	i := slices.Index(list, former)
	switch isThere := slices.Contains(list, bind); {
	case i >= 0 && isThere && former != bind:
		return slices.Delete(list, i, i+1)
	case i >= 0:
		list[i] = bind
		return list
	case isThere:
		return list
	}
	return append(list, bind)
}

// withoutTLS is the frontend without TLS at some addresses. The last one takes TLS along,
// unless that has settings which the dialect could not make again.
func withoutTLS(f lb.Frontend, binds ...lb.Bind) (lb.Frontend, error) {
	if f.TLS == nil || !slices.ContainsFunc(f.TLS.Binds, func(b lb.Bind) bool { return slices.Contains(binds, b) }) {
		return f, nil
	}
	t := *f.TLS
	t.Binds = slices.DeleteFunc(slices.Clone(t.Binds), func(b lb.Bind) bool { return slices.Contains(binds, b) })
	f.TLS = &t
	if len(t.Binds) > 0 {
		return f, nil
	}
	if lost := beyondTLS(t, f.Mode); len(lost) > 0 {
		return f, &lb.ConflictError{ID: f.ID(), Reason: "it is its last address with TLS, and " + strings.Join(lost, ", ") + " would be lost: change that through /frontends/" + string(f.Key)}
	}
	f.TLS = nil
	return f, nil
}
