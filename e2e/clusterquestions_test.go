package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// mostClicks is how many clicks from the page of the cluster to an answer are few enough.
const mostClicks = 3

// A reader answers questions from the pages of one node, and counts what it takes.
type reader struct {
	*page

	clicks int
}

// begins opens the page of the cluster, where each question begins.
func (r *reader) begins() {
	r.tb.Helper()
	r.visit("/cluster")
	r.reads(`[aria-label="Nodes and resources"]`, "vip")
	r.clicks = 0
}

// clicksOn clicks on a link or a button with a text.
func (r *reader) clicksOn(within, text string) {
	r.tb.Helper()
	r.counts(text)
	r.click(r.button(within, text))
}

// counts counts a click, or a key that leads to another view.
func (r *reader) counts(what string) {
	r.tb.Helper()
	if r.clicks++; r.clicks > mostClicks {
		r.tb.Fatalf("%q would be click %d, and %d are enough", what, r.clicks, mostClicks)
	}
}

// row is a selector of the row of a table that has all of the words, once there is one.
func (r *reader) row(table string, words ...string) string {
	r.tb.Helper()
	return r.rowBy("find", table, words)
}

// oldest is row for the last row of those with the words, in a table with the newest first.
func (r *reader) oldest(table string, words ...string) string {
	r.tb.Helper()
	return r.rowBy("findLast", table, words)
}

func (r *reader) rowBy(find, table string, words []string) string {
	r.tb.Helper()
	list := strings.Builder{}
	for _, w := range words {
		fmt.Fprintf(&list, " && e.innerText.includes(%q)", w)
	}
	r.sees(fmt.Sprintf(`(e => { document.querySelector("[data-row]")?.removeAttribute("data-row"); e?.setAttribute("data-row", ""); return e; })(
		[...document.querySelectorAll(%q)].%s(e => true%s))`, table+" tbody tr", find, list.String()))
	return "[data-row]"
}

// is compares the time at the beginning of a row with what the test has recorded.
func (r *reader) is(row string, from, to time.Time) {
	r.tb.Helper()
	var text string
	r.ask(fmt.Sprintf(`document.querySelector(%q + " td").innerText`, row), &text)
	r.between(text, from, to)
}

// asks looks when the page says that a job was asked for.
func (r *reader) asks(selector string, at time.Time) {
	r.tb.Helper()
	var text string
	r.ask(fmt.Sprintf(`document.querySelector(%q).innerText.match(/ at ((\S+ )?\d\d:\d\d:\d\d)/)?.[1] ?? ""`, selector), &text)
	r.between(text, at, at.Add(asking))
}

// between compares a time of a page with the record.
func (r *reader) between(text string, from, to time.Time) {
	r.tb.Helper()
	form := "15:04:05"
	if strings.Contains(text, "-") {
		form = time.DateTime
	}
	shown, err := time.ParseInLocation(form, strings.TrimSpace(text), time.Local)
	if err != nil {
		r.tb.Fatal(err)
	}
	if form == "15:04:05" {
		shown = time.Date(from.Year(), from.Month(), from.Day(), shown.Hour(), shown.Minute(), shown.Second(), 0, time.Local)
	}
	if shown.Before(from.Truncate(time.Second)) || shown.After(to) {
		r.tb.Errorf("the page says %s, and it was between %s and %s", text, from.Format("15:04:05.000"), to.Format("15:04:05.000"))
	}
}

const (
	transitionsTable = `[aria-label="Transitions"]`
	// asking is how long a request may take to become a job.
	asking = 3 * time.Second
)

// questions asks the pages of a node, and compares the answers with the record.
func (a *afternoon) questions(t *testing.T, p *page) {
	t.Helper()
	r := &reader{page: p}
	for _, q := range []struct {
		text   string
		answer func(r *reader)
	}{
		{"who put a node into standby, and took it back, and when?", a.whoStandby},
		{"what did ann change?", a.whatAnnChanged},
		{"what did the job of that change do?", a.whatTheJobDid},
		{"who placed app elsewhere, and what came of it?", a.whoPlaced},
		{"which operation failed, where and why?", a.whatFailed},
		{"who asked for the move of vip, and was it done?", a.whoMoved},
		{"why did vip move?", a.whyMoved},
		{"how long did the failover take, and what took time?", a.howLong},
		{"what would not have been done had the node not been fenced?", a.unlessFenced},
		{"what would have happened had the node not failed?", a.unlessFailed},
		{"what became of the node without a cable?", a.whatOfTheCable},
		{"where did vip run while its node was dead?", a.whereThen},
		{"who was the DC, which is dead now?", a.whoWasDC},
		{"what did the node that is dead now log then?", a.whatItLogged},
		{"where did vip go, one after the other?", a.placesOfVIP},
	} {
		t.Run(q.text, func(t *testing.T) {
			r.tb = t
			r.begins()
			q.answer(r)
			t.Logf("%d clicks", r.clicks)
			r.shot("answer")
		})
	}
	r.tb = t
}

