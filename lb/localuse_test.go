package lb_test

import (
	"strings"
	"testing"

	"thalassa/lb"
)

func TestLocalUses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"bind 127.0.0.1:80 interface eth7":                    `backend/live: natives[0]: this machine has no interface "eth7", so HAProxy does as if the line did not name one`,
		"server x 10.0.0.1:80 source 10.9.9.9":                "backend/live: natives[0]: this machine has no address 10.9.9.9, so no connection can come from it",
		"server x 10.0.0.1:80 source 10.9.9.9:1-9":            "backend/live: natives[0]: this machine has no address 10.9.9.9, so no connection can come from it",
		"source [2001:db8::9]:0":                              "backend/live: natives[0]: this machine has no address 2001:db8::9, so no connection can come from it",
		"source 0.0.0.0":                                      "",
		"source 10.9.9.9 usesrc clientip":                     "",
		"server x 10.0.0.1:80 source 10.9.9.9 namespace blue": "",
		"http-request set-header source 10.9.9.9":             "",
		"option httpchk":                                      "",
	} {
		b := static(t, lb.BackendSpec{})
		b.Natives = []lb.RawLine{lb.RawLine(line)}
		in := lb.Intent{Backends: map[lb.Name]lb.Backend{b.Key: b}}
		for _, ids := range [][]string{nil, {b.ID()}, {"backend/other"}} {
			var got []string
			for _, use := range lb.LocalUses(in, ids) {
				got = append(got, use.Lacking())
			}
			expected := want
			if ids != nil && ids[0] != b.ID() {
				expected = ""
			}
			if text := strings.Join(got, "|"); text != expected {
				t.Errorf("%s, %v: %q", line, ids, text)
			}
		}
	}
}
