package routes

import (
	"net/http"
	"slices"
	"strings"
)

// IsWebsocket reports whether a request asks for a websocket. Browsers let any page open a
// websocket to any host, so callers must check its origin.
func IsWebsocket(r *http.Request) bool {
	return slices.ContainsFunc(r.Header.Values("Upgrade"), func(v string) bool { return strings.Contains(strings.ToLower(v), "websocket") })
}

// checkWebsocket refuses invalid websocket handshakes (RFC 6455, 4.2.1).
func checkWebsocket(r *http.Request) error {
	if !IsWebsocket(r) {
		return nil
	}
	upgrade := r.Header.Values("Upgrade")
	isOne := len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") && len(r.Header.Values("Sec-Websocket-Version")) == 1 && len(r.Header.Values("Sec-Websocket-Key")) == 1
	if !isOne || r.Method != http.MethodGet || r.ProtoMajor != 1 || !r.ProtoAtLeast(1, 1) || r.ContentLength != 0 {
		return invalid("the request is not a proper opening of a websocket")
	}
	return nil
}

// withoutOtherUpgrade is a request that asks for no protocol but websocket: an application
// that spoke HTTP/2 with the client would answer requests that nobody has checked.
func withoutOtherUpgrade(r *http.Request) *http.Request {
	if IsWebsocket(r) || len(r.Header.Values("Upgrade")) == 0 {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Upgrade")
	r.Header.Del("Http2-Settings")
	return r
}
