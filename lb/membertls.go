package lb

import (
	"slices"
	"strconv"
	"strings"
)

// A MemberTLS says how HAProxy uses TLS to the members of a backend. It is immutable.
type MemberTLS struct {
	// Verify says which authority the certificates of members must come from: the name of a stored
	// one, VerifySystem or VerifyNone.
	Verify string
	// ServerName is the host name that the certificate of a member must be for; empty: any,
	// or that of SNI.
	ServerName string
	// SNI is the server name that HAProxy asks members for: SNIServerName, SNIHost or
	// SNINone.
	SNI string
	// ALPN are the protocols that members may choose from; empty: none is offered, with
	// protocol h2 that one.
	ALPN []string
	// MinVersion is "1.2" or "1.3".
	MinVersion string
	// Certificate is the stored certificate that HAProxy shows to members; empty: none.
	Certificate Name
	// FromMeta is what instances may say about themselves in their Consul meta:
	// FromMetaServerName, FromMetaOff; empty: nothing.
	FromMeta []string
}

// The values of MemberTLS.Verify beside names of authorities, and those of MemberTLS.SNI.
const (
	VerifySystem = "system" // the authorities of this machine
	VerifyNone   = "none"   // no verification

	SNIServerName = "serverName" // MemberTLS.ServerName, where there is one
	SNIHost       = "host"       // the Host header of the request, which the certificate must be for
	SNINone       = "none"       // none is asked for; the certificate must be for ServerName
)

// A MemberTLSSpec is a MemberTLS as written by a user, not yet checked.
type MemberTLSSpec struct {
	Verify      string
	ServerName  string
	SNI         string // empty: SNIServerName
	ALPN        []string
	MinVersion  string // empty: "1.2"
	Certificate string
	FromMeta    []string
}

// parse checks the specification for a backend whose other fields are parsed. Fields of
// errors begin with "tls.".
func (s MemberTLSSpec) parse(fe *FieldErrors, b Backend) *MemberTLS {
	t := &MemberTLS{Verify: s.Verify, ServerName: strings.ToLower(s.ServerName), ALPN: s.ALPN}
	var err error
	t.MinVersion, err = oneOf(s.MinVersion, "1.2", "1.3")
	fe.AddErr("tls.minVersion", err)
	t.SNI, err = oneOf(s.SNI, SNIServerName, SNIHost, SNINone)
	fe.AddErr("tls.sni", err)
	if s.Certificate != "" {
		t.Certificate, err = ParseName(s.Certificate)
		fe.AddErr("tls.certificate", err)
	}
	if t.SNI == SNIHost && b.Mode == "tcp" {
		fe.Add("tls.sni", "is the Host header of requests, and mode is tcp", "serverName or none, or mode http")
	}
	if s.ServerName != "" && (!isHostName(s.ServerName) || strings.HasSuffix(s.ServerName, ".")) {
		fe.Add("tls.serverName", strconv.Quote(s.ServerName)+" is not a host name", "a host name of the certificates of members, without a dot at the end")
	}
	t.checkVerify(fe, b)
	t.checkALPN(fe, b)
	t.parseFromMeta(fe, s.FromMeta)
	return t
}

// parseFromMeta reads what instances may say. A name of their own takes the place of that of the
// backend, so it needs checks by one name.
func (t *MemberTLS) parseFromMeta(fe *FieldErrors, list []string) {
	for i, what := range list {
		at := "tls.fromMeta[" + strconv.Itoa(i) + "]"
		switch {
		case what != FromMetaServerName && what != FromMetaOff:
			fe.Add(at, strconv.Quote(what)+" is not known here", FromMetaServerName+" or "+FromMetaOff)
		case slices.Contains(t.FromMeta, what):
			fe.Add(at, strconv.Quote(what)+" is named twice", "each once")
		case what == FromMetaServerName && t.Verify == VerifySystem:
			fe.Add(at, "instances say their server name, and the authorities of the machine vouch for everybody on the Internet", "no serverName here, or a stored authority in tls.verify")
		case what == FromMetaServerName && t.SNI != SNIServerName:
			fe.Add(at, "instances say their server name, and tls.sni is "+t.SNI, "no serverName here, or tls.sni serverName")
		default:
			t.FromMeta = append(t.FromMeta, what)
		}
	}
	slices.Sort(t.FromMeta)
}

