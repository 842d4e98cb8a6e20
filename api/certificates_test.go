package api_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"thalassa/api"
	"thalassa/api/node"
	"thalassa/internal/testkit"
)

// storedCertificate is an answer about a certificate.
type storedCertificate struct {
	node.Certificate
	node.Applied
}

func TestCertificates(t *testing.T) {
	s := newFixture(t)
	authority := testkit.NewAuthority(t)
	pair := authority.Issue(t, "shop.example", "*.shop.example")
	var stored, shown storedCertificate
	r := s.do("PUT", "/certificates/shop", pair.Body())
	r.wants(t, 200, &stored)
	tag := r.header.Get("Etag")
	if stored.ID != "certificate/shop" || stored.Kind != "pair" || stored.Serial != pair.Leaf.SerialNumber.Text(16) || !stored.Applied.Applied ||
		strings.Join(stored.Names, " ") != "*.shop.example shop.example" || stored.Algorithm != "ECDSA P-256" || len(stored.Files) != 1 || len(stored.Files[0].Chain) != 2 {
		t.Errorf("stored %+v", stored)
	}
	r = s.get("/certificates/shop")
	r.wants(t, 200, &shown)
	if got := r.header.Get("Etag"); got != tag || !shown.NotAfter.Equal(pair.Leaf.NotAfter) {
		t.Errorf("shown with tag %s, want %s: %+v", got, tag, shown)
	}
	if r := s.do("PUT", "/certificates/corp", jsonOf(t, map[string]string{"chain": authority.PEM})); r.status != 200 {
		t.Errorf("an authority: %d %s", r.status, r.body)
	}
	if r := s.do("PUT", "/certificates/other", authority.Issue(t, "other.example").Key+pair.Chain, "Content-Type: application/x-pem-file"); r.status != 400 {
		t.Errorf("a wrong key in PEM: %d %s", r.status, r.body)
	}
	one := authority.Issue(t, "pem.example")
	if r := s.do("PUT", "/certificates/pem", one.Chain+one.Key, "Content-Type: application/x-pem-file"); r.status != 200 {
		t.Errorf("in PEM: %d %s", r.status, r.body)
	}
	var list []node.Certificate
	s.get("/certificates").wants(t, 200, &list)
	if len(list) != 3 || list[0].Kind != "authority" || list[2].Key != "shop" {
		t.Errorf("listed %+v", list)
	}
	for _, path := range []string{"/certificates", "/certificates/shop", "/revisions", "/definitions", "/activity"} {
		if body := s.get(path).body; strings.Contains(string(body), "BEGIN") {
			t.Errorf("%s has a text in PEM: %s", path, body)
		}
	}
	if r := s.do("DELETE", "/certificates/shop", "", "If-Match: \"0\""); r.status != 412 {
		t.Errorf("a wrong tag: %d", r.status)
	}
	if r := s.do("DELETE", "/certificates/shop", "", "If-Match: "+tag); r.status != 200 {
		t.Errorf("deleted: %d %s", r.status, r.body)
	}
	s.get("/certificates/shop").refused(t, 404, "not_found")
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What is wrong is refused with the field, and nothing is stored.
func TestWrongCertificates(t *testing.T) {
	s := newFixture(t)
	authority := testkit.NewAuthority(t)
	pair, other := authority.Issue(t, "shop.example"), authority.Issue(t, "shop.example")
	alone := strings.TrimSuffix(pair.Chain, authority.PEM)
	tests := map[string]struct {
		path, body, contentType string
		status                  int
		problem                 string
	}{
		"wrong key":            {"/certificates/shop", testkit.KeyPair{Chain: pair.Chain, Key: other.Key}.Body(), "", 400, "belongs to none of the certificates"},
		"missing intermediate": {"/certificates/shop", testkit.KeyPair{Chain: alone, Key: pair.Key}.Body(), "", 400, "lacks the certificate that issued"},
		"no PEM":               {"/certificates/shop", `{"chain":"x"}`, "", 400, "chain: has no block in PEM"},
		"unknown field":        {"/certificates/shop", `{"chain":"x","keys":"y"}`, "", 400, "keys"},
		"10 MB":                {"/certificates/shop", strings.Repeat("A", 10<<20), "application/x-pem-file", 413, "larger than"},
		"dots":                 {"/certificates/..%2f..%2fetc", pair.Body(), "", 400, "not allowed"},
		"a form":               {"/certificates/shop", pair.Body(), "application/x-www-form-urlencoded", 415, "not JSON"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if tt.contentType != "" {
				headers = []string{"Content-Type: " + tt.contentType}
			}
			r := s.send("PUT", tt.path, tt.body, headers...)
			if r.status != tt.status || !strings.Contains(string(r.body), tt.problem) {
				t.Errorf("%d %s, want %d with %q", r.status, r.body, tt.status, tt.problem)
			}
			if strings.Contains(string(r.body), "PRIVATE KEY") {
				t.Error("the answer repeats the upload")
			}
		})
	}
	if body := s.get("/certificates").body; string(body) != "[]\n" {
		t.Errorf("stored: %s", body)
	}
	if r := s.do("PUT", "/certificates/shop?allowMissingIssuer=1", testkit.KeyPair{Chain: alone, Key: pair.Key}.Body()); r.status != 200 {
		t.Errorf("a missing issuer that is allowed: %d %s", r.status, r.body)
	}
	// With its authority stored, the certificate needs no chain.
	s.do("PUT", "/certificates/corp", jsonOf(t, map[string]string{"chain": authority.PEM}))
	if r := s.do("PUT", "/certificates/direct", testkit.KeyPair{Chain: alone, Key: pair.Key}.Body()); r.status != 200 {
		t.Errorf("an authority that is stored: %d %s", r.status, r.body)
	}
}

