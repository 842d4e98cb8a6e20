package live

import "testing"

// The bytes that clients take with what they send are counted for an address, for a token,
// and for all together, and given back.
func TestLedger(t *testing.T) {
	t.Parallel()
	var l ledger
	a, sameToken, other := Peer{Address: "192.0.2.1", Token: "ops"}, Peer{Address: "192.0.2.2", Token: "ops"}, Peer{Address: "192.0.2.3", Token: "ci"}
	if !l.change(a, 0, maxHeldOfPeer) {
		t.Fatal("one peer does not get its share")
	}
	if l.change(a, 0, 1) || l.change(sameToken, 0, 1) {
		t.Error("one peer gets more than its share")
	}
	if !l.change(other, 0, maxHeld-maxHeldOfPeer) {
		t.Error("another peer gets nothing")
	}
	if l.change(Peer{Address: "192.0.2.4", Token: "third"}, 0, 1) {
		t.Error("all together have more than the bound")
	}
	if !l.change(a, maxHeldOfPeer, 10) || !l.change(sameToken, 0, 5) {
		t.Error("what was given back is not there")
	}
	for _, give := range []struct {
		p Peer
		n int
	}{{a, 10}, {sameToken, 5}, {other, maxHeld - maxHeldOfPeer}} {
		if !l.change(give.p, give.n, 0) {
			t.Error("giving back is refused")
		}
	}
	if l.total != 0 || len(l.of) != 0 {
		t.Errorf("in the end %d bytes, %v", l.total, l.of)
	}
}
