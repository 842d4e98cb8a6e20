package listen_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/listen"
)

func TestSelfSigned(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	s := selfSigned(t, dir, nil, "lb1.example", "fd00::1")
	leaf := s.Certificate().Leaf
	for _, name := range []string{"localhost", "lb1.example", "127.0.0.1", "fd00::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is %T", leaf.PublicKey)
	}
	info := listen.Describe(s)
	if !info.SelfSigned || len(info.Fingerprint) != 95 || info.Fingerprint == info.PublicKey || !slices.Contains(info.Names, "fd00::1") {
		t.Errorf("described as %+v", info)
	}
	for name, mode := range map[string]os.FileMode{"api.key": 0o600, "api.crt": 0o644} {
		if at, err := os.Stat(filepath.Join(dir, name)); err != nil || at.Mode() != mode {
			t.Errorf("%s: %v, %v", name, at.Mode(), err)
		}
	}
	if again := selfSigned(t, dir, nil, "lb1.example", "fd00::1"); !again.Certificate().Leaf.Equal(leaf) {
		t.Error("another run has another certificate")
	}
	fewer := selfSigned(t, dir, nil)
	if !fewer.Certificate().Leaf.Equal(leaf) {
		t.Error("a name less makes another certificate")
	}
	more := selfSigned(t, dir, nil, "192.0.2.7").Certificate().Leaf
	if more.Equal(leaf) || more.VerifyHostname("192.0.2.7") != nil {
		t.Error("the certificate lacks a new name")
	}
	if !leaf.PublicKey.(*ecdsa.PublicKey).Equal(more.PublicKey) {
		t.Error("another certificate has another key, which clients have pinned")
	}
}

// Agents with the same seed have the same key, which clients pin, and leave their own alone.
func TestSelfSignedWithASeed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own := selfSigned(t, dir, nil).Certificate().Leaf
	seeded := func(dir, seed string) (string, error) {
		s, err := listen.NewSelfSigned(listen.SelfSignedConfig{Dir: dir, Seed: []byte(seed), Names: func() []string { return []string{"localhost"} }})
		if err != nil {
			return "", err
		}
		return listen.Describe(s).PublicKey, nil
	}
	seed := strings.Repeat("one seed", 6)
	first, err := seeded(dir, seed)
	if err != nil {
		t.Fatal(err)
	}
	second, err := seeded(t.TempDir(), seed)
	if err != nil || first != second {
		t.Errorf("keys %s and %s of one seed: %v", first, second, err)
	}
	if again, err := seeded(dir, seed); err != nil || again != first {
		t.Errorf("another run has the key %s: %v", again, err)
	}
	if other, err := seeded(dir, strings.Repeat("two seed", 6)); err != nil || other == first {
		t.Errorf("another seed has the key %s: %v", other, err)
	}
	if now := selfSigned(t, dir, nil).Certificate().Leaf; !now.PublicKey.(*ecdsa.PublicKey).Equal(own.PublicKey) {
		t.Error("the key of its own is gone")
	}
	if _, err := seeded(dir, seed[:47]); err == nil {
		t.Error("a short seed is accepted")
	}
}

// The certificate follows the clock, wherever that jumps.
func TestSelfSignedIsRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	begin := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	first := selfSigned(t, dir, func() time.Time { return begin }).Certificate().Leaf
	for after, renewed := range map[time.Duration]bool{
		0: false, 200 * 24 * time.Hour: false, 250 * 24 * time.Hour: true, 5000 * 24 * time.Hour: true, -48 * time.Hour: true,
	} {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		now := begin.Add(after)
		leaf := selfSigned(t, copied, func() time.Time { return now }).Certificate().Leaf
		if got := !leaf.Equal(first); got != renewed {
			t.Errorf("after %s: renewed %t", after, got)
		}
		if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			t.Errorf("after %s it is valid from %s to %s", after, leaf.NotBefore, leaf.NotAfter)
		}
	}
}

func TestSelfSignedIsRenewedWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := selfSigned(t, dir, time.Now)
		first := s.Certificate().Leaf
		go func() { _ = s.Run(t.Context()) }()
		time.Sleep(300 * 24 * time.Hour)
		synctest.Wait()
		if now := s.Certificate().Leaf; now.Equal(first) || time.Now().After(now.NotAfter) {
			t.Errorf("after 300 days it still is the one that ends at %s", now.NotAfter)
		}
	})
}

// What is damaged is made anew, but for the key: clients may have pinned it.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := selfSigned(t, dir, nil).Certificate().Leaf
	for _, text := range []string{"", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if err := os.WriteFile(filepath.Join(dir, "api.crt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		again := selfSigned(t, dir, nil).Certificate().Leaf
		if !again.PublicKey.(*ecdsa.PublicKey).Equal(first.PublicKey) {
			t.Errorf("%q: another key", text)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "api.key"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen.NewSelfSigned(listen.SelfSignedConfig{Dir: dir, Names: func() []string { return nil }}); err == nil {
		t.Error("a key that cannot be read is replaced")
	}
	if data, err := os.ReadFile(filepath.Join(dir, "api.key")); err != nil || string(data) != "nonsense" {
		t.Errorf("the key is %q, %v", data, err)
	}
}

// A directory that cannot be written costs the file for clients, and nothing else.
func TestCertificateThatCannotBeStored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := selfSigned(t, dir, nil).Certificate().Leaf
	if err := os.Remove(filepath.Join(dir, "api.crt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "api.crt"), 0o700); err != nil { // nothing can be renamed onto it
		t.Fatal(err)
	}
	leaf := selfSigned(t, dir, nil).Certificate().Leaf
	if leaf.Equal(first) {
		t.Error("there is no new certificate")
	}
}

func TestLocalNames(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte("127.0.0.1 localhost\n127.0.1.1 "+host+".example.test "+host+" # this machine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := listen.LocalNames(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"localhost", "127.0.0.1", host, host + ".example.test"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if _, err := listen.LocalNames(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}
