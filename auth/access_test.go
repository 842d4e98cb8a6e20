package auth_test

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/auth"
)

// ciHash is the SHA-256 of deployToken.
var ciHash = func() string {
	sum := sha256.Sum256([]byte(deployToken))
	return hex.EncodeToString(sum[:])
}()

// accessFile writes an access file in which PASSWORD stands for the hash of "correct
// horse".
func accessFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.yaml")
	replace(t, path, strings.ReplaceAll(text, "PASSWORD", "'"+correctHorse+"'"))
	return path
}

// correctHorse and batteryStaple are hashes of "correct horse" and "battery staple" with
// parameters that cost a test little.
const (
	correctHorse  = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiB0aGUgdGVzdHM$JOpPo/8cXYNjUd9bTIOSDT9YlzoJxczwMXshShmEEUk"
	batteryStaple = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiB0aGUgdGVzdHM$GBxtaGiTIdomCXWC0pDJMwLYieePPgBwoYls+x+3w7U"
)

func authority(t *testing.T, text string) (*auth.Authority, string) {
	t.Helper()
	path := accessFile(t, text)
	access, err := auth.OpenAccess(path, time.Now, nil)
	must(t, err)
	return auth.NewAuthority(nil, access), path
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	a, _ := authority(t, "users: [{name: ann, role: admin, password: PASSWORD}, {name: off, role: read}]\n")
	if !a.HasPasswords() {
		t.Error("nobody can log in")
	}
	for _, tt := range []struct {
		name, password string
		want           bool
	}{
		{"ann", "correct horse", true},
		{"ann", "correct horse", true}, // known
		{"ann", "correct horse ", false},
		{"ann", "", false},
		{"bob", "correct horse", false},
		{"off", "", false},
		{"off", "correct horse", false},
		{"", "", false},
		{"ann", strings.Repeat("x", 100_000), false},
	} {
		who, proof, ok, err := a.Password(t.Context(), tt.name, tt.password)
		if ok != tt.want || err != nil || ok && who != (auth.Identity{Name: "ann", Grant: auth.Grant{Role: auth.Admin}}) {
			t.Errorf("%s %.20q: %+v, %t, %v", tt.name, tt.password, who, ok, err)
		}
		if again, valid := a.Identify(proof); valid != tt.want || again != who {
			t.Errorf("%s %.20q: its proof gives %+v, %t", tt.name, tt.password, again, valid)
		}
	}
}

// A password that has been replaced, a removed user and a lesser role count at once.
func TestAccessFileIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, path := authority(t, "users: [{name: ann, role: admin, password: PASSWORD}]\n")
		_, proof, ok, err := a.Password(t.Context(), "ann", "correct horse")
		if !ok || err != nil {
			t.Fatal(err)
		}
		replace(t, path, "users: [{name: ann, role: read, password: '"+correctHorse+"'}]\n")
		time.Sleep(2 * time.Second)
		if who, ok := a.Identify(proof); !ok || who.Role != auth.Read {
			t.Errorf("a lesser role: %+v, %t", who, ok)
		}
		replace(t, path, "users: [{name: ann, role: read, password: '"+batteryStaple+"'}]\n")
		time.Sleep(2 * time.Second)
		if who, ok := a.Identify(proof); ok {
			t.Errorf("another password: %+v", who)
		}
		if _, _, ok, _ := a.Password(t.Context(), "ann", "correct horse"); ok {
			t.Error("the former password is still right")
		}
		_, proof, ok, _ = a.Password(t.Context(), "ann", "battery staple")
		if !ok {
			t.Error("the new password is wrong")
		}
		replace(t, path, "users: [{name: bob, role: read}, {name: bob, role: read}]\n")
		time.Sleep(2 * time.Second)
		if who, ok := a.Identify(proof); !ok || len(a.Problems()) != 1 {
			t.Errorf("a bad file: %+v, %q", who, a.Problems())
		}
		replace(t, path, "users: []\n")
		if who, ok := a.IdentifyNow(proof); ok || len(a.Problems()) != 0 {
			t.Errorf("without the user: %+v, %q", who, a.Problems())
		}
	})
}

func TestAccessTokensExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		a, _ := authority(t, "tokens: [{name: ci, role: deploy, sha256: "+ciHash+", expires: "+begin.Add(time.Hour).UTC().Format(time.RFC3339)+"}]\n")
		who, proof, ok := a.Token(deployToken)
		if !ok || who != (auth.Identity{Name: "ci", Grant: auth.Grant{Role: auth.Deploy}}) {
			t.Fatalf("%+v, %t", who, ok)
		}
		time.Sleep(time.Hour - time.Second)
		if _, ok := a.Identify(proof); !ok {
			t.Error("it has expired too early")
		}
		time.Sleep(time.Second)
		if _, ok := a.Identify(proof); ok {
			t.Error("it has not expired")
		}
		if _, _, ok := a.Token(deployToken); ok {
			t.Error("it still lets in")
		}
	})
}