func (a *afternoon) whoStandby(r *reader) {
	r.clicksOn(".head", "History")
	r.is(r.row(transitionsTable, "ben: standby node/"+a.lost.Name), a.when["ben standby"].begun, a.when["ben standby"].done)
	r.is(r.row(transitionsTable, "ben: online node/"+a.lost.Name), a.when["ben online"].begun, a.when["ben online"].done)
}

func (a *afternoon) whatAnnChanged(r *reader) {
	r.clicksOn(".head", "History")
	row := r.row(transitionsTable, "ann: configure primitives/app")
	r.is(row, a.when["ann changes app"].begun, a.when["ann changes app"].done)
	r.clicksOn(row, "ann: configure primitives/app")
	r.reads(`[aria-label="Who"]`, "ann: configure primitives/app", "by the agent of "+a.dc.Name)
	r.asks(`[aria-label="Who"]`, a.when["ann changes app"].begun)
	r.reads(`[aria-label="Configuration"] pre`, "+ ", `name="priority" value="7"`)
	r.sees(`document.querySelectorAll('[aria-label="Configuration"] pre').length === 1`)
}

func (a *afternoon) whatTheJobDid(r *reader) {
	r.clicksOn(".head", "History")
	r.clicksOn(r.row(transitionsTable, "ann: configure primitives/app"), "ann: configure primitives/app")
	r.clicksOn(`[aria-label="Who"]`, "job ")
	r.reads(`[aria-label="Job"]`, "ann: configure primitives/app", "on "+a.dc.Name, "done")
}

func (a *afternoon) whoPlaced(r *reader) {
	r.clicksOn(".head", "History")
	row := r.row(transitionsTable, "cleo: configure locations/app-home")
	r.is(row, a.when["cleo places app"].begun, a.when["cleo places app"].done)
	r.clicksOn(row, "")
	r.reads(`[aria-label="What led to it"]`, "cleo: configure locations/app-home")
	r.asks(`[aria-label="What led to it"]`, a.when["cleo places app"].begun)
	r.row(`[aria-label="Decisions"]`, "move", "app", "→ "+a.asked.Name)
}

func (a *afternoon) whatFailed(r *reader) {
	r.clicksOn(".head", "History")
	row := r.oldest(transitionsTable, "recover app on "+a.failed) // until it is done, each run of the scheduler decides it
	r.is(row, a.when["app fails"].begun, a.when["app fails"].done)
	r.clicksOn(row, "")
	r.reads(`[aria-label="What led to it"]`, "monitor of app failed on "+a.failed, "not running")
	r.row(`[aria-label="Decisions"]`, "recover", "app", a.failed)
}

func (a *afternoon) whoMoved(r *reader) {
	r.clicksOn(".head", "History")
	row := r.row(transitionsTable, "cleo: move", "vip", "→ "+a.lost.Name)
	r.is(row, a.when["cleo moves vip"].begun, a.when["cleo moves vip"].done)
	r.clicksOn(row, "cleo: move")
	r.clicksOn(`[aria-label="Who"]`, "job ")
	r.reads(`[aria-label="Job"]`, "cleo: move", "done")
}

// fencedRow is the row of the transition that fenced the killed node.
func (a *afternoon) fencedRow(r *reader) string {
	r.tb.Helper()
	return r.row(transitionsTable, "Fence (reboot) "+a.lost.Name, "vip "+a.from+" → "+a.to)
}

func (a *afternoon) whyMoved(r *reader) {
	r.clicksOn(".head", "History")
	row := a.fencedRow(r)
	r.is(row, a.when["the node is killed"].begun, a.when["the node is killed"].done)
	r.clicksOn(row, "")
	r.ask(`new URLSearchParams(location.search).get("id")`, &a.fencing)
	r.row(`[aria-label="Decisions"]`, "Fence", a.lost.Name, "peer is no longer part of the cluster")
	r.row(`[aria-label="Decisions"]`, "move", "vip", a.from+" → "+a.to)
}

