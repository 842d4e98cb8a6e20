package acme_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"thalassa/acme"
	"thalassa/consul"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// documentedRules are those that the page about orders asks for.
func documentedRules(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/acme.md")
	must(t, err)
	rules := regexp.MustCompile("`((?:key|session)_prefix [^`]*)`").FindAllStringSubmatch(string(page), -1)
	var out []string
	for _, r := range rules {
		out = append(out, r[1])
	}
	if len(out) != 2 {
		t.Fatalf("the page names %d rules: %q", len(out), out)
	}
	return strings.Join(out, "\n")
}

// guardedSharing is sharing with a token for Consul.
func guardedSharing(t *testing.T, server *testkit.ConsulAgent, key, node, token string) *acme.Sharing {
	t.Helper()
	s := sharing(t, server.Address(), key, node)
	must(t, s.Consul.Follow(consul.Config{Address: server.Address(), Token: token, MaxConns: 8}))
	return s
}

// TestOrdersUnderACLs: nodes order together with the rights that the documentation names. A node
// that lacks one of them says so, and orders as soon as it has it.
func TestOrdersUnderACLs(t *testing.T) {
	t.Parallel()
	server, p := testkit.GuardedConsul(t), testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	key := clusterKey(t, clusterSecret)
	rules := documentedRules(t)
	full, _ := server.NewToken("orders", rules)
	a := together(t, t.TempDir(), p, guardedSharing(t, server, key, "a", full), nil)
	shop := a.order(p, "shop.example")
	a.awaitIssued(shop)

	lines := strings.Split(rules, "\n")
	for i, lacking := range []string{lines[1], lines[0], ""} {
		secret, setRules := server.NewToken("lacking-"+string(rune('a'+i)), lacking)
		b := together(t, t.TempDir(), p, guardedSharing(t, server, key, "b", secret), nil)
		b.order(p, "shop.example")
		told := b.await(shop, "the refusal", func(s lb.OrderStatus) bool { return strings.Contains(s.Alone+s.Error, "403") })
		if strings.Contains(told.Alone+told.Error, secret) {
			t.Errorf("with %q the token shows: %+v", lacking, told)
		}
		setRules(rules)
		b.serves(shop, a)
		b.await(shop, "together again", func(s lb.OrderStatus) bool { return s.Alone == "" && s.Error == "" })
		b.stop()
	}
	if p.Orders() != 1 || p.Finalized() != 1 {
		t.Errorf("%d orders, %d requests for certificates", p.Orders(), p.Finalized())
	}
}
