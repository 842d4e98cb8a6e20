package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/auth"
	"thalassa/lb"
	"thalassa/stage"
)

// blind are the tokens that do not see the zebra.
var blind = []string{apitest.BlindReadToken, apitest.BlindDeployToken, apitest.BlindAdminToken}

// No answer to whoever does not see the zebra tells of it, and none tells whether an object
// exists that is not seen.
func TestNothingLeaks(t *testing.T) {
	authority := apitest.Limited(t)
	z := newZoo(t, authority)
	for _, r := range routesOf(t) {
		for _, token := range blind {
			if r.Method == http.MethodGet {
				w := asked(z.handler, r.Method, r.path(false), "", token)
				if text := header(w.Header()) + w.Body.String(); strings.Contains(text, "zebra") || strings.Contains(text, "10.66.") || strings.Contains(text, "7.7.7") {
					t.Errorf("%s tells %s: %s", r, token, text)
				}
			}
			if strings.HasPrefix(r.Path, "/revisions/{number}") && r.Method == http.MethodGet {
				for _, number := range []string{"2", "6", "7", "1..7", "7..1"} {
					path := "/revisions/" + number
					if text := asked(z.handler, "GET", path, "", token).Body.String(); strings.Contains(text, "zebra") || strings.Contains(text, "fingerprint") {
						t.Errorf("%s tells %s: %s", path, token, text)
					}
				}
			}
			if !strings.Contains(r.On, "{") {
				continue
			}
			there := r.path(true)
			nowhere := strings.Replace(there, "zebra", "nobody", 1)
			a := asked(z.handler, r.Method, there, r.body(there), token)
			b := asked(z.handler, r.Method, nowhere, strings.ReplaceAll(r.body(there), "zebra", "nobody"), token)
			if got, want := a.Body.String(), strings.ReplaceAll(b.Body.String(), "nobody", "zebra"); a.Code != b.Code || got != want || header(a.Header()) != header(b.Header()) {
				t.Errorf("%s with %s of what exists: %d %s%s, of what does not: %d %s%s", r, token, a.Code, header(a.Header()), got, b.Code, header(b.Header()), want)
			}
			if r.Method != http.MethodGet && (a.Code < 300 || b.Code < 300) { // something has changed
				z = newZoo(t, authority)
			}
		}
	}
}

// header is the header of an answer, without what depends on the length of a name.
func header(h http.Header) string {
	h = h.Clone()
	h.Del("Content-Length")
	data, _ := json.Marshal(h)
	return string(data)
}