// checkVerify refuses a public authority without a name: anybody with any certificate would
// pass.
func (t *MemberTLS) checkVerify(fe *FieldErrors, b Backend) {
	switch t.Verify {
	case "":
		fe.Add("tls.verify", "is missing", "the name of a stored authority, system or none")
	case VerifyNone, VerifySystem:
	default:
		_, err := ParseName(t.Verify)
		fe.AddErr("tls.verify", err)
	}
	if t.ServerName == "" && t.SNI == SNIServerName && b.Host != "" && t.Verify != VerifyNone {
		if host := hostOfHeader(b.Host); isHostName(host) {
			t.ServerName = strings.TrimSuffix(strings.ToLower(host), ".")
		}
	}
	switch {
	case t.Verify == VerifySystem && t.ServerName == "":
		fe.Add("tls.serverName", "is missing, and the authorities of the machine vouch for everybody on the Internet", "the host name that the certificates of members are for")
	case t.Verify != VerifyNone && t.SNI == SNIHost && t.ServerName == "":
		fe.Add("tls.serverName", "is missing, and health checks have no request with a Host header", "the host name that health checks ask for")
	}
}

// hostOfHeader is a Host header without its port.
func hostOfHeader(s string) string {
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		return s[:i]
	}
	return s
}

func (t *MemberTLS) checkALPN(fe *FieldErrors, b Backend) {
	if b.Transport.Protocol == protocolH2 && len(t.ALPN) > 0 && !slices.Equal(t.ALPN, []string{protocolH2}) {
		fe.Add("tls.alpn", "offers other protocols, and protocol is h2", "h2 alone, or no alpn")
	}
	checkProtocols(fe, t.ALPN, b.Mode)
}

// usesAuthority reports whether the members are checked by a stored authority.
func (t *MemberTLS) usesAuthority() bool { return t.Verify != VerifyNone && t.Verify != VerifySystem }

// spec is the inverse of parse.
func (t *MemberTLS) spec() *MemberTLSSpec {
	if t == nil {
		return nil
	}
	return &MemberTLSSpec{
		Verify: t.Verify, ServerName: t.ServerName, SNI: t.SNI, ALPN: slices.Clone(t.ALPN), MinVersion: t.MinVersion, Certificate: string(t.Certificate), FromMeta: slices.Clone(t.FromMeta),
	}
}

// certificateUses are the fields of the backend that name a certificate.
func (b Backend) certificateUses() []CertificateUse {
	t := b.Transport.TLS
	if t == nil {
		return nil
	}
	var out []CertificateUse
	if t.usesAuthority() {
		out = append(out, CertificateUse{Path: "tls.verify", Name: Name(t.Verify), Authority: true})
	}
	if t.Certificate != "" {
		out = append(out, CertificateUse{Path: "tls.certificate", Name: t.Certificate})
	}
	return out
}

// checkBackend checks that the certificates that the backend names exist and are of the
// right kind. The error is an *InvalidError.
func checkBackend(in Intent, b Backend) error {
	var fe FieldErrors
	checkCertificates(in, &fe, b)
	return fe.Err()
}

// TLSWarning is a sentence about TLS to members that is weaker than it may seem; empty: there is
// nothing to warn about.
func (b Backend) TLSWarning() string {
	t := b.Transport.TLS
	switch {
	case t == nil:
		return ""
	case slices.Contains(t.FromMeta, FromMetaOff):
		return b.ID() + ": tls.fromMeta has off, so that whoever may register an instance in Consul gets requests without TLS"
	case slices.Contains(t.FromMeta, FromMetaServerName) && t.usesAuthority():
		return b.ID() + ": tls.fromMeta has serverName, so that whoever may register an instance in Consul chooses for which name a certificate of certificate/" + t.Verify + " has to be"
	case t.Verify == VerifyNone:
		return b.ID() + ": tls.verify is none, so that whoever answers at the address of a member gets its requests"
	case t.ServerName == "":
		return b.ID() + ": tls.serverName is empty, so that any certificate of certificate/" + t.Verify + " passes for that of a member"
	}
	return ""
}

