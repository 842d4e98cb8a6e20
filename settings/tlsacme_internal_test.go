package settings

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"thalassa/lb"
)

// The API's certificate is ordered for the host names among tls-names; HAProxy answers its
// challenge though nothing else is ordered.
func TestOwnOrder(t *testing.T) {
	s, err := load(t, "tls: acme\ntls-names: [LB.example, 192.0.2.1, \"::1\", www.example]\ntls-acme-email: me@lb.example\n")
	if err != nil {
		t.Fatal(err)
	}
	a, ok, err := s.TLS().Order()
	if err != nil || !ok || len(a.Domains) != 2 || a.Domains[0] != "lb.example" || a.Directory != lb.DefaultDirectory || a.Email != "me@lb.example" {
		t.Errorf("got %+v, %v, %v", a, ok, err)
	}
	cfg := s.ACME(slog.New(slog.DiscardHandler))
	if len(cfg.Own) != 1 || cfg.Own[0].Identity() != a.Identity() || cfg.Alone == "" || !s.Process().Challenges.Always {
		t.Errorf("orders %+v, alone %q", cfg.Own, cfg.Alone)
	}
	if s, err = load(t, "tls: acme\ntls-names: [lb.example]\ntls-acme-challenge: dns-01\n"); err != nil || s.Process().Challenges.Always {
		t.Errorf("with dns-01: %v", err)
	}
	if s, err = load(t, "tls: auto\ntls-names: [lb.example]\n"); err != nil || len(s.ACME(slog.New(slog.DiscardHandler)).Own) > 0 || s.Process().Challenges.Always {
		t.Errorf("with a certificate of its own: %v", err)
	}
}

// Orders are shared with the key of the sessions, unless they are not to be.
func TestOrdersAreShared(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("a random text of more than 32 characters: 8fj2Lq0z"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	for name, c := range map[string]struct {
		args     []string
		isShared bool
	}{
		"without a key":    {nil, false},
		"with a key":       {[]string{"--session-key-file", key, "--token-file", key}, true},
		"without a prefix": {[]string{"--session-key-file", key, "--token-file", key, "--acme-kv-prefix", ""}, false},
	} {
		s, err := load(t, "", c.args...)
		if err != nil {
			t.Fatal(err)
		}
		shared, err := s.Sharing().Orders(log)
		if err != nil || (shared != nil) != c.isShared || (s.ACME(log).Alone == "") != c.isShared {
			t.Errorf("%s: %+v, %v, alone %q", name, shared, err, s.ACME(log).Alone)
		}
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := load(t, "", "--session-key-file", key, "--token-file", key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sharing().Orders(log); err == nil {
		t.Error("a key that others read is accepted")
	}
}