func TestCertificatesOfClients(t *testing.T) {
	t.Parallel()
	a, _ := authority(t, `certificates:
  - {name: ci, role: deploy, dns: ci.example}
  - {name: ann, role: admin, email: ann@example.com}
  - {name: svc, role: read, uri: "spiffe://example/svc"}
  - {name: old, role: read, commonName: Old Client}
`)
	svc, err := url.Parse("spiffe://example/svc")
	must(t, err)
	later := time.Now().Add(time.Hour)
	for want, c := range map[string]*x509.Certificate{
		"ci":  {DNSNames: []string{"other", "CI.example"}, NotAfter: later},
		"ann": {EmailAddresses: []string{"ann@example.com"}, NotAfter: later},
		"svc": {URIs: []*url.URL{svc}, NotAfter: later},
		"old": {Subject: pkix.Name{CommonName: "Old Client"}, NotAfter: later},
		"":    {Subject: pkix.Name{CommonName: "ci.example"}, NotAfter: later},
	} {
		if who, _, ok := a.Certificate(c); who.Name != want || ok != (want != "") {
			t.Errorf("%+v is %+v, %t, want %q", c.Subject, who, ok, want)
		}
	}
	if who, _, ok := a.Certificate(&x509.Certificate{DNSNames: []string{"ci.example"}, NotAfter: time.Now().Add(-time.Hour)}); ok {
		t.Errorf("an expired one is %+v", who)
	}
}

func TestBadAccessFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"users: [{name: ann}]":                             "users[0].role",
		"users: [{name: 'a b', role: read}]":               "users[0].name",
		"users: [{name: 'a:b', role: read}]":               "users[0].name",
		"users: [{name: a, role: root}]":                   "users[0].role",
		"users: [{name: a, role: read, password: secret}]": "users[0].password",
		`users: [{name: a, role: read, password: "$argon2id$v=19$m=9999999,t=1,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA"}]`: "out of range",
		"users: [{name: a, role: read}, {name: a, role: read}]":                                                                "users[1].name",
		"users: [{name: a, rule: read}]": "rule",
		"user: []":                       "user",
		"users: 7":                       "line 1",
		"users: [":                       "YAML",
		"tokens: [{name: a, role: read, sha256: abc}]":                                                           "tokens[0].sha256",
		"tokens: [{name: a, role: read, sha256: " + ciHash + "}, {name: b, role: read, sha256: " + ciHash + "}]": "tokens[1].sha256",
		"tokens: [{name: a, role: read, sha256: " + ciHash + ", expires: soon}]":                                 "tokens[0].expires",
		"certificates: [{name: a, role: read}]":                                                                  "certificates[0].dns",
		"certificates: [{name: a, role: read, dns: a, uri: b}]":                                                  "certificates[0].dns",
		"users: []\n---\nusers: []\n":                                                                            "more than one",
	} {
		_, err := auth.OpenAccess(accessFile(t, text), time.Now, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "soon") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	path := accessFile(t, "users: []")
	must(t, os.Chmod(path, 0o644)) //nolint:gosec // that is what is tested
	if _, err := auth.OpenAccess(path, time.Now, nil); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a file that others read: %v", err)
	}
	if _, err := auth.OpenAccess(accessFile(t, ""), time.Now, nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestAHashedPasswordIsThatOfItsUser(t *testing.T) {
	t.Parallel()
	hash, err := auth.HashPassword("long enough")
	must(t, err)
	a, _ := authority(t, "users: [{name: ann, role: admin, password: '"+hash+"'}]\n")
	for password, want := range map[string]bool{"long enough": true, "long enougH": false} {
		if _, _, ok, err := a.Password(t.Context(), "ann", password); ok != want || err != nil {
			t.Errorf("%s: %t, %v", password, ok, err)
		}
	}
}

func TestPasswordsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"", "short", strings.Repeat("x", 1025)} {
		if _, err := auth.HashPassword(p); err == nil || strings.Contains(err.Error(), "short") {
			t.Errorf("%.10q: %v", p, err)
		}
	}
}

// A crowd of logins is refused with a word, and does not fill the memory: one is checked
// at a time.
func TestCrowdOfLogins(t *testing.T) {
	t.Parallel()
	const slow = "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA" // longer than the crowd needs to come
	a, _ := authority(t, "users: [{name: ann, role: admin, password: '"+slow+"'}]\n")
	const crowd = 100
	var wg sync.WaitGroup
	errs := make(chan error, crowd)
	for range crowd {
		wg.Go(func() {
			_, _, _, err := a.Password(t.Context(), "ann", "wrong horse")
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	busy := 0
	for err := range errs {
		switch {
		case errors.Is(err, auth.ErrBusy):
			busy++
		case err != nil:
			t.Error(err)
		}
	}
	if busy == 0 || busy == crowd {
		t.Errorf("%d of %d are refused", busy, crowd)
	}
}