// TLSWarnings are those of all backends.
func (in Intent) TLSWarnings() []string {
	var out []string
	for _, b := range in.SortedBackends() {
		if text := b.TLSWarning(); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// ReachesMembers reports whether HAProxy has the certificates that it needs for the members of a
// backend. Without them it must not connect, because the connection would be without TLS or without
// verification.
func (c Config) ReachesMembers(b Backend) bool {
	return !slices.ContainsFunc(b.certificateUses(), func(use CertificateUse) bool {
		_, ok := c.Certificate(use.Name)
		return !ok
	})
}

// TakesAtStart reports whether HAProxy takes the content of an authority only when it starts:
// it gives another content to servers with a certificate of their own alone (srv->ssl_ctx.inst
// is NULL without "crt", in ssl_sock_prepare_srv_ctx).
func (c Config) TakesAtStart(name Name) bool {
	return slices.ContainsFunc(c.Backends, func(b ResolvedBackend) bool {
		t := b.Transport.TLS
		return t != nil && t.usesAuthority() && Name(t.Verify) == name && t.Certificate == ""
	})
}

// ServerOptions are the options that all servers of a backend have besides their addresses, weights
// and intervals, as words of a default-server line; nil: none. quote makes one word of a path.
// Without names, the digests in file names, which change at run time, are left out.
func (c Config) ServerOptions(b Backend, quote func(string) string, names bool) []string {
	out := b.Transport.plainOptions(b.Health != nil)
	t := b.Transport.TLS
	if t == nil {
		return out
	}
	out = append(out, "ssl", "ssl-min-ver", "TLSv"+t.MinVersion)
	path := func(f TLSFile) string {
		if !names {
			return quote(c.Process.CertificateDir + "/" + f.Role)
		}
		return quote(c.Process.CertificateDir + "/" + f.Name)
	}
	file := func(name Name) string {
		cert, ok := c.Certificate(name)
		if !ok {
			return ""
		}
		return path(cert.TLSFiles()[0])
	}
	switch authority := file(Name(t.Verify)); {
	case t.Verify == VerifyNone:
		out = append(out, "verify", "none")
	case t.usesAuthority() && authority != "":
		out = append(out, "verify", "required", "ca-file", authority)
		stored, _ := c.Certificate(Name(t.Verify))
		for _, f := range stored.crlFiles() { // a session of before would be resumed without a look at it
			out = append(out, "crl-file", path(f), "no-ssl-reuse")
		}
	default: // also of an authority that is not available, where no member is in use
		out = append(out, "verify", "required", "ca-file", "@system-ca")
	}
	if own := file(t.Certificate); t.Certificate != "" && own != "" {
		out = append(out, "crt", own)
	}
	return append(append(out, t.nameOptions()...), t.protocolOptions(b)...)
}

// nameOptions are about names. HAProxy checks a certificate by the name that it has asked
// for, else by verifyhost. Checks have no request.
func (t *MemberTLS) nameOptions() []string {
	var out []string
	switch {
	case t.SNI == SNIHost:
		out = append(out, "sni", "req.hdr(host),host_only")
	case t.SNI == SNIServerName && t.ServerName != "":
		out = append(out, "sni", "str("+t.ServerName+")")
	}
	if t.ServerName == "" {
		return out
	}
	if t.SNI != SNINone {
		out = append(out, "check-sni", t.ServerName)
	}
	if t.Verify != VerifyNone {
		out = append(out, "verifyhost", t.ServerName)
	}
	return out
}

func (t *MemberTLS) protocolOptions(b Backend) []string {
	offered := strings.Join(t.ALPN, ",")
	if offered == "" && b.Transport.Protocol == protocolH2 {
		offered = protocolH2
	}
	if offered == "" {
		return nil
	}
	out := []string{"alpn", offered}
	if b.Health != nil {
		out = append(out, "check-alpn", offered)
	}
	return out
}
