package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/internal/testkit"
)

// A recorder notes what a browser asks an agent to change, and what the agent forbids it.
type recorder struct {
	http.Handler

	mu        sync.Mutex
	sent      []string // requests that change something, or simulate
	forbidden []string
	broken    string // the path of requests that fail
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	request := q.Method + " " + q.URL.RequestURI()
	if q.Method != http.MethodGet && q.Method != http.MethodHead && q.URL.Path != "/session" && q.Header.Get("Authorization") == "" {
		r.mu.Lock()
		r.sent = append(r.sent, request)
		r.mu.Unlock()
	}
	r.mu.Lock()
	isBroken := r.broken == q.URL.Path
	r.mu.Unlock()
	if isBroken {
		http.Error(w, "broken", http.StatusServiceUnavailable)
		return
	}
	r.Handler.ServeHTTP(&statusWriter{ResponseWriter: w, forbidden: func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.forbidden = append(r.forbidden, request)
	}}, q)
}

// breaks lets requests of a path fail; empty: none.
func (r *recorder) breaks(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = path
}

// A statusWriter tells of answers with status 403.
type statusWriter struct {
	http.ResponseWriter

	forbidden func()
}

func (w *statusWriter) WriteHeader(status int) {
	if status == http.StatusForbidden {
		w.forbidden()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController what is inside.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// recorded is a node of an API that notes what pages ask it for.
func recorded(t *testing.T, cfg api.Config) (*node, *recorder) {
	t.Helper()
	handler := api.New(cfg)
	r := &recorder{Handler: handler}
	followed := make(chan error, 1)
	go func() { followed <- handler.Follow(t.Context()) }()
	server := httptest.NewServer(r)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := <-followed; err != nil {
			t.Error(err)
		}
	})
	return &node{tb: t, api: server.Listener.Addr().(*net.TCPAddr).Port}, r
}

// Who may read only, or deploy, is offered no action on the cluster: no menu opens, no form is
// sent, and no page asks for what is forbidden.
func TestClusterPagesByRole(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	if err := c.SetConfiguration(formConfiguration); err != nil {
		t.Fatal(err)
	}
	c.Change(func(v *cluster.Status) {
		v.Nodes = append(v.Nodes, cluster.Node{Name: "g1", State: "online", Type: "guest", Host: "vip", Resources: []string{}, Attributes: map[string]string{}})
	})
	_, cfg := apitest.Prepare(t, apitest.Importing(t), apitest.InCluster(c), apitest.Guarded(t))
	n, r := recorded(t, cfg)
	n.admin("POST", "/cluster/drafts", `{"id":"shared","message":"for all","listed":true}`)
	n.admin("PUT", "/cluster/config/primitives/web2?draft=shared", `{"agent":"ocf:pacemaker:Dummy"}`)
	for _, who := range []struct{ role, token string }{{"read", apitest.ReadToken}, {"deploy", apitest.DeployToken}} {
		t.Run(who.role, func(t *testing.T) {
			p := login(t, n, who.token, "/cluster")
			p.reads("h1", "lab")
			p.rolePages(who.role)
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.sent) > 0 || len(r.forbidden) > 0 || len(c.Done()) > 0 {
				t.Errorf("the pages have asked for %q, and were forbidden %q", r.sent, r.forbidden)
			}
		})
	}
	t.Run("operate", func(t *testing.T) { // the same elements are there for those who may
		p := login(t, n, apitest.OperateToken, "/cluster")
		p.reads("h1", "lab")
		p.sees(`document.querySelector(".matrix").getAttribute("role") === "grid" && !document.querySelector('[aria-label="Standby n2"]').getAttribute("aria-disabled")`)
		p.sees(`!document.querySelector('[aria-label$=" g1"].button')`) // its host is a resource
		p.click(".matrix tbody tr:nth-child(2) td")                     // vip on n1
		p.reads(".cell-menu", "Stop…")
		p.press(kb.Escape)
		p.visit("/simulator")
		p.reads(`[aria-label="Decisions"]`, "Decisions")
		p.visit("/simulator?draft=shared")
		p.reads(`[aria-label="Decisions"]`, "Decisions")
		p.sees(`document.querySelector('[aria-label="Add an event"] button').getAttribute("aria-disabled") === "true"`) // that is of the draft
	})
}

