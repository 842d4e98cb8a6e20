package lb

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Transport is the protocol between HAProxy and the members of a backend. The zero value is TCP
// without TLS, and HTTP/1.1 in mode http.
type Transport struct {
	// Protocol of HTTP: "h2", or empty for HTTP/1.1.
	Protocol string
	// SendProxy begins each connection with a header of the PROXY protocol, which has the
	// client's address: "v1", "v2", "v2-ssl" or "v2-ssl-cn"; empty: none.
	SendProxy string
	// TLS to the members; nil: none.
	TLS *MemberTLS
}

// The protocols of HTTP to members, and the headers of the PROXY protocol.
const (
	protocolH1 = "h1"
	protocolH2 = "h2"
)

func proxyVersions() []string { return []string{"v1", "v2", "v2-ssl", "v2-ssl-cn"} }

// parseTransport checks the fields protocol, sendProxy and tls of a backend whose other
// fields are parsed.
func (s BackendSpec) parseTransport(fe *FieldErrors, b Backend) Transport {
	t := Transport{SendProxy: s.SendProxy}
	switch s.Protocol {
	case "", protocolH1:
	case protocolH2:
		t.Protocol = protocolH2
		if b.Mode == "tcp" {
			fe.Add("protocol", "h2 is a version of HTTP, and mode is tcp", "no protocol, or mode http")
		}
	default:
		fe.Add("protocol", strconv.Quote(s.Protocol)+" is not known here", "h1 or h2")
	}
	if s.SendProxy != "" && !slices.Contains(proxyVersions(), s.SendProxy) {
		fe.Add("sendProxy", strconv.Quote(s.SendProxy)+" is not known here", "v1, v2, v2-ssl or v2-ssl-cn")
	}
	if s.TLS != nil {
		b.Transport = t
		t.TLS = s.TLS.parse(fe, b)
	}
	return t
}

func (t Transport) addTo(s *BackendSpec) {
	s.Protocol, s.SendProxy, s.TLS = t.Protocol, t.SendProxy, t.TLS.spec()
}

// texts are what the transport adds to the digest of its backend.
func (t Transport) texts() []string {
	var out []string
	if t.Protocol != "" {
		out = append(out, "protocol", t.Protocol)
	}
	if t.SendProxy != "" {
		out = append(out, "sendProxy", t.SendProxy)
	}
	if s := t.TLS.spec(); s != nil {
		out = append(out, "tls", s.Verify, s.ServerName, s.SNI, s.MinVersion, s.Certificate, strings.Join(s.ALPN, ","))
		if len(s.FromMeta) > 0 {
			out = append(out, "fromMeta", strings.Join(s.FromMeta, ","))
		}
	}
	return out
}

// optionField is the field of the backend that sets an option of servers.
func (t Transport) optionField(option string) (field string, isSet bool) {
	switch option = strings.TrimPrefix(option, "no-"); option {
	case "send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn", "check-send-proxy":
		return "sendProxy", t.SendProxy != ""
	case "proto", "check-proto":
		return "protocol", t.Protocol != ""
	case "ssl", "verify", "ca-file", "crt", "sni", "check-sni", "verifyhost", "alpn", "check-alpn", "npn", "ssl-min-ver", "ssl-max-ver",
		"force-sslv3", "force-tlsv10", "force-tlsv11", "force-tlsv12", "force-tlsv13", "sni-auto", "check-sni-auto":
		return "tls", t.TLS != nil
	}
	return "", false
}

// plainOptions are the options of servers without those for TLS. hasCheck: they are checked
// by requests.
func (t Transport) plainOptions(hasCheck bool) []string {
	var out []string
	switch t.SendProxy {
	case "":
	case "v1":
		out = append(out, "send-proxy", "check-send-proxy")
	default:
		out = append(out, "send-proxy-"+t.SendProxy, "check-send-proxy")
	}
	if t.Protocol == protocolH2 {
		out = append(out, "proto", protocolH2)
		if hasCheck {
			out = append(out, "check-proto", protocolH2)
		}
	}
	return out
}

// maxSources bounds the addresses of acceptProxy.
const maxSources = 256

// parseSources checks a list of addresses and networks.
func parseSources(fe *FieldErrors, path string, in []string) []netip.Prefix {
	const expected = "an address or a network, e.g. 10.0.0.7 or 10.0.0.0/8"
	if len(in) > maxSources {
		fe.Add(path, "has "+strconv.Itoa(len(in))+" addresses", "at most "+strconv.Itoa(maxSources))
		return nil
	}
	var out []netip.Prefix
	for i, text := range in {
		at := path + "[" + strconv.Itoa(i) + "]"
		p, err := netip.ParsePrefix(text)
		if a, addressErr := netip.ParseAddr(text); addressErr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		switch {
		case err != nil || p.Addr().Is4In6():
			fe.Add(at, strconv.Quote(text)+" is not an address or a network", expected)
		case p != p.Masked():
			fe.Add(at, strconv.Quote(text)+" has bits behind its length", p.Masked().String())
		case slices.Contains(out, p):
			fe.Add(at, strconv.Quote(text)+" is named twice", "each address once")
		default:
			out = append(out, p)
		}
	}
	return out
}

// sourceTexts are what parseSources reads.
func sourceTexts(list []netip.Prefix) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
		if p.IsSingleIP() {
			out[i] = p.Addr().String()
		}
	}
	return out
}

// AcceptedSources are the addresses and networks of AcceptProxy as texts.
func (f Frontend) AcceptedSources() []string { return sourceTexts(f.AcceptProxy) }

// checkAcceptProxy refuses raw binds that would demand a second header.
func (f Frontend) checkAcceptProxy(fe *FieldErrors) {
	if len(f.AcceptProxy) == 0 {
		return
	}
	check := func(path string, n RawLine) {
		words := lineWords(n)
		if wordAt(words, 0) == bindKeyword && slices.Contains(words, "accept-proxy") {
			fe.Add(path, strconv.Quote(string(n))+" demands a header of the PROXY protocol, as the field acceptProxy does", "no accept-proxy, or no acceptProxy")
		}
	}
	check("bind", f.RawBind)
	for i, n := range f.Natives {
		check("natives["+strconv.Itoa(i)+"]", n)
	}
}
