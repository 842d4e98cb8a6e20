package api_test

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/api/hrapi"
	"thalassa/clusters"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

var update = flag.Bool("update", false, "write docs/grants.md")

// kinds are the kinds of grants in the order of the columns of docs/grants.md.
var kinds = []struct{ name, token string }{
	{"read", apitest.ReadToken},
	{"deploy", apitest.DeployToken},
	{"operate", apitest.OperateToken},
	{"admin", apitest.AdminToken},
	{"deploy, on", apitest.ShopDeployToken},
	{"admin, on", apitest.ShopAdminToken},
	{"read, on, see: false", apitest.BlindReadToken},
	{"deploy, on, see: false", apitest.BlindDeployToken},
	{"admin, on, see: false", apitest.BlindAdminToken},
}

// An object of the shop is within the limits of apitest, one of the zebra is not.
var inside = strings.NewReplacer("frontend/{key}", "www", "backend/{key}", "shop-live", "service/{name}", "shop", "certificate/{key}", "shop-cert", "cluster/{cluster}", "shop-lab")

// A listedRoute is a route of GET /.
type listedRoute struct{ Method, Path, Role, On, Summary string }

func (r listedRoute) String() string { return r.Method + " " + r.Path }

func routesOf(t *testing.T) []listedRoute {
	t.Helper()
	var index struct{ Routes []listedRoute }
	newFixture(t).get("/").wants(t, 200, &index)
	if len(index.Routes) < 20 {
		t.Fatalf("%d routes", len(index.Routes))
	}
	return index.Routes
}

// routesOfV1 are those of the dialect below /v1.
func routesOfV1() []listedRoute {
	var out []listedRoute
	for _, r := range hrapi.New(hrapi.Config{}).Routes(nil) {
		out = append(out, listedRoute{r.Method, r.Path, r.Need.String(), r.On, r.Summary})
	}
	return out
}

// zoo is a node with objects of the shop and of the zebra, and a canary of each.
type zoo struct {
	*apitest.Node
	handler     http.Handler
	pacemaker   *apitest.Cluster
	certificate string // a body that stores one
}

