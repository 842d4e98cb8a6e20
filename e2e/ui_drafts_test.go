package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

const (
	boss    = "boss-boss-boss-boss"
	visitor = "view-view-view-view"
	ship    = "ship-ship-ship-ship"
)

// guarded is a node that asks for a token, with backend live of service shop, and a static
// backend files that frontend web leads to.
func guarded(t *testing.T) *node {
	t.Helper()
	testkit.Tool(t, "chromium")
	file := t.TempDir() + "/tokens"
	tokens := "read viewer " + visitor + "\ndeploy shipper " + ship + "\nadmin boss " + boss + "\n"
	if err := os.WriteFile(file, []byte(tokens), 0o600); err != nil {
		t.Fatal(err)
	}
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address(), "--token-file", file)
	n.start()
	service(t, consul, "1.0.0", 1)
	service(t, consul, "1.1.0", 1)
	s := n.shell(boss)
	s.run(0, `{"type": "dynamic", "name": "shop", "version": "1.0.0"}`, "backends", "put", "live", "-", "--wait", "30s")
	s.run(0, `{"type": "static", "members": [{"host": "127.0.0.1", "port": 9}]}`, "backends", "put", "files", "-")
	s.run(0, fmt.Sprintf(`{"bind": "127.0.0.1:%d", "backend": "files"}`, n.web), "frontends", "put", "web", "-")
	return n
}

// login opens a page as the owner of a token.
func login(t *testing.T, n *node, token, path string) *page {
	t.Helper()
	return loginWith(t, n, token, path, look{})
}

// loginWith is login with a look.
func loginWith(t *testing.T, n *node, token, path string, l look) *page {
	t.Helper()
	p := openPage(t, n, path, l)
	p.excuse("401")
	p.write("#token", token)
	p.press("\r")
	p.sees(fmt.Sprintf(`location.pathname + location.search === %q`, path))
	return p
}

// button is a selector of the button with a text in what another selector finds; a test
// marks it first.
func (p *page) button(within, text string) string {
	p.tb.Helper()
	p.sees(fmt.Sprintf(`(e => { document.querySelector("[data-here]")?.removeAttribute("data-here"); e?.setAttribute("data-here", ""); return e; })(
		[...document.querySelectorAll(%q)].find(e => e.innerText.trim().startsWith(%q)))`, within+" :is(button, a, summary)", text))
	return "[data-here]"
}

func TestDraftsAndRevisionsByClicking(t *testing.T) {
	n := guarded(t)
	p := login(t, n, boss, "/drafts")
	p.excuse("409", "404", "422")
	t.Run("draft", func(t *testing.T) { p.tb = t; draftIsEditedAndCommitted(t, n, p) })
	t.Run("conflict", func(t *testing.T) { p.tb = t; conflictIsResolved(t, n, p) })
	t.Run("rollback", func(t *testing.T) { p.tb = t; revisionIsRestored(t, n, p) })
	p.tb = t
	t.Run("roles", func(t *testing.T) { draftsByRole(t, n) })
}

