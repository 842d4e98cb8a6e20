package hrapi_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/internal/testkit"
)

const pem = "Content-Type: application/x-pem-file"

// wantPEM stores a certificate, and checks the answer.
func (f *fixture) wantPEM(path string, pair testkit.KeyPair, status int, want string, headers ...string) {
	f.t.Helper()
	got, answer, _ := f.do("PUT", path, pair.Chain+pair.Key, append(headers, pem)...)
	if got != status || !strings.Contains(strings.Join(strings.Fields(answer), ""), want) {
		f.t.Errorf("PUT %s: %d %s, want %d with %s", path, got, answer, status, want)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	authority := testkit.NewAuthority(t)
	first, second := authority.Issue(t, "shop.example"), authority.Issue(t, "shop.example")
	f.wantPEM("/v1/certificates/shop", first, 200, `{"certificatesaved":"shop.pem"}`)
	f.want("GET", "/v1/certificates", "", 200, `{"certificates":["shop"]}`)
	f.want("GET", "/certificates", "", 200, `[]`) // nothing is live
	for _, path := range []string{"/v1/certificates/shop", "/v1/certificates/shop.pem"} {
		f.want("GET", path, "", 200, `"serial": "`+first.Leaf.SerialNumber.Text(16)+`"`)
		f.wantPEM(path, second, 406, `{"duplicate":"shop"}`)
	}
	_, answer, header := f.do("GET", "/v1/certificates/shop", "")
	tag := header.Get("ETag")
	if strings.Contains(answer, "BEGIN") || tag == "" {
		t.Errorf("shown with tag %q: %s", tag, answer)
	}
	if status, _, _ := f.do("GET", "/v1/certificates/shop", "", "If-None-Match: "+tag); status != 304 {
		t.Errorf("unchanged, and answered %d", status)
	}
	f.wantPEM("/v1/certificates/shop", second, 412, "", `If-Match: "0"`)
	f.wantPEM("/v1/certificates/shop", second, 200, "shop.pem", "If-Match: "+tag)
	f.wantPEM("/v1/certificates/shop", first, 412, "", "If-Match: "+tag)
	f.want("GET", "/v1/certificates/shop", "", 200, second.Leaf.SerialNumber.Text(16))
	f.want("PUT", "/v1/pools/p", `{"targets":{"t":"10.0.0.1:80"}}`, 200, "Added")
	f.want("POST", "/v1/controller/commit", "", 200, "Started")
	f.want("GET", "/certificates/shop", "", 200, second.Leaf.SerialNumber.Text(16))
	f.want("PUT", "/certificates/dotted.pem", authority.Issue(t, "dotted.example").Body(), 200, "dotted.pem")
	f.want("GET", "/v1/certificates", "", 200, `{"certificates":["dotted.pem","shop"]}`)
	f.want("GET", "/v1/certificates/dotted.pem", "", 200, "dotted.example")
	f.want("DELETE", "/v1/certificates/dotted.pem", "", 200, `{"deleted cert":"dotted.pem"}`)
	f.want("DELETE", "/v1/certificates/shop", "", 200, `{"deleted cert":"shop"}`)
	f.want("DELETE", "/v1/certificates/shop", "", 404, `{"no such certificate":"shop"}`)
	f.want("GET", "/certificates/shop", "", 200, "shop") // until the commit
	f.want("POST", "/v1/controller/commit", "", 200, "Started")
	f.want("GET", "/certificates", "", 200, "[]")
}

// What is wrong is refused with a reason, and nothing is stored.
func TestWrongCertificates(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	authority := testkit.NewAuthority(t)
	pair, other := authority.Issue(t, "shop.example"), authority.Issue(t, "shop.example")
	for _, q := range []struct {
		name, body, contentType string
		status                  int
		want                    string
	}{
		{"shop", pair.Chain + other.Key, pem, 400, "belongs to none of the certificates"},
		{"shop", pair.Chain, pem, 400, "key: is missing"},
		{"shop", "no certificate", pem, 400, "has no block in PEM"},
		{"shop", strings.Repeat("A", 10<<20), pem, 413, "larger than"},
		{"..%2f..%2fetc", pair.Chain + pair.Key, pem, 400, "certificate: "},
		{"shop", pair.Chain + pair.Key, "Content-Type: text/plain", 415, "application/x-pem-file"},
		{"shop", pair.Chain + pair.Key, "Content-Type: multipart/form-data; boundary=x", 415, "application/x-pem-file"},
	} {
		status, answer, _ := f.do("PUT", "/v1/certificates/"+q.name, q.body, q.contentType)
		if status != q.status || !strings.Contains(answer, q.want) || strings.Contains(answer, "PRIVATE") {
			t.Errorf("%.30q: %d %s, want %d with %s", q.body, status, answer, q.status, q.want)
		}
	}
	f.want("GET", "/v1/certificates", "", 200, `{"certificates":[]}`)
	without := newFixture(t, func(c *api.Config) { c.Keys = nil })
	without.wantPEM("/v1/certificates/shop", pair, 503, "notstoredhere")
}

// Of changes with the same condition that arrive together, one is made.
func TestConditionsHoldInARace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	authority := testkit.NewAuthority(t)
	pairs := make([]testkit.KeyPair, 9)
	for i := range pairs {
		pairs[i] = authority.Issue(t, "shop.example")
	}
	f.wantPEM("/v1/certificates/shop", pairs[8], 200, "shop.pem")
	f.want("PUT", "/v1/pools/p", `{"targets":{"t":"10.0.0.1:80"}}`, 200, "Added")
	f.want("PUT", "/v1/gateways/g", `{"protocol":"http","endpoints":{}}`, 200, "Added")
	for path, send := range map[string]func(i int) (body, contentType string){
		"/v1/certificates/shop": func(i int) (string, string) { return pairs[i].Chain + pairs[i].Key, pem },
		"/v1/pools/p": func(i int) (string, string) {
			return `{"targets":{"t":"10.0.0.1:8` + string('0'+rune(i)) + `1"}}`, "A: b"
		},
		"/v1/gateways/g": func(i int) (string, string) {
			return `{"endpoints":{"e":"127.0.0.1:8` + string('0'+rune(i)) + `"}}`, "A: b"
		},
		"/v1/pools/p/targets/new": func(i int) (string, string) {
			return `{"address":"10.0.0.2:8` + string('0'+rune(i)) + `","weight":1}`, "A: b"
		},
	} {
		shown, _, _ := strings.Cut(path, "/targets")
		_, _, header := f.do("GET", shown, "")
		var made atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				body, contentType := send(i)
				switch status, answer, _ := f.do("PUT", path, body, contentType, "If-Match: "+header.Get("ETag")); status {
				case 200:
					made.Add(1)
				case 412:
				default:
					t.Errorf("%s: %d %s", path, status, answer)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%s: %d changes were made, want 1", path, made.Load())
		}
	}
}

// Whoever is limited to other objects neither sees nor changes a certificate.
func TestCertificatesOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, apitest.Limited(t))
	pair := testkit.NewAuthority(t).Issue(t, "shop.example")
	f.wantPEM("/v1/certificates/shop", pair, 403, "limitedto", "Authorization: Bearer "+apitest.ShopAdminToken)
	f.wantPEM("/v1/certificates/shop", pair, 200, "shop.pem", "Authorization: Bearer "+apitest.AdminToken)
	if _, answer, _ := f.do("GET", "/v1/certificates", "", "Authorization: Bearer "+apitest.BlindReadToken); strings.Contains(answer, "shop") {
		t.Errorf("a certificate of others shows: %s", answer)
	}
	if status, answer, _ := f.do("GET", "/v1/certificates/shop", "", "Authorization: Bearer "+apitest.BlindReadToken); status != 404 {
		t.Errorf("a certificate of others is shown: %d %s", status, answer)
	}
}
