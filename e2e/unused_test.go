package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// registerUnusable registers what the backend live cannot use, each in its own way. The
// dead one is healthy in Consul, and nobody listens at its port.
func registerUnusable(t *testing.T, consul *testkit.ConsulAgent) {
	t.Helper()
	at := func(id, version string) testkit.Instance {
		return testkit.Instance{ID: id, Service: "shop", Address: "127.0.0.1", Port: 9, Meta: map[string]string{"version": version}}
	}
	portless, badHost := at("portless", "1.0.0"), at("bad-host", "1.0.0")
	portless.Port, badHost.Address = 0, "no host"
	for _, in := range []testkit.Instance{portless, badHost, at("blank", "1 0"), at("ill", "1.0.0"), at("resting", "1.0.0"), at("dead", "1.0.0")} {
		consul.Register(in)
	}
	consul.Do(http.MethodPut, "/v1/agent/check/update/service:ill", map[string]string{"Status": "critical", "Output": "HTTP GET http://127.0.0.1:9/: 500\nno database <b>today</b>"})
	consul.Do(http.MethodPut, "/v1/agent/service/maintenance/resting?enable=true&reason=new+disk", nil)
}

// What is not used is named with its reason: in the API, on the command line, in the
// refusal of a deploy, and on the pages.
func TestWhatIsNotUsedIsNamedWithItsReason(t *testing.T) {
	testkit.Tool(t, "chromium")
	n, consul := servingOneOf(t, 2, 1)
	registerUnusable(t, consul)
	reasons := map[string]string{
		"portless": "port: 0 is not a port", "bad-host": `address: "no host" is not a host`, "blank": `version: "1 0" holds a character`,
		"ill": "no database", "resting": "it is in maintenance mode: new disk", "dead": "HAProxy finds it down: L4CON (connection failed)",
	}
	testkit.Eventually(t, patience, func() error {
		return allNamed(n, "/backends/live?unused=1", reasons)
	})
	_, services := n.try(http.MethodGet, "/services", "")
	for _, id := range []string{"portless", "bad-host", "blank"} {
		if !strings.Contains(services, `"id":"`+id+`"`) {
			t.Errorf("/services does not name %s: %s", id, services)
		}
	}
	var service struct {
		ConsulPage string
		Instances  []struct {
			ID      string
			HAProxy []struct{ Backend, Status, Check, Reason string }
		}
	}
	_, body := n.try(http.MethodGet, "/services/shop", "")
	if err := json.Unmarshal([]byte(body), &service); err != nil {
		t.Fatal(err)
	}
	for _, in := range service.Instances {
		got := fmt.Sprint(in.HAProxy)
		want := map[string]string{"dead": "[{live DOWN L4CON HAProxy finds it down: L4CON (connection failed): Connection refused}]", "1.0.0-0": "[{live UP L4OK }]"}[in.ID]
		if want == "" && got != "[]" && got != "[{live UP L4OK }]" || want != "" && got != want {
			t.Errorf("HAProxy says of %s: %s, expected %s", in.ID, got, want)
		}
	}
	if page := service.ConsulPage; page != "http://"+consul.Address()+"/ui/dc1/services/shop/instances" {
		t.Errorf("Consul's page is %v", service.ConsulPage)
	}
	if status, body := n.try(http.MethodPost, "/backends/live", `{"version":"2.0.0"}`); status != http.StatusConflict || !strings.Contains(body, "portless on") || !strings.Contains(body, "0 is not a port") {
		t.Errorf("%d %s", status, body)
	}

	p := openPage(t, n, "/overview", look{width: 1280, height: 1100})
	p.reads(".notice.fair", "cannot be used: shop", "portless", "0 is not a port", "blank", "bad-host")
	p.reads(`[aria-label="Backend live"]`, "L4CON", "connection failed: Connection refused")
	p.shot("unusable")
	p.visit("/overview/backends/live")
	for id, reason := range reasons {
		p.reads("table.unused", id, reason[1:]) // a sentence begins with a capital
	}
	p.sees(`document.querySelector("[aria-label='Not used'] .others summary").textContent === "1 instance of other versions"`)
	p.sees(`document.querySelector("[aria-label='Not used'] > p > a").href.endsWith("/ui/dc1/services/shop/instances")`)
	p.ask(`document.querySelector("[aria-label='Not used']").scrollIntoView()`, new(any))
	p.shot("unused")
	p.look(look{width: 1280, height: 900, dark: true})
	p.shot("unused-dark")
	p.look(look{width: 390, height: 844, phone: true})
	p.sees(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`)
	p.ask(`document.querySelector("[aria-label='Not used']").scrollIntoView()`, new(any))
	p.shot("unused-phone")

	// The dead one has a page with its history: what Consul said, and what HAProxy found.
	p.look(look{width: 1280, height: 900})
	p.visit("/overview/backends/live?member=127.0.0.1:9")
	p.reads("dialog", "Member 127.0.0.1:9 of live", "DOWN", "L4CON: connection failed: Connection refused", "Down in total", "Member down", "Member healthy in Consul")
	p.shot("member")
	p.visit("/overview/backends/live")

	// Who took a member out of use is named.
	n.call(200, http.MethodPost, "/backends/live/members/127.0.0.1:9", `{"state":"maint","reason":"new disk"}`)
	p.reads("table.unused", "HAProxy has it in maintenance (MAINT)", "asked for maint: new disk")
	live := n.call(200, http.MethodGet, "/backends/live", "")["members"].([]any)
	for _, m := range live {
		if port := m.(map[string]any)["port"].(float64); port != 9 {
			n.call(200, http.MethodPost, fmt.Sprintf("/backends/live/members/127.0.0.1:%.0f", port), `{"state":"drain","reason":"later"}`)
			break
		}
	}
	p.reads("table.unused", "It has weight 0", "asked for drain: later")
	n.call(200, http.MethodPost, "/backends/live/members/127.0.0.1:9", `{"state":"ready"}`)

	// What gets well is used, and no longer listed.
	consul.SetStatus("ill", "passing")
	p.sees(`![...document.querySelectorAll("table.unused tr")].some(e => e.innerText.includes("database"))`)
}

// allNamed checks that a backend lists each of the instances with its reason.
func allNamed(n *node, path string, reasons map[string]string) error {
	_, body := n.try(http.MethodGet, path, "")
	var b struct{ Unused []struct{ ID, Reason string } }
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		return err
	}
	missing := map[string]bool{}
	for id := range reasons {
		missing[id] = true
	}
	for _, u := range b.Unused {
		if reasons[u.ID] != "" && strings.Contains(u.Reason, reasons[u.ID]) {
			delete(missing, u.ID)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%v not listed with the reason: %s", missing, body)
	}
	return nil
}
