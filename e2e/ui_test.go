package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// loaded is a node with traffic: frontend web, backend live of service shop in
// version 1.0.0 with two instances, version 1.1.0 with three of them waiting.
func loaded(t *testing.T) *node {
	t.Helper()
	testkit.Tool(t, "chromium")
	n, _ := loadedWith(t)
	return n
}

func loadedWith(t *testing.T, flags ...string) (*node, *testkit.ConsulAgent) {
	t.Helper()
	n, consul := servingOneOf(t, 2, 3, flags...)
	testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 3, Fresh: 1, Pause: 10 * time.Millisecond, For: 5 * time.Minute})
	return n, consul
}

// drawn counts the pixels of a canvas that are not empty.
const drawn = `(e => { const c = Object.assign(document.createElement("canvas"), {width: e.width, height: e.height}).getContext("2d", {willReadFrequently: true}); c.drawImage(e, 0, 0); const d = c.getImageData(0, 0, e.width, e.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) if (d[i]) n++; return n; })`

func TestOverviewIsLive(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/", look{})
	p.sees(`location.pathname === "/overview"`)
	p.sees(`document.querySelector(".pulse.live")`)
	p.reads(`[aria-label="Backend live"]`, "live", "shop", "1.0.0", "2/2", "UP")
	p.reads(`[aria-label="Frontend web"]`, n.address(), "OPEN")
	p.sees(`document.querySelector("[aria-label='Backend live'] .donut.good")`)
	rate := `Number(document.querySelector("[aria-label='Backend live'] .figure.wide .value").textContent.replace(",", ""))`
	p.sees(rate + " > 5")
	p.sees(drawn + `(document.querySelector("[aria-label='Backend live'] .figure.wide canvas")) > 50`)
	p.sees(`[...document.querySelectorAll("[aria-label='Backend live'] tbody .rate")].every(e => Number(e.textContent) > 1)`)
	p.reads(".tiles", "HAProxy running", "Revision 2 in effect")
	p.shot("overview")

	// What is changed elsewhere is there without being asked for.
	n.call(200, http.MethodPut, "/backends/files", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	p.reads(`[aria-label="Backend files"]`, "static", "0/1", "DOWN")
	p.sees(`document.querySelector("[aria-label='Backend files'] .donut.bad")`)

	// Search and filter are in the address.
	p.write(".search input", "files")
	p.sees(`!document.querySelector("[aria-label='Backend live']") && location.search === "?q=files"`)
	p.visit("/overview?show=problems")
	p.sees(`document.querySelector("[aria-label='Backend files']") && !document.querySelector("[aria-label='Backend live']")`)
	p.sees(`document.querySelector(".tiles .figure.fair .value").textContent === "2 / 3"`)
	n.call(200, http.MethodPut, "/backends/gone", `{"type":"static","members":[{"host":"127.0.0.1","port":9},{"host":"127.0.0.2","port":9},{"host":"127.0.0.3","port":9}]}`)
	p.sees(`document.querySelector(".tiles .figure.bad .value").textContent === "2 / 6"`)
	p.look(look{dark: true})
	p.shot("overview-dark")
}

func TestOneBackendHasAPageOfItsOwn(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview/backends/live", look{width: 1280, height: 1100})
	p.reads("h1", "live")
	p.sees(`document.querySelectorAll(".chart canvas").length === 4`)
	p.sees(drawn + `(document.querySelector(".chart canvas")) > 500`)
	p.reads(".members", "127.0.0.1", "UP", "L4OK")
	p.reads("main", "Used by", "default backend")
	p.sees(`!document.querySelector(".tiles").innerText.includes("limit")`) // HAProxy's fullconn is none
	p.shot("backend")

	p.click(`.links a`)
	p.sees(`location.pathname === "/overview/frontends/web" && document.title.startsWith("web")`)
	p.sees(`document.activeElement.tagName === "H1"`)
	p.reads(".tiles", "connections, limit 4,096")
	p.do(goBack)
	p.reads("h1", "live")

	// What was put as it is shows as it is.
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0","natives":["option forwardfor","# by hand"]}`)
	p.reads(`[aria-label="Raw lines"]`, "option forwardfor\n# by hand")

	// A connection has no response that could be waited for.
	n.call(200, http.MethodPut, "/backends/raw", `{"type":"static","mode":"tcp","members":[{"host":"127.0.0.1","port":9}]}`)
	p.visit("/overview/backends/raw")
	p.reads(".tiles", "mean session")
	p.reads(".charts", "Bytes out per second")
	p.sees(`document.querySelectorAll(".chart canvas").length === 4 && !document.querySelector("main").innerText.includes("Response")`)
	p.visit("/overview/backends/nobody")
	p.reads("main", "No backend nobody")
}

func TestSwitchByClickingAndUndo(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview", look{})
	p.click(`[title^="Switch live"]`)
	p.reads("dialog", "1.1.0", "3 of 3 instances healthy", "2 of 2 instances healthy", "current", "Choose a version")
	p.sees(`!document.querySelector("dialog input:checked") && document.querySelector("dialog .primary").disabled`) // nothing is chosen for the user
	p.shot("switch")
	p.click(`dialog input[value="1.1.0"]`)
	p.reads("dialog footer", "Switch to 1.1.0")
	p.click("dialog .primary")
	p.reads(".toast", "live now goes to 1.1.0", "without a reload", "Undo")
	p.sees(`!document.querySelector("dialog")`)
	n.answers("1.1.0-0", "1.1.0-1", "1.1.0-2")
	p.reads(`[aria-label="Backend live"]`, "3/3", "1.1.0")
	p.click(".toast .link")
	p.reads(".toasts", "live was switched back to 1.0.0")
	n.answers("1.0.0-0", "1.0.0-1")

	// Traffic is divided with a slider, which takes keys as well.
	p.click(`[title^="Switch live"]`)
	p.click(".tabs button:nth-child(2)")
	p.ask(`document.querySelector("[id='part-1.1.0']").focus()`, new(any))
	p.press(strings.Repeat(arrowRight, 5))
	p.reads("dialog", "95 %", "5 %", "Switch to 1.1.0 5 %, 1.0.0 95 %")
	p.shot("divide")
	p.click("dialog .primary")
	p.reads(".toast", "now goes to")
	if got := fmt.Sprint(n.call(200, http.MethodGet, "/backends/live", "")["versions"]); got != "map[1.0.0:95 1.1.0:5]" {
		t.Errorf("the backend has the versions %s", got)
	}
	p.reads(`[aria-label="Backend live"] .split`, "95 %")
	p.reads(`[aria-label="Backend live"] tbody`, "1.1.0")

	// What the agent refuses is said in the window.
	n.call(200, http.MethodPost, "/backends/live", `{"version":"gone","force":true}`)
	p.click(`[title^="Switch live"]`)
	p.reads("dialog", "not in Consul")
}

// Undo takes back the switch that it stands beside, and not what somebody else has
// done since.
func TestUndoIsOfOnesOwnSwitch(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview", look{})
	p.click(`[title^="Switch live"]`)
	p.click(`dialog input[value="1.1.0"]`)
	p.click("dialog .primary")
	p.reads(".toast", "live now goes to 1.1.0", "Undo")
	p.excuse("412")
	n.call(200, http.MethodPost, "/backends/live", `{"versions":{"1.0.0":50,"1.1.0":50}}`)
	p.click(".toast .link")
	p.reads(".toasts", "was not switched back", "has changed")
	if got := fmt.Sprint(n.call(200, http.MethodGet, "/backends/live", "")["versions"]); got != "map[1.0.0:50 1.1.0:50]" {
		t.Errorf("the backend has the versions %s", got)
	}
}

func TestDisconnectedAndBack(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview", look{})
	p.sees(`document.querySelector(".pulse.live")`)
	p.reads(`[aria-label="Backend live"]`, "2/2")
	p.excuse("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "WebSocket connection to")
	p.ask("window.stays = true", new(any))
	n.signal(syscall.SIGKILL)
	p.reads(".strip.bad", "No connection to the agent", "values shown are from", "HAProxy keeps running")
	p.sees(`getComputedStyle(document.querySelector(".row")).filter.startsWith("grayscale")`)
	p.reads(`[aria-label="Backend live"]`, "2/2")
	p.reads(".pulse", "Disconnected")
	p.shot("disconnected")
	p.click(".strip .button") // while it stands there: the page finds the agent by itself
	n.start()
	p.sees(`document.querySelector(".pulse.live") && !document.querySelector(".strip")`)
	p.sees(`window.stays`)
	n.call(200, http.MethodPut, "/backends/late", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	p.reads(`[aria-label="Backend late"]`, "static")
}

// Consul goes, and comes back having forgotten everything: nobody looking at the
// page can miss either, and a person says what counts.
func TestHeldServiceIsSeenAndAccepted(t *testing.T) {
	testkit.Tool(t, "chromium")
	n, consul := loadedWith(t)
	p := openPage(t, n, "/overview", look{})
	p.reads(`[aria-label="Backend live"]`, "2/2")
	consul.Kill()
	p.reads(".notice.fair", "Discovery is stale: shop", "The last good members stay in use")
	p.reads(`[aria-label="Backend live"]`, "stale")
	p.shot("stale")
	consul.StartAgain()
	p.reads(".notice.bad", "Service shop is held", "5 instances", "stay in use")
	p.reads(`[aria-label="Backend live"]`, "held", "2/2")
	p.shot("held")
	p.click(".notice .danger")
	p.reads("dialog", "Accept Consul's list for shop?")
	p.click("dialog .danger")
	p.reads(".toasts", "Consul's list for shop is accepted")
	p.sees(`![...document.querySelectorAll(".notice.bad")].some(e => e.innerText.includes("is held"))`)
	p.reads(`[aria-label="Backend live"]`, "No members")
}

// Before Consul has answered nothing is said of what it has.
func TestServiceThatIsNotKnownYet(t *testing.T) {
	testkit.Tool(t, "chromium")
	n := newNode(t, "127.0.0.1:1")
	n.start()
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	p := openPage(t, n, "/overview", look{})
	p.reads(".notice.info", "Consul has not answered yet for shop")
	p.reads(`[aria-label="Backend live"]`, "unknown", "Consul has not answered for shop yet")
	p.click(`[title^="Switch live"]`)
	p.reads("dialog", "unknown", "Until then, the agent refuses a switch")
	p.sees(`!document.body.innerText.includes("no healthy instance") && !document.body.innerText.includes("not in Consul")`)
}

func TestActivityPage(t *testing.T) {
	n := loaded(t)
	for i := range 70 { // more than the stream begins with
		n.call(200, http.MethodPost, "/backends/live", fmt.Sprintf(`{"version":"1.%d.0"}`, i%2))
	}
	p := openPage(t, n, "/activity", look{})
	p.reads(".event:first-child", "Backend switched", "backend/live", "runtime")
	p.sees(`document.querySelectorAll(".event").length >= 50`)
	n.call(200, http.MethodPut, "/backends/other", `{"type":"static"}`)
	p.reads(".events", "backend/other put")
	p.click(".event:first-child summary")
	p.reads(".event:first-child .about", "PUT /backends/other", "anonymous@127.0.0.1", "Revision", "Took")
	p.shot("activity")

	p.sees(`!document.querySelector(".events").innerText.includes("Agent started")`)
	p.click(".more .button")
	p.sees(`document.querySelectorAll(".event").length > 100`)
	p.write(".search input", "agent started")
	p.reads(".event", "Agent started") // further back than what was shown
	p.visit("/activity?verb=backendSwitched&object=backend/live")
	p.sees(`[...document.querySelectorAll(".event .verb")].every(e => e.textContent === "Backend switched") && document.querySelector(".event")`)
	p.visit("/activity?q=no+such+words")
	p.reads(".empty", "No matches")
}

func TestConfigPage(t *testing.T) {
	n := loaded(t)
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0","balance":"leastconn"}`)
	testkit.Eventually(t, patience, func() error {
		if _, list := n.try(http.MethodGet, "/haproxy/configs", ""); !strings.Contains(list, `"revision":3`) {
			return errors.New("the third revision is not recorded yet")
		}
		return nil
	})
	p := openPage(t, n, "/config", look{})
	p.reads(".source", "frontend web", "bind "+n.address(), "balance leastconn")
	p.sees(`document.querySelectorAll(".t-keyword").length > 10 && document.querySelectorAll(".t-section").length > 3`)
	p.reads(".entries", "Revision 3", "PUT /backends/live by anonymous@127.0.0.1", "reload")
	p.shot("config")
	p.click(".entries li:nth-child(2) button")
	p.reads(".code.added", "balance leastconn")
	p.reads(".code.removed", "balance roundrobin")
	p.sees(`location.search.startsWith("?n=")`)
	p.shot("config-diff")
	n.call(200, http.MethodDelete, "/frontends/web", "")
	p.reads(".entries", "DELETE /frontends/web")
}

func TestLoginAndRoles(t *testing.T) {
	testkit.Tool(t, "chromium")
	file := t.TempDir() + "/tokens"
	if err := os.WriteFile(file, []byte("read viewer view-view-view-view\nadmin boss boss-boss-boss-boss\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address(), "--token-file", file)
	n.start()
	p := openPage(t, n, "/activity?verb=started", look{})
	p.excuse("401")
	p.sees(`location.pathname === "/login"`)
	p.shot("login")
	p.write("#token", "this-is-no-token-at-all")
	p.press("\r")
	p.reads(".problem", "token")
	p.write("#token", "view-view-view-view")
	p.press("\r")
	p.sees(`location.pathname === "/activity" && location.search === "?verb=started"`)
	p.reads(".who", "viewer", "read")
	p.reads(".events", "Agent started")
	p.click(`nav a[href="/overview"]`)
	p.reads(".empty", "No frontends and backends yet")
	p.sees(`document.querySelectorAll(".button[aria-disabled=true]").length === 3`)
	p.click(".empty .primary")
	p.reads(".toast", "This needs the role admin; viewer has the role read")
	p.shot("empty")
	p.click(`[aria-label="Log out"]`)
	p.sees(`location.pathname === "/login"`)
	p.visit("/overview")
	p.sees(`location.pathname === "/login"`)
	p.write("#token", "boss-boss-boss-boss")
	p.press("\r")
	p.sees(`location.pathname === "/overview" && !document.querySelector(".button[aria-disabled=true]")`)
}
