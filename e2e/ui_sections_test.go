package e2e_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thalassa/lb"
)

// Raw sections are listed, added, edited and removed on the page, at once or in a draft, by
// those who may, and HAProxy's answer shows.
func TestSectionsByClicking(t *testing.T) {
	n := guarded(t)
	p := login(t, n, boss, "/config?view=sections")
	p.excuse("400", "404", "409", "412", "422")
	for _, part := range []struct {
		name string
		test func(*testing.T, *node, *page)
	}{
		{"added", sectionIsAdded},
		{"edited", sectionIsEdited},
		{"deleted", sectionIsDeleted},
		{"draft", sectionsInADraft},
		{"looks", sectionsLookRight},
	} {
		t.Run(part.name, func(t *testing.T) { p.tb = t; part.test(t, n, p) })
	}
	p.tb = t
	t.Run("roles", func(t *testing.T) { sectionsByRole(t, n) })
}

func sectionIsAdded(t *testing.T, n *node, p *page) {
	t.Helper()
	p.reads(".empty", "No raw sections", "you can add one here")
	p.click(p.button(".toolbar", "Section"))
	p.reads("dialog h2", "New section")
	offered := slices.DeleteFunc(lb.SectionKinds(), func(k string) bool { return k == lb.SectionGlobal })
	slices.Sort(offered)
	p.sees(fmt.Sprintf(`[...document.querySelectorAll("#f-kind option")].slice(0, -2).map(o => o.value).join() === %q`, strings.Join(offered, ",")))
	p.click("dialog .primary")
	p.reads("#f-name-error", "Is missing")
	p.write("#f-name", "staff")

	// What HAProxy says, and which line is wrong.
	p.paste("#f-natives", "user ann insecure-password secret\nnonsense here")
	p.click("dialog .primary")
	p.reads("dialog .problem pre", "nonsense")
	p.sees(`(r => r.top >= 0 && r.bottom <= innerHeight)(document.querySelector(".problem pre").getBoundingClientRect())`)
	p.shot("refused")
	p.paste("#f-natives", "user ann insecure-password secret\n\nuser eve insecure-password \"$HOME\"")
	p.click("dialog .primary")
	p.reads("#f-natives-error", "Line 3:", "HOME")
	p.paste("#f-natives", "user ann insecure-password secret\n\n# the others\n  user bob insecure-password other")
	p.click("dialog .primary")
	p.reads(".toasts", "userlist staff is in effect (with a reload")
	p.reads(`[aria-label="userlist/staff"]`, "userlist staff", "user ann insecure-password secret", "# the others", "user bob insecure-password other")
	if !strings.Contains(n.config(), "userlist staff\n") {
		t.Error("it is not in haproxy.cfg")
	}
	p.click(p.button(".toolbar", "Section"))
	p.write("#f-name", "staff")
	p.paste("#f-natives", "user eve insecure-password x")
	p.click("dialog .primary")
	p.reads("dialog .problem", "userlist/staff exists already")
	p.click("dialog [aria-label=Close]")

	// Lines for the template's own sections have no name.
	p.click(p.button(".toolbar", "Section"))
	p.ask(choose("#f-kind", "global"), new(any))
	p.sees(`!document.querySelector("#f-name")`)
	p.paste("#f-natives", "maxconn 2000")
	p.click("dialog .primary")
	p.reads(`[aria-label="global"]`, "lines for global", "maxconn 2000")
	p.click(p.button(".toolbar", "Section"))
	p.ask(choose("#f-kind", "defaults"), new(any))
	p.write("#f-name", "slow")
	p.paste("#f-natives", "mode http\ntimeout connect 9s\ntimeout client 9s\ntimeout server 9s")
	p.click("dialog .primary")
	p.reads(`[aria-label="defaults/slow"]`, "timeout server 9s")
	p.click(p.button(".toolbar", "Section"))
	p.ask(choose("#f-kind", "listen"), new(any))
	p.write("#f-name", "stats")
	p.ask(choose("#f-defaults", "slow"), new(any))
	p.paste("#f-natives", "bind 127.0.0.2:"+strconv.Itoa(n.web)+"\nstats enable\nstats uri /")
	p.click("dialog .primary")
	p.reads(`[aria-label="listen/stats"]`, "from slow")

	p.write(".search input", "ann")
	p.sees(`document.querySelectorAll(".section").length === 1 && location.search === "?view=sections&q=ann"`)
	p.click(p.button(".tabs", "Raw sections"))
	p.sees(`document.querySelectorAll(".section").length === 4`)
}

// putSection stores a section as somebody else who may.
func (n *node) putSection(key, lines string) {
	n.shell(boss).run(0, lines, "sections", "put", key, "-")
}

func sectionIsEdited(t *testing.T, n *node, p *page) {
	t.Helper()
	p.click(`[aria-label="Edit userlist/staff"]`)
	p.reads("dialog h2", "Edit userlist staff")
	p.sees(`document.querySelector("#f-natives").value.startsWith("user ann")`)
	n.putSection("userlist/staff", "user ann insecure-password theirs")
	p.paste("#f-natives", "user ann insecure-password mine")
	p.click("dialog .primary")
	p.reads(".conflict", "Somebody else changed this section", "theirs", "mine")
	p.shot("conflict")
	p.click(".conflict .danger")
	p.reads(`[aria-label="userlist/staff"]`, "mine")
	p.sees(`!document.querySelector("dialog")`)
	if !strings.Contains(n.config(), "insecure-password mine") {
		t.Error("what was saved is not in haproxy.cfg")
	}
	n.putSection("userlist/staff", "user ann insecure-password later")
	p.reads(`[aria-label="userlist/staff"]`, "later") // without being asked for
}