// rolePages looks at the pages of the cluster as somebody who may not act on it.
func (p *page) rolePages(role string) {
	p.tb.Helper()
	const refused = `((all) => all.length > 0 && all.every(b => b.getAttribute("aria-disabled") === "true"))([...document.querySelectorAll("`
	every := func(selector string) { p.tb.Helper(); p.sees(refused + selector + `")])`) }
	toasted := func(need string) {
		p.tb.Helper()
		p.reads(".toasts", "This needs the role "+need, "has the role "+role)
	}

	// The table: buttons refuse, cells have no menu.
	every("main .head button, main .matrix button, main [aria-label=Failures] button")
	p.sees(`document.querySelector(".matrix").getAttribute("role") !== "grid" && !document.querySelector("#of-cells") && !document.querySelector(".matrix td[tabindex]")`)
	p.click(".matrix tbody td")
	p.click(`[aria-label="Standby n2"]`)
	toasted("operate")
	p.sees(`!document.querySelector(".cell-menu") && !document.querySelector("dialog")`)
	p.sees(`!document.querySelector(".several")`)

	// One resource and one node.
	for _, path := range []string{"/cluster/resources/vip", "/cluster/nodes/n2"} {
		p.visit(path)
		every(".actions button")
		p.click(".actions button")
		toasted("operate")
		p.sees(`!document.querySelector("dialog")`)
		if strings.HasPrefix(path, "/cluster/resources") {
			p.sees(`!document.querySelector('.head a[href*="edit="]')`)
		}
	}

	// The objects: none is edited, also where the address opens the form.
	p.visit("/cluster/config")
	p.reads(`[aria-label="Objects"]`, "vip")
	every("main .head button, [aria-label=Objects] button")
	p.sees(`![...document.querySelectorAll('[aria-label="Changes"] option')].some(o => o.value === "+")`)
	p.visit("/cluster/config?edit=vip")
	p.reads("dialog h2", "Edit primitive vip")
	p.write("#f-params-ip", "192.0.2.99")
	p.press("\r")
	toasted("admin")
	p.click("dialog .primary")
	p.sees(`!document.querySelector('[aria-label="Prediction"]') && !document.querySelector("dialog .problem")`)
	for _, query := range []string{"new=1", "wizard=1", "begin=1"} {
		p.visit("/cluster/config?" + query)
		p.click("dialog [type=submit]")
		toasted("admin")
		p.sees(`document.querySelector("dialog") && !document.querySelector("dialog .problem")`)
	}

	// A draft that is listed can be looked at.
	p.visit("/cluster/config?draft=shared")
	p.reads(".batch", "Draft shared", "1 edit")
	every(".batch button")
	p.visit("/simulator?draft=shared")
	p.reads(`[aria-label="Edits"]`, "PUT /cluster/config/primitives/web2")
	p.reads("main", "What it would do is shown with the role operate.")
	every(`.batch button, [aria-label=Edits] .links button, [aria-label=Edits] [type=submit], [aria-label='Add an event'] button`)
	p.write("#f-edit-id", "web3")
	p.press("\r")
	toasted("admin")
	p.click(`[aria-label="Add an event"] button`)
	p.visit("/simulator")
	p.reads("main", "This needs the role operate")
	p.sees(`!document.querySelector("main .problem")`)

	p.visit("/history")
	p.sees(`[...document.querySelectorAll(".toolbar button")].find(b => b.innerText === "Export…")?.getAttribute("aria-disabled") === "true"`)
	p.click(`[aria-label="Transitions"] tbody tr:first-child a`)
	p.reads(`[aria-label="Decisions"]`, "vip")
	p.sees(`!document.querySelector('a[href*="suppose"]')`)
	for _, tab := range []string{"Logs", "Explanation"} {
		p.click(p.button(".tabs", tab))
		p.reads("main", "This needs the role operate")
		p.sees(`!document.querySelector("main .problem")`)
	}
}

// admin sends a request in the name of an admin.
func (n *node) admin(method, path, body string) {
	n.tb.Helper()
	q, err := http.NewRequestWithContext(n.tb.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", n.api, path), strings.NewReader(body))
	if err != nil {
		n.tb.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+apitest.AdminToken)
	q.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		n.tb.Fatal(err)
	}
	defer answer.Body.Close()
	if !slices.Contains([]int{http.StatusOK, http.StatusCreated}, answer.StatusCode) {
		n.tb.Fatalf("%s %s: %s", method, path, answer.Status)
	}
}