// Whoever is limited names nothing outside of the limits, whether it exists or not, and
// writes no raw lines.
func TestLimitsOfChanges(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	for _, token := range []string{apitest.ShopAdminToken, apitest.BlindAdminToken} {
		for _, tt := range []struct{ method, path, body string }{
			{"PUT", "/frontends/www", `{"bind":"*:80","backend":"NAME-live"}`},
			{"PUT", "/frontends/www", `{"bind":"*:80","backend":"shop-live","rules":[{"type":"path","operation":"path_beg","value":"/x","backend":"NAME-live"}]}`},
			{"PUT", "/frontends/www", `{"bind":"*:80","backend":"shop-live","register":{"name":"NAME"}}`},
			{"PUT", "/frontends/www", `{"bind":"*:80","backend":"shop-live","pools":["NAME-live"]}`},
			{"PUT", "/frontends/www", `{"bind":"*:80","backend":"shop-live","natives":["use_backend NAME-live"]}`},
			{"PUT", "/frontends/www", `{"bind":"*:80 name NAME","backend":"shop-live"}`},
			{"PUT", "/frontends/NAME", `{"bind":"*:80","backend":"shop-live"}`},
			{"PUT", "/backends/NAME", `{"type":"static"}`},
			{"PUT", "/backends/shop-new", `{"type":"static","defaults":"NAME"}`},
			{"PUT", "/frontends/www", `{"bind":"*:80","backend":"shop-live","defaults":"NAME"}`},
			{"PUT", "/backends/shop-new", `{"type":"dynamic","name":"NAME","version":"1.0.0"}`},
			{"PUT", "/backends/shop-new", `{"type":"static","natives":["http-request return status 200"]}`},
			{"PUT", "/backends/shop-new", `{"type":"static","balance":"hash nbsrv(NAME)"}`},
			{"POST", "/backends/shop-live", `{"version":"1.0.0","name":"NAME"}`},
			{"POST", "/backends/shop-live", `{"version":"1.0.0","name":"NAME","force":true}`},
			{"DELETE", "/backends/NAME-spare", ""},
		} {
			var answers [2]string
			for i, name := range []string{"zebra", "nobody"} {
				sub := strings.NewReplacer("NAME", name)
				w := asked(z.handler, tt.method, sub.Replace(tt.path), sub.Replace(tt.body), token)
				if w.Code != http.StatusForbidden {
					t.Errorf("%s %s %s: %d %s", tt.method, sub.Replace(tt.path), sub.Replace(tt.body), w.Code, w.Body)
				}
				for _, query := range []string{"", "?dryRun=1"} { // the same among others
					set := inChangeset(tt.method, sub.Replace(tt.path), sub.Replace(tt.body))
					if w := asked(z.handler, "POST", "/changes"+query, set, token); w.Code != http.StatusForbidden {
						t.Errorf("%s%s: %d %s", set, query, w.Code, w.Body)
					}
				}
				answers[i] = strings.ReplaceAll(w.Body.String(), name, "NAME")
			}
			if answers[0] != answers[1] {
				t.Errorf("%+v answers %s and %s", tt, answers[0], answers[1])
			}
		}
		for _, tt := range [][3]string{
			{"PUT", "/backends/shop-new", `{"type":"dynamic","name":"shop","version":"1.0.0"}`},
			{"PUT", "/frontends/www", `{"bind":"*:80,*:8888","backend":"shop-live","rules":[{"type":"path","operation":"path_beg","value":"/n","backend":"shop-new"}]}`},
			{"PUT", "/frontends/www", `{"bind":"*:80","backend":"shop-live"}`},
			{"DELETE", "/backends/shop-new", ""},
		} {
			if w := asked(z.handler, tt[0], tt[1], tt[2], token); w.Code != 200 {
				t.Errorf("%v: %d %s", tt, w.Code, w.Body)
			}
		}
	}
}

