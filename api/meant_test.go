package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"thalassa/api/apitest"
)

// Answers to changes, refusals and entity tags tell whoever does not see a name nothing of it, and
// what has been got can be put again.
func TestHiddenNamesInAnswersToChanges(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	ask := func(method, path, body, token string, status int, headers ...string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Authorization", "Bearer "+token)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		z.handler.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, w.Code, w.Body, status)
		}
		if token != apitest.AdminToken && strings.Contains(w.Body.String(), "zebra") {
			t.Errorf("%s %s tells: %s", method, path, w.Body)
		}
		return w
	}
	const (
		boss   = apitest.BlindAdminToken
		live   = `{"type":"dynamic","name":"shop","version":"1.0.0","natives":["# for zebra-live"],"tls":{"verify":"none","certificate":"CERT"}}`
		static = `{"type":"static","members":[{"host":"10.10.10.10","port":8080}],"tls":{"verify":"none","certificate":"CERT"}MORE}`
	)
	with := func(body, cert, more string) string {
		return strings.NewReplacer("CERT", cert, "MORE", more).Replace(body)
	}
	ask("PUT", "/backends/shop-tls", with(live, "zebra-cert", ""), apitest.AdminToken, 200)
	ask("PUT", "/backends/shop-files", with(static, "zebra-cert", `,"natives":["# beside zebra-files"]`), apitest.AdminToken, 200)
	stored := ask("GET", "/backends/shop-files", "", apitest.AdminToken, 200).Header().Get("Etag")
	got := ask("GET", "/backends/shop-files", "", boss, 200)
	shown := got.Header().Get("Etag")
	if stored == shown || !strings.Contains(got.Body.String(), `"# _hidden_"`) {
		t.Fatalf("%s %s", stored, got.Body)
	}

	for _, draft := range []string{"", "?draft=d"} {
		if draft != "" {
			ask("POST", "/drafts", `{"id":"d"}`, apitest.AdminToken, 201)
			ask("PUT", "/backends/shop-files?draft=d", with(static, "zebra-cert", `,"natives":["# beside zebra-files"]`), apitest.AdminToken, 200)
		}
		w := ask("POST", "/backends/shop-tls"+draft, `{"version":"2.0.0","force":true}`, boss, 200)
		if !strings.Contains(w.Body.String(), `"certificate":"_hidden_"`) {
			t.Errorf("%s", w.Body)
		}
		if now := ask("GET", "/backends/shop-tls"+draft, "", boss, 200).Header().Get("Etag"); w.Header().Get("Etag") != now {
			t.Errorf("the tag of the answer is %s, then %s", w.Header().Get("Etag"), now)
		}
		// A tag of the object as it is stored would tell which names it has.
		for _, tag := range []string{stored, `"0000000000000000"`} {
			for _, q := range [][2]string{{"PUT", with(static, "_hidden_", "")}, {"DELETE", ""}} {
				w := ask(q[0], "/backends/shop-files"+draft, q[1], boss, map[string]int{"PUT": 403, "DELETE": 412}[q[0]], "If-Match", tag)
				if w.Header().Get("Etag") != "" || strings.Contains(w.Body.String(), strings.Trim(stored, `"`)) {
					t.Errorf("%s", w.Body)
				}
			}
		}
		// A guess is answered as any other name is.
		answers := map[string]bool{}
		for _, cert := range []string{"zebra-cert", "nobody-cert"} {
			answers[ask("PUT", "/backends/shop-files"+draft, with(static, cert, `,"natives":["# _hidden_"]`), boss, 403).Body.String()] = true
		}
		for _, line := range []string{"# beside zebra-files", "# beside nobody-files"} {
			ask("PUT", "/backends/shop-files"+draft, with(static, "_hidden_", `,"natives":["`+line+`"]`), boss, 403)
		}
		if len(answers) != 1 {
			t.Errorf("%v", answers)
		}
		w = ask("PUT", "/backends/shop-files"+draft, with(static, "_hidden_", `,"natives":["# _hidden_"],"balance":"leastconn"`), boss, 200, "If-Match", shown)
		if !strings.Contains(w.Body.String(), `"certificate":"_hidden_"`) || !strings.Contains(w.Body.String(), "leastconn") {
			t.Errorf("%s", w.Body)
		}
		all := ask("GET", "/backends/shop-files"+draft, "", apitest.AdminToken, 200).Body.String()
		if strings.Contains(all, "_hidden_") || !strings.Contains(all, `"certificate":"zebra-cert"`) || !strings.Contains(all, "# beside zebra-files") {
			t.Errorf("stored: %s", all)
		}
		ask("PUT", "/backends/shop-files", with(static, "zebra-cert", `,"natives":["# beside zebra-files"]`), apitest.AdminToken, 200)
	}

	// What others have put into a draft is judged, and not told.
	ask("POST", "/drafts", `{"id":"e"}`, apitest.AdminToken, 201)
	ask("PUT", "/backends/shop-new?draft=e", with(static, "zebra-cert", ""), apitest.AdminToken, 200)
	ask("PUT", "/frontends/www?draft=e", `{"bind":"*:80","backend":"zebra-live","register":{"name":"zebra"}}`, apitest.AdminToken, 200)
	for _, q := range [][2]string{{"POST", "/drafts/e/commit"}, {"POST", "/drafts/e/rebase"}, {"GET", "/drafts/e/diff"}, {"POST", "/drafts/e/undo"}} {
		ask(q[0], q[1], "", boss, 403)
	}
}