// Edits go to the draft and nowhere else, the pages show them, and one click commits them.
func draftIsEditedAndCommitted(t *testing.T, n *node, p *page) {
	t.Helper()
	before := n.config()
	p.reads(".empty", "No drafts")
	p.click(p.button(".head", "Draft"))
	p.write("#f-message", "for the sale")
	p.click("dialog .primary")
	p.sees(`location.pathname === "/overview"`)
	p.reads(".strip.draft", "Editing draft 1", "0 pending edits", "Diff", "Commit", "Leave")

	p.click(p.button(".head", "Backend"))
	p.reads("dialog h2", "New backend in draft 1")
	p.write("#f-key", "sale")
	p.ask(choose("#f-type", "static"), new(any))
	p.write("#f-members-0-host", "127.0.0.1")
	p.write("#f-members-0-port", "10")
	p.click("dialog .primary")
	p.sees(`location.pathname === "/overview/backends/sale" && !document.querySelector("dialog")`)
	p.reads(".toasts", "backend/sale is in draft 1", "Nothing is in effect yet")
	p.reads(".strip.draft", "1 pending edit")
	p.reads("main", "created in the draft", "only in the draft")
	p.visit("/overview/frontends/web?edit=1")                                                   // another load of the page
	p.sees(`[...document.querySelectorAll("#f-backend option")].some(o => o.value === "sale")`) // its own writes
	p.ask(choose("#f-backend", "sale"), new(any))
	p.click("dialog .primary")
	p.reads(".strip.draft", "2 pending edits")
	p.reads("main", "changed in the draft", "sale")
	p.visit("/overview")
	p.click(`[title^="Switch live"]`)
	p.click(`dialog input[value="1.1.0"]`)
	p.click("dialog .primary")
	p.reads(`[aria-label="Backend live"]`, "1.1.0", "changed in the draft")
	p.reads(".strip.draft", "3 pending edits")
	p.click(".pending summary")
	p.reads(".pending ul", "backend/live", "backend/sale", "frontend/web")
	p.shot("draft")
	if n.config() != before {
		t.Error("a draft changed haproxy.cfg")
	}
	if out, _ := n.shell(boss).run(0, "", "export"); strings.Contains(out, "1.1.0") || strings.Contains(out, "sale") {
		t.Errorf("the draft is in effect: %s", out)
	}

	p.click(p.button(".strip.draft", "Diff"))
	p.sees(`location.pathname === "/drafts/1"`)
	p.reads("main", "for the sale", "3 pending edits", "reload", "backend/sale created", "HAProxy has checked the result")
	p.reads(`[aria-label="frontend/web"]`, "backend", "files", "sale")
	p.reads(".code.added", "backend sale")
	p.shot("draft-diff")

	// A deletion can be taken back.
	p.visit("/overview/backends/live")
	p.click(p.button(".head", "Delete"))
	p.reads("dialog", "In draft 1: nothing happens before its commit")
	p.click("dialog .danger")
	p.reads(`[aria-label="Backend live"]`, "deleted in the draft")
	p.visit("/overview/backends/live")
	p.click(p.button(".head", "Keep it"))
	p.reads(".strip.draft", "2 pending edits")
	p.reads(".head", "Edit", "1.0.0")

	// HAProxy's own words stand where the change does.
	p.visit("/overview/backends/sale?edit=1")
	p.click(".more-fields:last-of-type summary")
	p.write("#f-natives", "no-such-keyword at all")
	p.click("dialog .primary")
	p.reads(".toasts", "backend/sale is in draft 1")
	p.click(p.button(".strip.draft", "Commit"))
	p.sees(`location.pathname === "/drafts/1"`)
	p.reads(".toasts", "Draft 1 is not committed")
	p.reads("main .problem pre", "no-such-keyword")
	p.shot("draft-refused")
	p.visit("/overview/backends/sale?edit=1")
	p.write("#f-natives", " ")
	p.click("dialog .primary")
	p.reads(".toasts", "backend/sale is in draft 1")

	p.click(p.button(".strip.draft", "Diff"))
	p.reads("main", "HAProxy has checked the result")
	p.click(".commit .primary")
	p.reads(".toasts", "Draft 1 is committed as revision 4", "with one reload")
	p.sees(`location.pathname === "/drafts" && !document.querySelector(".strip.draft")`)
	p.reads(".empty", "No drafts")
	n.shell(boss).run(0, "", "backends", "get", "sale")
}

// Whoever commits after somebody else chooses whose change counts.
func conflictIsResolved(t *testing.T, n *node, p *page) {
	t.Helper()
	s := n.shell(boss)
	put := func(port int, flags ...string) {
		t.Helper()
		s.run(0, fmt.Sprintf(`{"type": "static", "members": [{"host": "127.0.0.1", "port": %d}]}`, port), append([]string{"backends", "put", "files", "-"}, flags...)...)
	}
	s.run(0, "", "draft", "new", "mine")
	p.visit("/drafts")
	p.click(p.button(".drafts", "Edit in this draft"))
	p.reads(".strip.draft", "Editing draft mine")
	put(11, "--draft", "mine")
	put(12)
	p.click(p.button(".strip.draft", "Diff"))
	p.reads(".conflict", "Somebody else has changed an object", "backend/files", "Rebase", "Drop mine")
	p.reads(`[aria-label="backend/files"]`, "12", "11")
	p.reads(".strip.draft", "1 conflict")
	p.shot("draft-conflict")
	p.click(p.button(".strip.draft", "Commit"))
	p.reads(".toasts", "backend/files changed since the draft did")
	p.click(p.button(".conflict", "Rebase"))
	p.sees(`!document.querySelector(".conflict") && document.querySelector(".commit")`)
	put(13)
	p.reads(".conflict", "backend/files")
	p.click(p.button(".conflict", "Drop mine"))
	p.sees(`!document.querySelector(".conflict")`)
	p.reads("main", "0 pending edits", "Nothing would change")
	put(14, "--draft", "mine")
	p.visit("/drafts/mine")
	p.click(".commit .primary")
	p.reads(".toasts", "Draft mine is committed as revision 7")
	if out, _ := s.run(0, "", "backends", "get", "files", "-o", "json"); !strings.Contains(out, "14") {
		t.Errorf("after the commit: %s", out)
	}

	s.run(0, "", "draft", "new", "gone")
	p.visit("/drafts/gone")
	p.click(p.button(".head", "Delete"))
	p.reads("dialog", "Delete draft gone?")
	p.click("dialog .danger")
	p.reads(".toasts", "Draft gone is deleted")
	p.reads(".empty", "No drafts")
}