// Edits that are carried out together have the same limits, and so has a preview of them.
func TestLimitsOfChangesets(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	edit := func(method, path, body string) string {
		return `{"method":"` + method + `","path":"` + path + `"` + body + `}`
	}
	own := edit("PUT", "/backends/shop-new", `,"body":{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	for _, foreign := range []string{
		edit("DELETE", "/backends/zebra-spare", ""),
		edit("DELETE", "/backends/nobody", ""),
		edit("POST", "/backends/zebra-live", `,"body":{"version":"1.0.0"}`),
		edit("POST", "/backends/shop-live", `,"body":{"name":"zebra","version":"1.0.0"}`),
		edit("PUT", "/frontends/www", `,"body":{"bind":"*:80","backend":"zebra-live"}`),
		edit("PUT", "/backends/shop-raw", `,"body":{"type":"static","natives":["option httpchk"]}`),
	} {
		for _, query := range []string{"", "?dryRun=1"} {
			for _, token := range []string{apitest.ShopAdminToken, apitest.BlindAdminToken} {
				w := asked(z.handler, "POST", "/changes"+query, `{"edits":[`+own+`,`+foreign+`]}`, token)
				if w.Code != http.StatusForbidden {
					t.Errorf("%s%s: %d %s", foreign, query, w.Code, w.Body)
				}
			}
		}
	}
	w := asked(z.handler, "POST", "/changes", `{"message":"more","edits":[`+own+`,`+strings.ReplaceAll(own, "new", "more")+`]}`, apitest.BlindAdminToken)
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "zebra") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What is there already stays: raw lines as they are, and a frontend that also leads to
// something outside of the limits cannot be changed.
func TestLimitsOfWhatIsThere(t *testing.T) {
	f := newFixture(t, apitest.Limited(t))
	f.put("/backends/shop-a", `{"type":"static","natives":["option httpchk"],"members":[{"host":"10.10.10.10","port":1}]}`)
	f.put("/backends/zebra", `{"type":"static"}`)
	f.put("/frontends/www", `{"bind":"*:80","backend":"shop-a","rules":[{"type":"path","operation":"path_beg","value":"/z","backend":"zebra"}]}`)
	boss := bearer(apitest.BlindAdminToken)
	f.do("PUT", "/backends/shop-a", `{"type":"static","natives":["option httpchk"]}`, boss).wants(t, 200, nil)
	f.do("PUT", "/backends/shop-a", `{"type":"static"}`, boss).refused(t, 403, "forbidden")
	f.do("PUT", "/frontends/www", `{"bind":"*:80","backend":"shop-a"}`, boss).refused(t, 403, "forbidden")
	f.do("DELETE", "/frontends/www", "", boss).refused(t, 403, "forbidden")
	var shown struct {
		Rules []struct{ Backend string }
		ETag  string
	}
	r := f.get("/frontends/www", boss)
	r.wants(t, 200, &shown)
	if shown.Rules[0].Backend != "_hidden_" || r.header.Get("Etag") == f.get("/frontends/www", bearer(apitest.AdminToken)).header.Get("Etag") {
		t.Errorf("%s with %s", r.body, r.header.Get("Etag"))
	}
	if f.get("/backends/shop-a", boss).header.Get("Etag") != f.get("/backends/shop-a", bearer(apitest.AdminToken)).header.Get("Etag") {
		t.Error("the tag of an object without hidden names is its own")
	}
}

// Errors name nothing that the caller does not see.
func TestConflictsAreFiltered(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	if w := asked(z.handler, "DELETE", "/frontends/www", "", apitest.AdminToken); w.Code != 200 { // whose mode would come first
		t.Fatal(w.Body)
	}
	for _, q := range [][3]string{
		{"PUT", "/frontends/www", `{"bind":"*:81","backend":"shop-live"}`}, // which the zebra binds
		{"DELETE", "/backends/shop-live", ""},                              // which the zebra routes to
		{"PUT", "/backends/shop-live", `{"type":"static","mode":"tcp"}`},   // which is no mode of the zebra
	} {
		seen := asked(z.handler, q[0], q[1], q[2], apitest.ShopAdminToken)
		if seen.Code != 409 && seen.Code != 400 || !strings.Contains(seen.Body.String(), "frontend/zebra-www") {
			t.Errorf("%v: %d %s", q, seen.Code, seen.Body)
		}
		w := asked(z.handler, q[0], q[1], q[2], apitest.BlindAdminToken)
		if w.Code != seen.Code || strings.Contains(w.Body.String(), "zebra") {
			t.Errorf("%v: %d %s", q, w.Code, w.Body)
		}
	}
}

// A page of activity is full although most events are hidden, and a filter finds nothing
// that is hidden.
func TestFilteredActivity(t *testing.T) {
	z := newZoo(t, apitest.Limited(t))
	admin := func(version string) {
		asked(z.handler, "POST", "/backends/zebra-live", `{"version":"`+version+`"}`, apitest.AdminToken)
	}
	asked(z.handler, "POST", "/backends/shop-live", `{"version":"1.0.0","force":true}`, apitest.AdminToken)
	for range 30 {
		admin("1.0.0")
		admin("2.0.0")
	}
	var events []struct{ Object struct{ ID string } }
	get := func(path string, want int) {
		t.Helper()
		w := asked(z.handler, "GET", path, "", apitest.BlindReadToken)
		events = nil
		if err := json.Unmarshal(w.Body.Bytes(), &events); err != nil || len(events) != want || strings.Contains(w.Body.String(), "zebra") {
			t.Errorf("%s: %s, want %d", path, w.Body, want)
		}
	}
	get("/activity?limit=1", 1)
	get("/activity?since=1&limit=2", 2)
	get("/activity?filter=zebra", 0)
	var revisions []struct{ Number int }
	w := asked(z.handler, "GET", "/revisions?limit=2", "", apitest.BlindReadToken)
	if err := json.Unmarshal(w.Body.Bytes(), &revisions); err != nil || len(revisions) != 2 || strings.Contains(w.Body.String(), "zebra") {
		t.Errorf("%s", w.Body)
	}
}

func TestStreamsAreFiltered(t *testing.T) {
	f := streamingFixture(t, apitest.Limited(t))
	fill := func(name string) {
		f.Discover(lb.Name(name), "10.1.0.1:8080 1.0.0")
		f.put("/backends/"+name+"-live", `{"type":"dynamic","name":"`+name+`","version":"1.0.0"}`)
	}
	fill("shop")
	fill("zebra")
	all, some := f.subscriber(t, bearer(apitest.ReadToken)), f.subscriber(t, bearer(apitest.BlindReadToken))
	for _, p := range []*subscriber{all, some} {
		hello := p.next()
		if slices.Contains(hello.Topics, "cluster") {
			t.Errorf("%v", hello.Topics)
		}
		p.say(`{"type":"subscribe","topics":["status","frontends","backends","services","canaries","activity"]}`)
	}
	is := func(o map[string]any) bool { return o != nil }
	all.wait("backends", "backend/zebra-live", is)
	f.put("/backends/zebra-next", `{"type":"dynamic","name":"zebra","version":"1.0.0"}`)
	f.put("/backends/shop-next", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	some.wait("backends", "backend/shop-next", is)
	all.wait("backends", "backend/shop-next", is)
	some.wait("services", "service/shop", is)
	known, _ := json.Marshal(some.known)
	if strings.Contains(string(known), "zebra") || len(some.known["backends"]) != 2 || len(some.known["services"]) != 1 {
		t.Errorf("known: %s", known)
	}
}

// A change of what somebody sees ends open websockets and long polls.
func TestChangedLimitsActAtOnce(t *testing.T) {
	path := apitest.AccessFile(t, apitest.ShopObjects)
	access, err := auth.OpenAccess(path, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := streamingFixture(t, func(c *api.Config) { c.Authority = auth.NewAuthority(nil, access) })
	p := f.subscriber(t, bearer(apitest.ReadToken))
	p.next()
	p.say(`{"type":"subscribe","topics":["status"]}`)
	polled := make(chan reply, 1)
	go func() { polled <- f.send("GET", "/activity?wait=20s&since=999", "", bearer(apitest.ReadToken)) }()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	limited := strings.Replace(string(data), "name: reader, role: read,", "name: reader, role: read, on: [backend/shop-*], see: false,", 1)
	if err := os.WriteFile(path, []byte(limited), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := p.closed(); code != 1012 {
		t.Errorf("the websocket was closed with %d", code)
	}
	if r := <-polled; r.status != 403 {
		t.Errorf("the long poll: %d %s", r.status, r.body)
	}
}

// inChangeset is a changeset with an edit of what everybody may edit, and another one.
func inChangeset(method, path, body string) string {
	edits := []map[string]any{
		{"method": "PUT", "path": "/backends/shop-other", "body": json.RawMessage(`{"type":"static"}`)},
		{"method": method, "path": path},
	}
	if body != "" {
		edits[1]["body"] = json.RawMessage(body)
	}
	set, err := json.Marshal(map[string]any{"edits": edits})
	if err != nil {
		panic(err) // a mistake of the test
	}
	return string(set)
}

// The message of a draft may be about what somebody may not see.
func TestMessagesOfDraftsWithHiddenObjects(t *testing.T) {
	f := newFixture(t, apitest.Limited(t))
	if _, err := f.Config().Drafts.CreateDraft(t.Context(), stage.Draft{ID: "pay", Origin: lb.Origin{Message: "pay moves"}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"zebra", "shop-new"} { // of hidden objects alone, the draft would not be there
		f.do("PUT", "/backends/"+name+"?draft=pay", `{"type":"static"}`, bearer(apitest.AdminToken)).wants(t, 200, nil)
	}
	for _, path := range []string{"/drafts", "/drafts/pay"} {
		if r := f.get(path, bearer(apitest.AdminToken)); !strings.Contains(string(r.body), "pay moves") {
			t.Errorf("an admin gets %s", r.body)
		}
		if r := f.get(path, bearer(apitest.BlindAdminToken)); r.status != 200 || strings.Contains(string(r.body), "pay moves") || !strings.Contains(string(r.body), "shop-new") {
			t.Errorf("whoever does not see it gets %d %s", r.status, r.body)
		}
	}
}
