package haproxy

import (
	"testing"
)

// Another content of an authority or a client certificate leaves the health of a server as
// it is, because it is changed while HAProxy runs. Another one does not.
func TestContentOfCertificatesLeavesHealth(t *testing.T) {
	const a, b = "0123456789abcdef0123456789abcdef", "f123456789abcdef0123456789abcdef"
	config := func(ca string) *outline {
		return outlineOf([]byte("backend b\n    server s1 10.0.0.1:80 check ssl verify required ca-file /etc/haproxy/haproxy.cfg.certs/" + ca + ".pem\n"))
	}
	before := config("corp.ca." + a)
	for ca, want := range map[string]bool{"corp.ca." + b: true, "other.ca." + a: false} {
		after := config(ca)
		if got := before.isAlike("b", before.server("b", "s1"), after, after.server("b", "s1")); got != want {
			t.Errorf("%s: alike is %v, want %v", ca, got, want)
		}
	}
}
