package live

import (
	"strings"
	"testing"
)

// A token's websockets are counted together wherever they come from, and an address's
// whatever their tokens.
func TestWhoseWebsocketsAreCounted(t *testing.T) {
	t.Parallel()
	s := New(Config{MaxOfPeer: 1})
	first := Peer{Address: "192.0.2.1", Token: "ops"}
	for _, key := range first.counted() {
		s.counts[key]++
	}
	for peer, want := range map[string]string{
		"192.0.2.1 other": "address 192.0.2.1", "192.0.2.2 ops": "token ops", "192.0.2.2 other": "", "192.0.2.2 ": "",
	} {
		address, token, _ := strings.Cut(peer, " ")
		why := s.Refuses(Peer{Address: address, Token: token})
		if (why == "") != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s: %q, expected %q", peer, why, want)
		}
	}
	s.uncount(first)
	if why := s.Refuses(first); why != "" || len(s.counts) != 0 || s.Refused() != 2 {
		t.Errorf("after the end: %q, %v, %d refused", why, s.counts, s.Refused())
	}
}