func sectionIsDeleted(t *testing.T, n *node, p *page) {
	t.Helper()
	n.shell(boss).run(0, fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"files","natives":["http-request auth unless { http_auth(staff) }"]}`, n.web), "frontends", "put", "web", "-")
	p.click(`[aria-label="Delete userlist/staff"]`)
	p.click("dialog .danger")
	p.reads("dialog .problem", "frontend/web")
	p.sees(`document.querySelector('dialog .links a[href="/overview/frontends/web"]')`)
	p.click("dialog [aria-label=Close]")
	p.click(`[aria-label="Delete global"]`)
	p.reads("dialog", "Delete lines for global?")
	p.sees(`!document.querySelector("dialog .danger").disabled`)
	n.putSection("global", "maxconn 2001") // which the question is not about
	p.click("dialog .danger")
	p.reads("dialog .problem", "has changed")
	p.click("dialog [aria-label=Close]")
	p.click(`[aria-label="Delete global"]`)
	p.click("dialog .danger")
	p.reads(".toasts", "lines for global is deleted")
	p.sees(`!document.querySelector("[aria-label='global']")`)
	if strings.Contains(n.config(), "maxconn 2001") {
		t.Error("its lines are in haproxy.cfg")
	}
}

func sectionsInADraft(t *testing.T, n *node, p *page) {
	t.Helper()
	before := n.config()
	n.shell(boss).run(0, "", "draft", "new", "quiet")
	p.visit("/drafts")
	p.click(p.button(".drafts", "Edit in this draft"))
	p.reads(".strip.draft", "0 pending edits")
	p.visit("/config?view=sections")
	p.click(p.button(".toolbar", "Section"))
	p.reads("dialog h2", "New section in draft quiet")
	p.ask(choose("#f-kind", "defaults lines"), new(any))
	p.paste("#f-natives", "timeout queue 5s")
	p.click("dialog .primary")
	p.reads(".toasts", "section/defaults is in draft quiet", "Nothing is in effect yet")
	p.reads(`[aria-label="defaults"]`, "created in the draft", "timeout queue 5s")
	p.click(`[aria-label="Edit userlist/staff"]`)
	p.sees(`document.querySelector("#f-natives").value.startsWith("user ann")`)
	p.paste("#f-natives", "user ann insecure-password drafted")
	p.click("dialog .primary")
	p.reads(`[aria-label="userlist/staff"]`, "changed in the draft", "drafted")
	p.click(`[aria-label="Delete listen/stats"]`)
	p.reads("dialog", "In draft quiet: nothing happens before its commit")
	p.click("dialog .danger")
	p.reads(`[aria-label="listen/stats"]`, "deleted in the draft")
	p.reads(".strip.draft", "3 pending edits")
	p.shot("draft")
	p.click(`[aria-label="Keep listen/stats"]`)
	p.sees(`document.querySelector("[aria-label='Edit listen/stats']")`)
	if n.config() != before {
		t.Error("a draft changed haproxy.cfg")
	}
	p.click(".pending summary")
	p.click(`.pending a[href*="userlist"]`)
	p.sees(`document.querySelectorAll(".section").length === 1 && document.querySelector("[aria-label='userlist/staff']")`)
	p.click(p.button(".strip.draft", "Diff"))
	p.reads("main", "section/defaults", "section/userlist/staff", "HAProxy has checked the result")
	p.click(p.button(".strip.draft", "Commit"))
	p.reads(".toasts", "Draft quiet is committed")
	if c := n.config(); !strings.Contains(c, "timeout queue 5s") || !strings.Contains(c, "insecure-password drafted") {
		t.Errorf("the commit is not in haproxy.cfg:\n%s", c)
	}
}

func sectionsLookRight(t *testing.T, n *node, p *page) {
	t.Helper()
	n.putSection("userlist/"+strings.Repeat("x", 128), "user ann insecure-password "+strings.Repeat("y", 200))
	source := axe(t)
	for _, l := range []look{{}, {width: 820, height: 900}, {width: 390, height: 844, phone: true}} {
		p.look(l)
		p.visit("/config?view=sections")
		p.sees(`document.querySelector(".pulse.live") && document.querySelectorAll(".section").length === 5`)
		where := fmt.Sprintf("at %d", l.width)
		p.keepsTogether(where, l)
		p.sees(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`)
		p.barriers(source, where, allRules)
		p.legible(where, l)
		p.shot(strconv.FormatInt(l.width, 10))
		p.click(`[aria-label="Edit userlist/staff"]`)
		p.sees(`document.querySelector("#f-natives")`)
		p.barriers(source, "the form "+where, allRules)
		p.keepsTogether("the form "+where, l)
		p.shot(fmt.Sprintf("form-%d", l.width))
		p.click("dialog [aria-label=Close]")
		l.dark = true
		p.look(l)
		p.barriers(source, where+" in the dark", `["color-contrast", "link-in-text-block"]`)
		p.shot(fmt.Sprintf("%d-dark", l.width))
	}
	p.look(look{})
}

func sectionsByRole(t *testing.T, n *node) {
	t.Helper()
	for _, token := range []string{visitor, ship} {
		p := login(t, n, token, "/config?view=sections")
		p.reads(`[aria-label="userlist/staff"]`, "user ann")
		p.sees(`[...document.querySelectorAll("main .toolbar .button, .section .button")].every(e => e.getAttribute("aria-disabled") === "true")`)
		p.click(`[aria-label="Edit userlist/staff"]`)
		p.reads(".toasts", "This needs the role admin")
		p.visit("/config?view=sections&edit=userlist%2Fstaff")
		p.reads(`[aria-label="userlist/staff"]`, "user ann")
		p.sees(`!document.querySelector("dialog")`)
	}
}