// fullKeys is a store of keys on a full disk.
type fullKeys struct{ api.KeyStore }

func (fullKeys) Put(map[string][]byte) error {
	return fmt.Errorf("storing a certificate: %w", &fs.PathError{Op: "write", Path: "/var/lib/thalassa/certificates/x", Err: syscall.ENOSPC})
}

// On a full disk the former certificate stays, and the answer says why.
func TestCertificateOnAFullDisk(t *testing.T) {
	s := newFixture(t, func(c *api.Config) { c.Keys = fullKeys{c.Keys} })
	authority := testkit.NewAuthority(t)
	former := authority.Issue(t, "shop.example")
	s.put("/certificates/shop", former.Body()) // past the full disk
	s.send("PUT", "/certificates/shop", authority.Issue(t, "shop.example").Body()).refused(t, 507, "disk_full")
	var shown storedCertificate
	s.get("/certificates/shop").wants(t, 200, &shown)
	if shown.Serial != former.Leaf.SerialNumber.Text(16) {
		t.Errorf("now it is %s", shown.Serial)
	}
}

// A certificate takes part in drafts and restores like any other object.
func TestCertificateOfADraft(t *testing.T) {
	s := newFixture(t)
	authority := testkit.NewAuthority(t)
	first, second := authority.Issue(t, "shop.example"), authority.Issue(t, "shop.example")
	s.put("/certificates/shop", first.Body())
	s.do("POST", "/drafts", `{"id":"new"}`)
	var shown storedCertificate
	serial := func(query string) string {
		s.get("/certificates/shop"+query).wants(t, 200, &shown)
		return shown.Serial
	}
	if r := s.do("PUT", "/certificates/shop?draft=new", second.Body()); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	old, fresh := first.Leaf.SerialNumber.Text(16), second.Leaf.SerialNumber.Text(16)
	if serial("") != old || serial("?draft=new") != fresh {
		t.Error("the draft does not have the new certificate, or the configuration has it already")
	}
	if r := s.do("POST", "/drafts/new/commit", ""); r.status != 200 || serial("") != fresh {
		t.Errorf("committed: %d %s", r.status, r.body)
	}
	if r := s.do("POST", "/revisions/1/restore", ""); r.status != 200 || serial("") != old {
		t.Errorf("restored: %d %s", r.status, r.body)
	}
}
