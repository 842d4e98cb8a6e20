package routes

import (
	"encoding/base64"
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
	const version = "13"
	upgrade, versions := r.Header.Values("Upgrade"), r.Header.Values("Sec-Websocket-Version")
	switch {
	case r.Method != http.MethodGet || r.ProtoMajor != 1 || !r.ProtoAtLeast(1, 1) || r.ContentLength != 0:
		return invalidOpening("expected GET without a body, as HTTP 1.1 has it")
	case len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket"):
		return invalidOpening("expected Upgrade: websocket")
	case !slices.ContainsFunc(r.Header.Values("Connection"), namesUpgrade):
		return invalidOpening("expected Connection: Upgrade")
	case !isWebsocketKey(r.Header.Values("Sec-Websocket-Key")):
		return invalidOpening("expected one Sec-WebSocket-Key of 16 bytes in base64")
	case len(versions) > 1:
		return invalidOpening("expected one Sec-WebSocket-Version")
	case len(versions) == 0 || versions[0] != version:
		return &ServeError{
			Status: http.StatusUpgradeRequired, Code: "invalid", Message: "the version of the websocket is not " + version,
			Header: http.Header{"Upgrade": {"websocket"}, "Sec-Websocket-Version": {version}},
		}
	}
	return nil
}

func invalidOpening(expected string) *ServeError {
	return invalid("the request is not a proper opening of a websocket, " + expected)
}

// namesUpgrade reports whether a Connection header has the option upgrade.
func namesUpgrade(value string) bool {
	return slices.ContainsFunc(strings.Split(value, ","), func(option string) bool { return strings.EqualFold(strings.TrimSpace(option), "upgrade") })
}

// isWebsocketKey reports whether these are the values of a proper Sec-WebSocket-Key.
func isWebsocketKey(values []string) bool {
	if len(values) != 1 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(values[0])
	return err == nil && len(key) == 16
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