func (a *afternoon) howLong(r *reader) {
	r.clicksOn(".head", "History")
	r.clicksOn(a.fencedRow(r), "")
	r.clicksOn(".tabs", "Explanation")
	r.reads(`[aria-label="Explanation"]`, a.lost.Name+" was lost; started: ", "vip on "+a.to, "Detection", "Membership", "Fencing")
}

func (a *afternoon) unlessFenced(r *reader) {
	r.clicksOn(".head", "History")
	r.clicksOn(a.fencedRow(r), "")
	r.reads(`[aria-label="What if?"]`, "Had "+a.lost.Name+" not been fenced:", "start vip on "+a.to)
}

func (a *afternoon) unlessFailed(r *reader) {
	r.clicksOn(".head", "History")
	r.clicksOn(a.fencedRow(r), "")
	r.clicksOn(`[aria-label="What if?"]`, "Had "+a.lost.Name+" not failed?")
	r.reads(`[aria-label="The past"]`, "This is the past")
	r.reads(`[aria-label="Decisions"]`, "Supposed: node "+a.lost.Name)
	r.sees(`!document.querySelector('[aria-label="Decisions"]').innerText.includes("vip")`)
}

func (a *afternoon) whatOfTheCable(r *reader) {
	r.clicksOn(`[aria-label="Nodes and resources"] thead`, a.asked.Name)
	r.clicksOn(".head", "History")
	row := r.row(transitionsTable, "Fence (reboot) "+a.asked.Name)
	r.is(row, a.when["the cable is out"].begun, a.when["the cable is out"].done)
	r.clicksOn(row, "")
	r.row(`[aria-label="Decisions"]`, "Fence", a.asked.Name, "peer is no longer part of the cluster")
}

func (a *afternoon) whereThen(r *reader) {
	r.clicksOn(".head", "History")
	r.counts("the field of a time")
	r.click(`[aria-label="Any instant"] input`)
	r.paste(`[aria-label="Any instant"] input`, a.when["the node is killed"].ended.Local().Format("2006-01-02T15:04:05"))
	r.clicksOn(`[aria-label="Any instant"]`, "Show")
	r.reads(`[aria-label="The past"]`, "This is the past")
	r.reads(`[aria-label="Floating IPs"]`, "on "+a.to)
}

func (a *afternoon) whoWasDC(r *reader) {
	r.clicksOn(".head", "History")
	for _, words := range [][]string{{"ben: standby"}, {"recover app"}, {"cleo: move"}} {
		row := r.row(transitionsTable, words...)
		r.sees(fmt.Sprintf(`document.querySelector(%q + " td:nth-child(3)").innerText === %q`, row, a.dc.Name))
	}
}

func (a *afternoon) whatItLogged(r *reader) {
	r.clicksOn(".head", "History")
	r.clicksOn(a.fencedRow(r), "")
	r.clicksOn(".tabs", "Logs")
	r.row(`[aria-label="Logs"]`, a.dc.Name, "pacemaker-", a.lost.Name)
}

func (a *afternoon) placesOfVIP(r *reader) {
	r.clicksOn(`[aria-label="Nodes and resources"] tbody`, "vip")
	r.clicksOn(".head", "History")
	r.row(transitionsTable, "vip", "→ "+a.lost.Name)
	r.row(transitionsTable, "vip "+a.from+" → "+a.to)
}

// read has ann log in at the pages of a node, and read.
func (a *afternoon) read(t *testing.T) {
	t.Helper()
	p := openPage(t, a.servedAt(a.asked.Name, "127.0.0.1:10000"), "/cluster", look{width: 1280, height: 1100})
	p.excuse("401", "data:image/svg+xml") // nobody has logged in, and the icon in Chromium's own field for a time
	p.signIn("ann", "/cluster")
	a.questions(t, p)
	for _, path := range []string{"/history", "/history?id=" + a.fencing} { // the pictures are of the last one
		p.visit(path)
		p.reads("main", "Fence (reboot)", a.lost.Name)
		p.barriers(axe(t), path, allRules)
		p.shot("desktop")
		p.legible(path+" on a phone", look{width: 390, height: 844, phone: true})
		p.look(look{width: 390, height: 844, phone: true})
		p.sees(`document.documentElement.scrollWidth <= 390`)
		p.shot("phone")
		p.look(look{width: 1280, height: 1100})
	}
}
