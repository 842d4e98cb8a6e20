package lb

import (
	"slices"
	"strconv"
	"strings"
)

// An OwnTLS is what an instance says in its Consul meta about TLS to it, as far as its backend allows
// that (MemberTLS.FromMeta). The zero value: nothing, so that the fields of the backend count.
// HAProxy can change neither while it runs, so a slot keeps its OwnTLS, and names it.
type OwnTLS struct {
	// Off: it speaks no TLS.
	Off bool
	// ServerName is the host name that HAProxy asks it for, and that its certificate must be for.
	ServerName string
}

// What an instance may say (MemberTLS.FromMeta).
const (
	FromMetaServerName = "serverName" // meta tls-server-name: a host name
	FromMetaOff        = "off"        // meta tls: off
)

// The keys of Consul's service meta that are read for it.
const (
	metaTLS           = "tls"
	metaTLSServerName = "tls-server-name"
)

// own is what an instance with such meta says. What is not valid counts as not said: the settings
// of the backend are then at least as strict.
func (t *MemberTLS) own(meta map[string]string) OwnTLS {
	if t == nil {
		return OwnTLS{}
	}
	if slices.Contains(t.FromMeta, FromMetaOff) && strings.EqualFold(meta[metaTLS], "off") {
		return OwnTLS{Off: true}
	}
	if name := strings.ToLower(meta[metaTLSServerName]); slices.Contains(t.FromMeta, FromMetaServerName) && isMemberName(name) && name != t.ServerName {
		return OwnTLS{ServerName: name}
	}
	return OwnTLS{}
}

// allowed is o as far as the backend lets instances say it.
func (t *MemberTLS) allowed(o OwnTLS) OwnTLS {
	switch {
	case t == nil, o.Off && !slices.Contains(t.FromMeta, FromMetaOff), o.ServerName != "" && !slices.Contains(t.FromMeta, FromMetaServerName):
		return OwnTLS{}
	}
	return o
}

// Respeak gives members that were found earlier what the backend lets them say about TLS now; a nil t
// lets them say nothing. Of those that were found in HAProxy the meta is not known, and their lines
// tell.
func (t *MemberTLS) Respeak(members []Member) []Member {
	out := members
	for i, m := range members {
		own := t.allowed(m.TLS)
		if m.Meta != nil {
			own = t.own(m.Meta)
		}
		if own == m.TLS {
			continue
		}
		if &out[0] == &members[0] {
			out = slices.Clone(members)
		}
		out[i].TLS = own
	}
	return out
}

// metaProblem says what is wrong with the meta of an instance; empty: nothing.
func (t *MemberTLS) metaProblem(meta map[string]string) string {
	if t == nil {
		return ""
	}
	if value, isSaid := meta[metaTLS]; isSaid && slices.Contains(t.FromMeta, FromMetaOff) && !strings.EqualFold(value, "off") && !strings.EqualFold(value, "on") {
		return "its meta " + metaTLS + " is " + bounded(value) + ", expected on or off: TLS is used"
	}
	if value, isSaid := meta[metaTLSServerName]; isSaid && slices.Contains(t.FromMeta, FromMetaServerName) && !isMemberName(value) {
		return "its meta " + metaTLSServerName + " is " + bounded(value) + ", expected a host name: the server name of the backend is used"
	}
	return ""
}

func bounded(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.QuoteToASCII(s)
}

// isMemberName reports whether a certificate of a member can be for a name.
func isMemberName(s string) bool { return isHostName(s) && !strings.HasSuffix(s, ".") }

// Words are the options of a server line that follow from it. They come after those of the backend.
func (o OwnTLS) Words() []string {
	switch {
	case o.Off:
		return []string{"no-ssl", "no-check-ssl"}
	case o.ServerName != "":
		return []string{"sni", "str(" + o.ServerName + ")", "check-sni", o.ServerName, "verifyhost", o.ServerName}
	}
	return nil
}

// String describes it: "without TLS", "TLS as b.example", or nothing.
func (o OwnTLS) String() string {
	switch {
	case o.Off:
		return "without TLS"
	case o.ServerName != "":
		return "TLS as " + o.ServerName
	}
	return ""
}

// What follows "s1" in the name of a slot with an OwnTLS. A member's own name has a colon, so that
// none is one of these.
const (
	suffixOff        = "-notls"
	suffixServerName = "-tls-"
)

// suffix is what it adds to the name of a slot.
func (o OwnTLS) suffix() string {
	switch {
	case o.Off:
		return suffixOff
	case o.ServerName != "":
		return suffixServerName + o.ServerName
	}
	return ""
}

// parseSuffix is the inverse of suffix.
func parseSuffix(s string) (OwnTLS, bool) {
	if s == "" {
		return OwnTLS{}, true
	}
	if s == suffixOff {
		return OwnTLS{Off: true}, true
	}
	name, is := strings.CutPrefix(s, suffixServerName)
	return OwnTLS{ServerName: name}, is && isMemberName(name) && name == strings.ToLower(name)
}
