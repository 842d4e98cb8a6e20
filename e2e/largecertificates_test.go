package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// HAProxy takes 16 KB with a command. A certificate for so many names that its chain and key
// together are longer is replaced without a reload all the same, and so are many authorities
// where HAProxy takes them one after the other.
func TestLargeCertificatesChangeAtRunTime(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		e := newEdge(t, `"certificates":["shop"],"clientCA":"corp"`)
		names := []string{"shop.example"}
		for i := range 330 {
			names = append(names, fmt.Sprintf("shop-%04d.many.example", i))
		}
		pair := e.ca.Issue(t, names...)
		for len(pair.Chain) < 15_200 {
			names = append(names, fmt.Sprintf("another-%04d.many.example", len(names)))
			pair = e.ca.Issue(t, names...)
		}
		if all := len(pair.Chain) + len(pair.Key); len(pair.Chain) > 16_000 || all < 15_400 {
			t.Fatalf("the chain has %d bytes, with the key %d", len(pair.Chain), all)
		}
		before := e.reloads()
		long := pair.Key + pair.Chain
		answer := e.call(200, http.MethodPut, "/certificates/shop", fmt.Sprintf(`{"chain":%q}`, long))
		if answer["path"] != "runtime" {
			t.Errorf("a certificate of %d bytes was replaced by %v", len(long), answer["path"])
		}
		good, _ := clientOf(t, e.ca)
		if err := e.askWith(good); err != nil {
			t.Error(err)
		}
		e.serves("shop.example", pair.Leaf.SerialNumber.Text(16))

		var many strings.Builder
		many.WriteString(e.ca.PEM)
		var last testkit.Authority
		for range 60 {
			last = testkit.NewAuthority(t)
			many.WriteString(last.PEM)
		}
		answer = e.call(200, http.MethodPut, "/certificates/corp", fmt.Sprintf(`{"chain":%q}`, many.String()))
		if path, want := answer["path"], map[bool]string{true: "reload", false: "runtime"}[strings.Contains(t.Name(), "2.6")]; path != want {
			t.Errorf("%d bytes of authorities took the path %v, expected %s", many.Len(), path, want)
		}
		of, _ := clientOf(t, last)
		if err := e.askWith(of); err != nil {
			t.Errorf("a client of the last authority: %v", err)
		}
		t.Logf("%d reloads", e.reloads()-before)
	})
}