func newZoo(t *testing.T, authority func(*api.Config)) *zoo {
	t.Helper()
	pacemaker := apitest.NewCluster()
	node, cfg := apitest.Prepare(t, authority, inCluster(pacemaker), apitest.Importing(t), func(c *api.Config) {
		c.Clusters = othersOfZoo{apitest.NewClusters(t, "shop-lab", "zebra-lab")}
		c.Dialects = []api.Dialect{hrapi.New(hrapi.Config{Backups: t.TempDir(), HAProxyConfig: c.HAProxyConfig, Reload: c.Reload})}
	})
	for _, name := range []string{"shop", "zebra"} {
		digit := map[string]string{"shop": "1", "zebra": "66"}[name]
		node.Discover(lb.Name(name), "10."+digit+".0.1:8080 1.0.0", "10."+digit+".0.2:8080 2.0.0")
	}
	handler, pair := api.New(cfg), testkit.NewAuthority(t).Issue(t, "shop.example")
	for _, put := range [][2]string{
		{"/backends/shop-live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`},
		{"/backends/zebra-live", `{"type":"dynamic","name":"zebra","version":"1.0.0"}`},
		{"/backends/shop-files", `{"type":"static","members":[{"host":"10.10.10.10","port":8080}]}`},
		{"/backends/zebra-files", `{"type":"static","members":[{"host":"10.10.10.10","port":8080}]}`},
		{"/backends/zebra-spare", `{"type":"dynamic","name":"zebra","version":"7.7.7"}`},
		{"/frontends/www", `{"bind":"*:80","backend":"shop-live"}`},
		{"/frontends/zebra-www", `{"bind":"*:81","backend":"zebra-live","rules":[{"type":"path","operation":"path_beg","value":"/s","backend":"shop-live"}]}`},
		{"/certificates/shop-cert", pair.Body()},
		{"/certificates/zebra-cert", pair.Body()},
	} {
		if w := asked(handler, "PUT", put[0], put[1], apitest.AdminToken); w.Code != 200 {
			t.Fatalf("PUT %s: %d %s", put[0], w.Code, w.Body)
		}
	}
	for _, service := range []lb.Name{"shop", "zebra"} {
		if _, err := node.Canaries.Start(t.Context(), lb.Canary{Backend: service + "-live", Version: "2.0.0", Steps: []int{5, 100}, Every: time.Hour}); err != nil {
			t.Fatal(err)
		}
		node.Hold(service)
	}
	return &zoo{Node: node, certificate: pair.Body(), handler: handler, pacemaker: pacemaker}
}

// othersOfZoo answer each question that is passed on: only the rights here count.
type othersOfZoo struct{ *apitest.Clusters }

func (o othersOfZoo) Ask(context.Context, string, clusters.Question) (clusters.Document, error) {
	return clusters.Document{Type: "application/json", Data: []byte("{}")}, nil
}

// asked asks a handler directly.
func asked(h http.Handler, method, path, body, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// path is the path of a route for an object of the shop, or of the zebra.
func (r listedRoute) path(zebra bool) string {
	if strings.HasPrefix(r.Path, "/v1/") {
		names := []string{"{gateway}", "www", "{pool}", "shop-live", "{certificate}", "shop-cert", "{endpoint}", "e", "{target}", "t", "{db}", "db", "{version}", "1"}
		if zebra {
			names[1], names[3], names[5] = "zebra-www", "zebra-live", "zebra-cert"
		}
		return strings.NewReplacer(names...).Replace(r.Path)
	}
	if !strings.Contains(r.On, "{") {
		return strings.NewReplacer("{number}", "1", "{action}", "cleanup", "{id}", "none", "{kind}", "cache", "{name}", "small").Replace(r.Path)
	}
	kind, param, _ := strings.Cut(r.On, "/")
	key := inside.Replace(r.On)
	if strings.Contains(r.Path, "/members/") {
		key = "shop-files"
	}
	if zebra {
		key = map[string]string{"www": "zebra-www", "shop": "zebra", "shop-live": "zebra-live", "shop-files": "zebra-files", "shop-cert": "zebra-cert", "shop-lab": "zebra-lab"}[key]
	}
	path := strings.Replace(r.Path, "/"+kind+"s/"+param, "/"+kind+"s/"+key, 1)
	return strings.NewReplacer("{id}", "10.10.10.10:8080", "{action}", "renew").Replace(path)
}

// body is one that the route accepts for the object of a path.
func (r listedRoute) body(path string) string {
	service := "shop"
	if strings.Contains(path, "zebra") {
		service = "zebra"
	}
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodDelete:
		return ""
	case path == "/backup":
		return emptyBackup
	case path == "/import/pyhrapi":
		return aDatabase()
	case strings.HasPrefix(path, "/haproxy/") && r.Method == http.MethodPut:
		return `{"natives":[]}`
	case path == "/session":
		return `{"token":"` + apitest.ReadToken + `"}`
	case r.Method == http.MethodPut && strings.HasPrefix(path, "/frontends/"):
		return `{"bind":"*:80` + strconv.Itoa(len(service)) + `","backend":"` + service + `-live"}`
	case r.Method == http.MethodPut && strings.HasPrefix(path, "/backends/"):
		return `{"type":"dynamic","name":"` + service + `","version":"2.0.0"}`
	case strings.Contains(path, "/members/"):
		return `{"state":"drain"}`
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/canary"):
		return `{"version":"2.0.0","steps":[100]}`
	case r.Method == http.MethodPost && strings.HasPrefix(path, "/backends/") && !strings.Contains(path, "/canary/"):
		return `{"version":"2.0.0"}`
	}
	return "{}"
}

var aDatabase = sync.OnceValue(func() string { return pools() })

// reaches reports whether a caller is allowed to make a request, whatever becomes of it.
func reaches(w *httptest.ResponseRecorder) bool {
	var missing bool
	if w.Code == http.StatusNotFound { // that of an object which the route concerns
		missing = strings.Contains(w.Body.String(), "zebra") || strings.Contains(w.Body.String(), "shop")
	}
	return w.Code != http.StatusForbidden && w.Code != http.StatusUnauthorized && !missing && w.Code < 500
}

// Every route with every kind of grant, on an object within the limits and on another one.
// docs/grants.md is what comes out.
func TestGrantsOfEveryRoute(t *testing.T) {
	authority := apitest.Limited(t)
	table := grantsHead()
	z := newZoo(t, authority)
	ask := func(r listedRoute, zebra bool, token string) *httptest.ResponseRecorder {
		path := r.path(zebra)
		body := r.body(path)
		if strings.HasPrefix(path, "/certificates/") && r.Method == http.MethodPut {
			body = z.certificate
		}
		w := asked(z.handler, r.Method, path, body, token)
		if r.Method != http.MethodGet && w.Code < 300 { // something has changed
			z = newZoo(t, authority)
		}
		return w
	}
	for _, r := range slices.Concat(routesOf(t), routesOfV1()) {
		if !isScope(r.On) {
			t.Errorf("%s declares %q, expected what it concerns", r, r.On)
		}
		table = append(table, "| `"+r.String()+"` |"...)
		for i, kind := range kinds {
			own, other := reaches(ask(r, false, kind.token)), reaches(ask(r, true, kind.token))
			if wantOwn, wantOther := r.allowed(i); own != wantOwn || other != wantOther {
				t.Errorf("%s with %s: %t on the own object, want %t; %t on another, want %t", r, kind.name, own, wantOwn, other, wantOther)
			}
			table = append(table, " "+cell(r, own, other, i > 5)+" |"...)
		}
		table = append(table, '\n')
	}
	testkit.ComparePage(t, "../docs/grants.md", "routes", table, *update)
}

// allowed says what a kind of grant may do by docs/access.md, apart from the product: on
// an object within its limits, and on another one.
func (r listedRoute) allowed(kind int) (own, other bool) {
	roles := map[string]int{"none": 0, "read": 1, "deploy": 2, "operate": 3, "admin": 4}
	role := []int{1, 2, 3, 4, 2, 4, 1, 2, 4}[kind]
	isLimited, isBlind := kind > 3, kind > 5
	need := roles[r.Role]
	if role < need {
		return false, false
	}
	isSeen := need <= 1 && !isBlind
	switch {
	case need == 0, !isLimited, r.On == api.OnMany, r.On == api.OnCaller:
		return true, true
	case r.On == api.OnNode:
		return isSeen, isSeen
	}
	return true, isSeen
}

func isScope(on string) bool {
	switch on {
	case api.OnNode, api.OnMany, api.OnCaller, "frontend/{key}", "backend/{key}", "service/{name}", "certificate/{key}", "cluster/{cluster}",
		"frontend/{gateway}", "backend/{pool}", "certificate/{certificate}":
		return true
	}
	return false
}

// cell says which requests of a kind are allowed.
func cell(r listedRoute, own, other, blind bool) string {
	switch {
	case !own:
		return "–"
	case !other:
		return "own"
	case blind && r.On == api.OnMany:
		return "filtered"
	}
	return "yes"
}

func grantsHead() []byte {
	var b bytes.Buffer
	b.WriteString(`# Grants by route

A test makes each request of this table with each kind of grant, and writes this page.
[Access](access.md#limits) explains the kinds.

- **yes**: allowed. **–**: refused with 403.
- **own**: allowed on the objects that ` + "`on`" + ` names. Reading another one is 404 as if it did not
  exist, if the grant has ` + "`see: false`" + `. Any other request is 403.
- **filtered**: allowed. The answer has the own objects and what belongs to them.

| route |`)
	for _, k := range kinds {
		b.WriteString(" " + k.name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(kinds)) + "\n")
	return b.Bytes()
}
