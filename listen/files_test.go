package listen_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/internal/testkit"
	"thalassa/listen"
)

// put writes the certificate and key of an own certificate made in another directory.
func put(t *testing.T, from, certificate, key string) {
	t.Helper()
	for to, name := range map[string]string{certificate: "api.crt", key: "api.key"} {
		if to == "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.key")
	synctest.Test(t, func(t *testing.T) {
		made := [2]string{filepath.Join(dir, "1"), filepath.Join(dir, "2")}
		first, second := selfSigned(t, made[0], time.Now).Certificate().Leaf, selfSigned(t, made[1], time.Now).Certificate().Leaf
		put(t, made[0], certificate, key)
		f, err := listen.NewFiles(certificate, key, time.Now, nil)
		if err != nil || !f.Certificate().Leaf.Equal(first) {
			t.Fatalf("reads another certificate, %v", err)
		}
		go func() { _ = f.Run(t.Context()) }()
		put(t, made[1], certificate, "")
		touch(t, certificate)
		time.Sleep(10 * time.Second)
		if !f.Certificate().Leaf.Equal(first) {
			t.Error("a certificate without its key is used")
		}
		put(t, made[1], "", key)
		touch(t, key)
		time.Sleep(10 * time.Second)
		if !f.Certificate().Leaf.Equal(second) {
			t.Error("the new pair is not used")
		}
		for _, path := range []string{certificate, key} {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		if !f.Certificate().Leaf.Equal(second) {
			t.Error("the pair goes with its files")
		}
	})
}

// Another pair of paths is used at once, and what is renewed there later; one that is no
// pair changes nothing.
func TestFilesFollowOtherPaths(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		made := [3]string{filepath.Join(dir, "1"), filepath.Join(dir, "2"), filepath.Join(dir, "3")}
		first, second, third := selfSigned(t, made[0], time.Now).Certificate().Leaf, selfSigned(t, made[1], time.Now).Certificate().Leaf, selfSigned(t, made[2], time.Now).Certificate().Leaf
		f, err := listen.NewFiles(made[0]+"/api.crt", made[0]+"/api.key", time.Now, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = f.Run(t.Context()) }()
		if err := f.Follow(made[1]+"/api.crt", made[0]+"/api.key"); err == nil || !f.Certificate().Leaf.Equal(first) {
			t.Errorf("no pair: %v", err)
		}
		if err := f.Follow(made[1]+"/api.crt", made[1]+"/api.key"); err != nil || !f.Certificate().Leaf.Equal(second) {
			t.Errorf("the pair of other paths: %v", err)
		}
		time.Sleep(10 * time.Second)
		put(t, made[2], made[1]+"/api.crt", made[1]+"/api.key")
		touch(t, made[1]+"/api.crt")
		time.Sleep(10 * time.Second)
		if !f.Certificate().Leaf.Equal(third) {
			t.Error("what is renewed at the other paths is not used")
		}
	})
}

// touch gives a file the time of the bubble, which differs from its last one.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.Chtimes(path, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestBadPairs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	selfSigned(t, a, nil)
	selfSigned(t, b, nil)
	expired := filepath.Join(dir, "expired")
	selfSigned(t, expired, func() time.Time { return time.Now().AddDate(-3, 0, 0) })
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	crt, key := "/api.crt", "/api.key"
	for _, tt := range []struct{ certificate, key, want string }{
		{a + crt, b + key, "no pair"},
		{a + key, a + crt, "no pair"},
		{a + crt, a + "/none", "tls-key"},
		{a + "/none", a + key, "tls-cert"},
		{dir, a + key, "not a regular file"},
		{large, a + key, "larger than"},
		{expired + crt, expired + key, "expired at"},
	} {
		_, err := listen.NewFiles(tt.certificate, tt.key, time.Now, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s and %s: %v, want %s", tt.certificate, tt.key, err, tt.want)
		}
	}
}

// Files that cannot be used are told of, and those that replace them end that.
func TestFilesThatAreTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	selfSigned(t, dir, time.Now)
	f, err := listen.NewFiles(dir+"/api.crt", dir+"/api.key", time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	defer func() { stop(); _ = <-done }() //nolint:staticcheck // S1005: errcheck wants it
	former := f.Certificate()
	await := func(want string) {
		t.Helper()
		begin := time.Now()
		testkit.Eventually(t, 20*time.Second, func() error {
			if p := f.Problem(); (p == "") != (want == "") || !strings.Contains(p, want) {
				return fmt.Errorf("%q, expected %q", p, want)
			}
			return nil
		})
		t.Logf("%q after %s", want, time.Since(begin))
	}
	if err := os.Rename(dir+"/api.key", dir+"/away"); err != nil {
		t.Fatal(err)
	}
	await("the former certificate stays")
	if f.Certificate() != former {
		t.Error("another certificate is in use")
	}
	if err := os.Rename(dir+"/away", dir+"/api.key"); err != nil {
		t.Fatal(err)
	}
	await("")
}

// A certificate of the agent's own that is not in its file is told of, and is stored when
// it can be.
func TestCertificateThatIsNotStored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/api.crt", 0o700); err != nil { // nothing can take its place
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/api.crt/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := selfSigned(t, dir, time.Now)
		if p := s.Problem(); !strings.Contains(p, "cannot be stored") || s.Certificate() == nil {
			t.Errorf("%q, certificate %v", p, s.Certificate())
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = s.Run(ctx) }()
		if err := os.RemoveAll(dir + "/api.crt"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if p := s.Problem(); p != "" {
			t.Errorf("after it can be stored: %q", p)
		}
		if info, err := os.Stat(dir + "/api.crt"); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%v, %v", info, err)
		}
	})
}