// Two revisions are compared, and one is restored after a look at what that does.
func revisionIsRestored(t *testing.T, n *node, p *page) {
	t.Helper()
	p.visit("/config?view=revisions")
	p.reads(".entries", "Revision 7", "POST /drafts/mine/commit by boss", "draft mine", "for the sale", "reload")
	p.click(p.button(".entries", "Revision 4"))
	p.reads(".comparison", "frontend/web", "backend/sale", "created", "Roll back to revision 4")
	p.reads(".code.added", "backend sale")
	p.ask(choose(".comparison select", "1"), new(any))
	p.sees(`location.search === "?view=revisions&r=4&with=1"`)
	p.reads(".comparison", "backend/files", "backend/sale", "frontend/web")
	p.shot("revisions")
	p.click(p.button(".entries", "Revision 3"))
	p.reads(".comparison", "Roll back to revision 3")
	p.click(p.button(".comparison", "Roll back to revision 3"))
	p.reads("dialog", "What the rollback does", "reload", "backend/sale", "deleted", "HAProxy has checked the result")
	p.shot("rollback")
	p.click("dialog .primary")
	p.reads(".toasts", "Everything is as of revision 3 as revision 8")
	p.reads(".entries", "Revision 8", "restore revision 3")
	n.shell(boss).run(3, "", "backends", "get", "sale")
	p.click(p.button(".comparison", "Undo this revision"))
	p.reads("dialog", "backend/sale", "created")
	p.click("dialog .primary")
	p.reads(".toasts", "Everything is as of revision 7 as revision 9")
	n.shell(boss).run(0, "", "backends", "get", "sale")

	// On a phone, in the dark, and with axe-core.
	n.shell(boss).run(0, "", "draft", "new", "later", "--message", "on the phone")
	n.shell(boss).run(0, `{"type": "static", "balance": "source"}`, "backends", "put", "files", "-", "--draft", "later")
	p.visit("/drafts")
	p.click(p.button(".drafts", "Edit in this draft"))
	p.reads(".strip.draft", "1 pending edit")
	source := axe(t)
	for _, path := range []string{"/drafts", "/drafts/later", "/config?view=revisions", "/drafts?new=1"} {
		p.look(look{})
		p.visit(path)
		p.sees(`document.querySelector(".pulse.live") && !document.querySelector("main .loading")`)
		p.barriers(source, path, allRules)
		p.look(look{width: 390, height: 844, phone: true, dark: true})
		p.barriers(source, path+" in the dark", `["color-contrast", "link-in-text-block"]`)
		p.keepsTogether(path, look{width: 390})
		p.shot("phone" + strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path))
	}
	p.tap(`dialog [aria-label="Close"]`)
	p.visit("/drafts/later")
	p.tap(".commit .primary")
	p.reads(".toasts", "Draft later is committed as revision 10")
}

// What a role may not do is not offered.
func draftsByRole(t *testing.T, n *node) {
	t.Helper()
	n.shell(boss).run(0, "", "draft", "new", "shared")
	n.shell(boss).run(0, `{"type": "static"}`, "backends", "put", "extra", "-", "--draft", "shared")
	p := login(t, n, visitor, "/drafts")
	p.reads(".drafts", "shared", "1 pending edit", "begun by boss")
	p.sees(`[...document.querySelectorAll("main .button")].every(e => e.getAttribute("aria-disabled") === "true")`)
	p.visit("/drafts/shared")
	p.reads("main", "backend/extra", "You need the role deploy")
	p.visit("/config?view=revisions")
	p.reads(".entries", "Revision 10")
	p.click(p.button(".comparison", "Undo"))
	p.reads(".toasts", "This needs the role admin")

	p = login(t, n, ship, "/drafts")
	p.click(p.button(".drafts", "Edit in this draft"))
	p.reads(".strip.draft", "Editing draft shared", "Diff")
	p.sees(`!document.querySelector(".strip.draft").innerText.includes("Commit")`)
	p.visit("/overview")
	p.click(`[title^="Switch live"]`)
	p.click(`dialog input[value="1.1.0"]`)
	p.click("dialog .primary")
	p.reads(".strip.draft", "2 pending edits")
	p.visit("/drafts/shared")
	p.reads("main", "What a commit does", "backend/live")
	p.sees(`document.querySelector(".commit .primary").getAttribute("aria-disabled") === "true"`)
	p.visit("/overview/backends/live")
	p.reads(".members", "UP")
	p.sees(`document.querySelector(".members .operator .button").disabled`) // it would be in effect at once
}
