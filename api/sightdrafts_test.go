package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"thalassa/api/apitest"
)

// A draft of hidden objects alone, certificates that a frontend names, and pools of /v1 are not
// there for those who do not see them.
func TestHiddenNamesInOtherObjects(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	ask := func(method, path, body, token string, status int) string {
		t.Helper()
		w := asked(z.handler, method, path, body, token)
		if w.Code != status {
			t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
		}
		return w.Body.String()
	}
	const www = `{"bind":"*:80","backend":"shop-live","tls":{"bind":"*:443","certificates":["shop-cert","zebra-cert"]}}`
	ask("PUT", "/frontends/www", www, apitest.AdminToken, 200)
	for _, path := range []string{"/frontends", "/frontends/www", "/definitions", "/revisions", "/revisions/12", "/revisions/1..12"} {
		text := asked(z.handler, "GET", path, "", apitest.BlindAdminToken).Body.String()
		if strings.Contains(text, "zebra") || path != "/revisions/1..12" && path != "/revisions/12" && path != "/revisions" && !strings.Contains(text, "shop-cert") {
			t.Errorf("%s: %s", path, text)
		}
	}
	ask("POST", "/drafts", `{"id":"zebra-draft"}`, apitest.AdminToken, 201)
	ask("PUT", "/backends/zebra-files?draft=zebra-draft", `{"type":"static","members":[{"host":"10.10.10.10","port":9090}]}`, apitest.AdminToken, 200)
	if text := ask("GET", "/drafts", "", apitest.BlindAdminToken, 200); strings.Contains(text, "zebra") {
		t.Errorf("drafts: %s", text)
	}
	const shop = `{"type":"static","members":[{"host":"10.10.10.10","port":9091}]}`
	for _, id := range []string{"zebra-draft", "never-was"} {
		taken := ask("POST", "/drafts", `{"id":"`+id+`"}`, apitest.BlindAdminToken, 400)
		if strings.Contains(taken, "exists") {
			t.Errorf("%s: %s", id, taken)
		}
		for _, q := range [][3]string{
			{"GET", "/drafts/" + id, ""},
			{"GET", "/drafts/" + id + "/edits", ""},
			{"GET", "/drafts/" + id + "/diff", ""},
			{"DELETE", "/drafts/" + id, ""},
			{"PATCH", "/drafts/" + id, `{"message":"x"}`},
			{"POST", "/drafts/" + id + "/undo", ""},
			{"POST", "/drafts/" + id + "/rebase", ""},
			{"POST", "/drafts/" + id + "/commit", ""},
			{"PUT", "/backends/shop-files?draft=" + id, shop},
			{"GET", "/backends/shop-files?draft=" + id, ""},
			{"GET", "/definitions?draft=" + id, ""},
		} {
			if text := ask(q[0], q[1], q[2], apitest.BlindAdminToken, 404); !strings.Contains(text, "drafts/"+id+" does not exist") {
				t.Errorf("%s %s: %s", q[0], q[1], text)
			}
		}
	}
	ask("POST", "/drafts", `{}`, apitest.BlindAdminToken, 201)
	for _, pool := range []string{"zebra-files", "never-was"} {
		for _, q := range [][3]string{
			{"PUT", "/v1/gateways/www/pools/" + pool, ""}, {"PUT", "/v1/pools/shop-files/targets/t", `{"address":"10.10.10.11:80","weight":1,"pool":"` + pool + `"}`},
		} {
			r := httptest.NewRequest(q[0], q[1], strings.NewReader(q[2]))
			r.Header.Set("Authorization", "Bearer "+apitest.BlindAdminToken)
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			if z.handler.ServeHTTP(w, r); w.Code != 404 {
				t.Errorf("%s %s: %d %s", q[0], q[1], w.Code, w.Body)
			}
		}
	}
}
