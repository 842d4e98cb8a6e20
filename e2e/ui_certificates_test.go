package e2e_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

const (
	operator = "operator-operator"
	limited  = "limited-limited-limited"
)

// A shelf is a node with certificates of every kind, for those who hold a token: boss, the
// operator, visitor and limited, who sees and changes certificate/s* only.
type shelf struct {
	*node
	ca  testkit.Authority
	tls int // port
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	testkit.Tool(t, "chromium")
	file := t.TempDir() + "/access.yaml"
	text := fmt.Sprintf(`tokens:
  - {name: boss, role: admin, sha256: %x}
  - {name: operator, role: operate, sha256: %x}
  - {name: visitor, role: read, sha256: %x}
  - {name: limited, role: admin, on: ["certificate/s*"], see: false, sha256: %x}
`, sha256.Sum256([]byte(boss)), sha256.Sum256([]byte(operator)), sha256.Sum256([]byte(visitor)), sha256.Sum256([]byte(limited)))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pebble := testkit.StartPebble(t, testkit.PebbleConfig{})
	n := newNode(t, "127.0.0.1:1", "--access-file", file, "--acme-allow-local", "--acme-http-port", strconv.Itoa(pebble.HTTPPort))
	n.web = pebble.HTTPPort
	n.start()
	s := &shelf{node: n, ca: testkit.NewAuthority(t), tls: testkit.Port(t)}
	s.send(http.MethodPut, "/certificates/corp", fmt.Sprintf(`{"chain":%q}`, s.ca.PEM))
	s.send(http.MethodPut, "/certificates/shop", s.ca.Issue(t, "shop.example", "www.shop.example", "static.shop.example", "img.shop.example").Body())
	day := 24 * time.Hour
	s.send(http.MethodPut, "/certificates/soon", s.ca.IssueFor(t, time.Now().Add(-85*day), time.Now().Add(5*day+time.Hour), "soon.example").Body())
	s.send(http.MethodPut, "/backends/files", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	s.send(http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":%q,"backend":"files","tls":{"bind":"127.0.0.1:%d","certificates":["shop"]}}`, n.address(), s.tls))
	s.send(http.MethodPut, "/certificates/ordered", orderBody(pebble, "ordered.example"))
	testkit.Eventually(t, 2*patience, func() error {
		order, _ := s.send(http.MethodGet, "/certificates/ordered", "")["acme"].(map[string]any)
		if order["state"] == "failed" { // its next attempt is far off
			s.send(http.MethodPost, "/certificates/ordered/renew", "")
		}
		if order["state"] != "issued" {
			return fmt.Errorf("the order stands at %v", order)
		}
		return nil
	})
	return s
}

// send makes a request as boss, which must succeed, and returns the answer.
func (s *shelf) send(method, path, body string) map[string]any {
	s.tb.Helper()
	req, err := http.NewRequestWithContext(s.tb.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", s.api, path), strings.NewReader(body))
	if err != nil {
		s.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+boss)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		s.tb.Fatalf("%s %s: %d %s, %v", method, path, resp.StatusCode, text, err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil && len(text) > 0 {
		s.tb.Fatal(err)
	}
	return out
}

// remove deletes a certificate, and waits until the rows below it have moved up.
func (s *shelf) remove(p *page, name string) {
	s.tb.Helper()
	s.send(http.MethodDelete, "/certificates/"+name, "")
	p.sees(fmt.Sprintf(`!document.querySelector(%q)`, rowOf(name)))
}

// rowOf is a selector of a certificate on the page.
func rowOf(name string) string { return fmt.Sprintf(`tr[id="certificate/%s"]`, name) }

// paste has a field hold a text of many lines.
func (p *page) paste(selector, text string) {
	p.tb.Helper()
	p.ask(fmt.Sprintf(`(e => { e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); })(document.querySelector(%q))`, text, selector), new(any))
}

// choose has a field hold one of its options.
func (p *page) choose(selector, value string) {
	p.tb.Helper()
	p.ask(fmt.Sprintf(`(e => { e.value = %q; e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%q))`, value, selector), new(any))
}

// chooseFile has a field for files hold one.
func (p *page) chooseFile(selector, name, text string) {
	p.tb.Helper()
	p.ask(fmt.Sprintf(`(e => { const d = new DataTransfer(); d.items.add(new File([%q], %q)); e.files = d.files; e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%q))`, text, name, selector), new(any))
}

// The page shows what is stored, and what expires first; certificates are uploaded, replaced,
// renewed and deleted there, by those who may.
func TestCertificatesPage(t *testing.T) {
	s := newShelf(t)
	p := login(t, s.node, boss, "/certificates")
	p.excuse("400", "409", "412", "422")
	for _, part := range []struct {
		name string
		test func(*testing.T, *shelf, *page)
	}{
		{"shown", certificatesAreShown},
		{"renewed", certificateIsRenewedByClicking},
		{"uploaded", certificateIsUploaded},
		{"without issuer", certificateIsUploadedWithoutIssuer},
		{"revocation lists", revocationListsAreUploaded},
		{"ordered", certificateIsOrderedInTheForm},
		{"deleted", certificateIsDeletedByClicking},
		{"looks", certificatesLookRight},
	} {
		t.Run(part.name, func(t *testing.T) { p.tb, s.tb = t, t; part.test(t, s, p) })
	}
	p.tb, s.tb = t, t
	t.Run("roles", func(t *testing.T) { certificatesByRole(t, s) })
}

func certificatesAreShown(t *testing.T, s *shelf, p *page) {
	t.Helper()
	p.reads("nav [aria-current]", "Certificates")
	p.reads(rowOf("soon"), "soon.example", "5 days left", "CN=authority", "ECDSA P-256", "nothing", "uploaded", "Replace")
	p.reads(rowOf("shop"), "img.shop.example", "and 1 more", "59 days left", "frontend/web")
	p.reads(rowOf("corp"), "authority", "itself")
	p.sees(fmt.Sprintf(`document.querySelector(%q) && document.querySelector(%q)`, rowOf("soon")+" .badge.fair", rowOf("shop")+" .badge.good"))
	p.reads(rowOf("ordered"), "ordered.example", "ACME", "issued", "last renewal", "next renewal", "Renew now")
	p.sees(`[...document.querySelectorAll(".certificates tbody tr")].map(e => e.id.slice(12)).join() === "soon,ordered,corp,shop"`)

	p.write(".search input", "frontend/web")
	p.sees(fmt.Sprintf(`document.querySelector(%q) && !document.querySelector(%q) && location.search === "?q=frontend%%2Fweb"`, rowOf("shop"), rowOf("soon")))
	p.click(rowOf("shop") + ` a[href="/overview/frontends/web"]`)
	p.reads("h1", "web")

	// What a draft and the activity say of a certificate leads to it.
	s.send(http.MethodPost, "/drafts", `{"id":"later"}`)
	s.send(http.MethodPut, "/certificates/soon?draft=later", s.ca.Issue(t, "soon.example").Body())
	p.visit("/drafts")
	p.click(p.button(".drafts", "Edit in this draft"))
	p.reads(".strip.draft", "1 pending edit")
	p.click(".strip.draft summary")
	p.sees(`document.querySelector(".pending li").innerText.trim() === "certificate/soon"`)
	p.click(".pending li a")
	p.sees(fmt.Sprintf(`location.pathname === "/certificates" && document.querySelector(%q)`, rowOf("soon")))
	p.sees(`[...document.querySelectorAll(".certificates button, .head button")].every(e => e.disabled && e.title.includes("cannot be part of a draft"))`)
	p.click(p.button(".strip.draft", "Leave"))
	s.send(http.MethodDelete, "/drafts/later", "")
	p.visit("/certificates")
}

// serial is that of a certificate as the API has it.
func (s *shelf) serial(name string) string {
	s.tb.Helper()
	return fmt.Sprint(s.send(http.MethodGet, "/certificates/"+name, "")["serial"])
}

func certificateIsRenewedByClicking(t *testing.T, s *shelf, p *page) {
	t.Helper()
	before := s.serial("ordered")
	p.click(p.button(rowOf("ordered"), "Renew now"))
	p.reads(".toasts", "ordered is being ordered again")
	testkit.Eventually(t, 2*patience, func() error {
		if s.serial("ordered") == before {
			return fmt.Errorf("it is still the one with the serial number %s", before)
		}
		return nil
	})
	p.reads(rowOf("ordered"), "issued", "29 days left")
}

func certificateIsUploaded(t *testing.T, s *shelf, p *page) {
	t.Helper()
	pair, other := s.ca.Issue(t, "api.example"), s.ca.Issue(t, "other.example")
	p.click(p.button(".head", "Add"))
	p.click("dialog .primary")
	p.reads("#f-name-error", "Is missing")
	p.reads("#f-chain-error", "Is missing")
	p.write("#f-name", "no name")
	p.paste("#f-chain", pair.Chain)
	p.click("dialog .primary")
	p.reads("#f-name-error", "1 to 128 characters")

	// What the API says stands at its fields.
	p.write("#f-name", "api")
	p.click("dialog .primary")
	p.reads("#f-key-error", "is not the certificate of an authority")
	p.paste("#f-key", other.Key)
	p.click("dialog .primary")
	p.reads("#f-key-error", "belongs to none of the certificates")
	p.paste("#f-chain", "nonsense")
	p.click("dialog .primary")
	p.reads("#f-chain-error", "no block in PEM")
	p.chooseFile("#f-chain-file", "large.pem", strings.Repeat("x", 1<<20+1))
	p.reads("#f-chain-error", "in a file of 1048577 bytes; expected at most 1048576")
	p.sees(`!document.querySelector("#f-chain-error").innerText.includes("PEM")`)
	p.shot("errors")
	p.barriers(axe(t), "the form", allRules)
	p.legible("the form", look{})

	// Files do as well.
	p.chooseFile("#f-chain-file", "api.crt", pair.Chain)
	p.chooseFile("#f-key-file", "api.key", pair.Key)
	p.sees(`document.querySelector("#f-key").value.startsWith("-----BEGIN PRIVATE KEY")`)
	p.click("dialog .primary")
	p.reads(".toasts", "api is stored and in effect")
	p.reads(rowOf("api"), "api.example", "59 days left")
	if got := s.serial("api"); got != pair.Leaf.SerialNumber.Text(16) {
		t.Errorf("stored is %s", got)
	}

	// Nobody replaces one by accident, and whoever does sees what uses it.
	next := s.ca.Issue(t, "shop.example")
	p.click(p.button(rowOf("shop"), "Replace"))
	p.reads("dialog", "Replace shop", "frontend/web uses it")
	p.paste("#f-chain", next.Chain+next.Key)
	p.click("dialog .primary")
	p.reads(".toasts", "shop is stored and in effect")
	if got := (&edge{node: s.node, port: s.tls}).served("shop.example"); got != next.Leaf.SerialNumber.Text(16) {
		t.Errorf("HAProxy serves %s", got)
	}
	p.click(p.button(".head", "Add"))
	p.write("#f-name", "late")
	p.paste("#f-chain", other.Chain+other.Key)
	s.send(http.MethodPut, "/certificates/late", pair.Body()) // by somebody else meanwhile
	p.click("dialog .primary")
	p.reads("dialog .problem", "certificate/late")
	if got := s.serial("late"); got != pair.Leaf.SerialNumber.Text(16) {
		t.Errorf("what somebody else stored was replaced by %s", got)
	}
	p.click("dialog [aria-label=Close]")
	p.click(rowOf("late") + ` [aria-label="Replace late"]`)
	p.paste("#f-chain", other.Chain+other.Key)
	third := s.ca.Issue(t, "third.example")
	s.send(http.MethodPut, "/certificates/late", third.Body())
	p.click("dialog .primary")
	p.reads("dialog .problem", "certificate/late has changed")
	if got := s.serial("late"); got != third.Leaf.SerialNumber.Text(16) {
		t.Errorf("what somebody else stored was replaced by %s", got)
	}
	p.click("dialog [aria-label=Close]")
}

// The box allows a certificate whose issuer nobody here knows.
func certificateIsUploadedWithoutIssuer(t *testing.T, s *shelf, p *page) {
	t.Helper()
	foreign := testkit.NewAuthority(t)
	pair := foreign.Issue(t, "alone.example")
	alone := strings.TrimSuffix(pair.Chain, foreign.PEM)
	p.click(p.button(".head", "Add"))
	p.write("#f-name", "alone")
	p.paste("#f-chain", alone)
	p.paste("#f-key", pair.Key)
	p.click("dialog .primary")
	p.reads("#f-chain-error", "Lacks the certificate that issued CN=alone.example")
	p.click("#f-allowMissingIssuer")
	p.click("dialog .primary")
	p.reads(".toasts", "alone is stored and in effect")
	p.reads(rowOf("alone"), "alone.example", "CN=authority")
	s.remove(p, "alone")
}

// Revocation lists are stored with their authority, and replaced alone.
func revocationListsAreUploaded(t *testing.T, s *shelf, p *page) {
	t.Helper()
	other := testkit.NewAuthority(t)
	list := func(a testkit.Authority) string {
		return a.Revoke(t, time.Now().Add(-time.Hour), time.Now().Add(48*time.Hour), s.ca.Certificate)
	}
	p.click(p.button(rowOf("corp"), "Replace"))
	p.reads("dialog", "Replace corp")
	p.click("dialog details summary")
	p.paste("#f-crl", list(other))
	p.click("dialog .primary")
	p.reads("#f-crl-error", "is signed by none of the authorities")
	p.shot("list")
	p.chooseFile("#f-crl-file", "corp.crl", list(s.ca))
	p.sees(`document.querySelector("#f-crl").value.startsWith("-----BEGIN X509 CRL")`)
	p.click("dialog .primary")
	p.reads(".toasts", "corp is stored and in effect")
	p.reads(rowOf("corp"), "1 revoked, list until")
}

// What is to be ordered is said in the form, and changed there.
func certificateIsOrderedInTheForm(t *testing.T, s *shelf, p *page) {
	t.Helper()
	order, _ := s.send(http.MethodGet, "/certificates/ordered", "")["acme"].(map[string]any)
	p.click(p.button(".head", "Add"))
	p.write("#f-name", "clicked")
	p.choose("#f-source", "acme")
	p.click("dialog .primary")
	p.reads("#f-acme-domains-error", "Is missing")
	p.paste("#f-acme-domains", "clicked.example\n*.clicked.example\n10.0.0.1")
	p.click("dialog details summary")
	p.write("#f-acme-directory", "http://acme.example/")
	p.write("#f-acme-email", "nobody")
	p.paste("#f-acme-directoryCA", "nonsense")
	p.click("dialog .primary")
	p.reads("#f-acme-domains-error", "has a wildcard", "is an address")
	p.reads("#f-acme-directory-error", "is not the address of an ACME server")
	p.reads("#f-acme-directoryCA-error", "as text that is no block in PEM")
	p.reads("#f-acme-email-error", "is not a mail address")
	p.shot("order-errors")
	p.barriers(axe(t), "the form of an order", allRules)
	p.legible("the form of an order", look{})
	p.paste("#f-acme-domains", "clicked.example, www.clicked.example")
	p.write("#f-acme-directory", fmt.Sprint(order["directory"]))
	p.paste("#f-acme-directoryCA", fmt.Sprint(order["directoryCA"]))
	p.write("#f-acme-email", "admin@clicked.example")
	p.choose("#f-acme-keyType", "rsa")
	p.click("dialog .primary")
	p.reads(".toasts", "clicked is being ordered")
	p.reads(rowOf("clicked"), "clicked.example")
	p.shot("ordering")
	made, _ := s.send(http.MethodGet, "/certificates/clicked", "")["acme"].(map[string]any)
	if fmt.Sprint(made["domains"]) != "[clicked.example www.clicked.example]" || made["keyType"] != "rsa" || made["challenge"] != "http-01" || made["email"] != "admin@clicked.example" {
		t.Errorf("ordered is %v", made)
	}
	// It is changed in the same form, which has what is ordered.
	p.click(rowOf("clicked") + ` [aria-label="Change clicked"]`)
	p.sees(`document.querySelector("#f-acme-domains").value === "clicked.example\nwww.clicked.example" && document.querySelector("#f-acme-keyType").value === "rsa"`)
	p.shot("order")
	p.paste("#f-acme-domains", "clicked.example")
	p.click("dialog .primary")
	p.sees(`!document.querySelector("dialog")`)
	made, _ = s.send(http.MethodGet, "/certificates/clicked", "")["acme"].(map[string]any)
	if fmt.Sprint(made["domains"]) != "[clicked.example]" {
		t.Errorf("ordered is %v", made)
	}
	s.remove(p, "clicked")
}

func certificateIsDeletedByClicking(t *testing.T, s *shelf, p *page) {
	t.Helper()
	p.click(rowOf("shop") + ` [aria-label="Delete shop"]`)
	p.click("dialog .danger")
	p.reads("dialog .problem", "frontend/web")
	p.sees(`document.querySelector('dialog .links a[href="/overview/frontends/web"]')`)
	p.shot("used")
	p.click("dialog [aria-label=Close]")
	p.click(rowOf("late") + ` [aria-label="Delete late"]`)
	p.reads("dialog", "Its key stays stored")
	p.sees(`!document.querySelector("dialog .danger").disabled`)
	s.send(http.MethodPut, "/certificates/late", s.ca.Issue(t, "late.example").Body()) // which the question is not about
	p.click("dialog .danger")
	p.reads("dialog .problem", "has changed")
	p.click("dialog [aria-label=Close]")
	p.click(rowOf("late") + ` [aria-label="Delete late"]`)
	p.click("dialog .danger")
	p.reads(".toasts", "late is deleted")
	p.sees(fmt.Sprintf(`!document.querySelector(%q)`, rowOf("late")))
}

func certificatesLookRight(t *testing.T, s *shelf, p *page) {
	t.Helper()
	name := strings.Repeat("x", 128)
	s.send(http.MethodPut, "/certificates/"+name, s.ca.Issue(t, strings.Repeat("y", 60)+"."+strings.Repeat("z", 60)+".example").Body())
	source := axe(t)
	for _, l := range []look{{}, {width: 1000, height: 800}, {width: 820, height: 900}, {width: 640, height: 400}, {width: 390, height: 844, phone: true}} {
		p.look(l)
		p.visit("/certificates")
		p.sees(fmt.Sprintf(`document.querySelector(".pulse.live") && document.querySelector(%q)`, rowOf(name)))
		where := fmt.Sprintf("at %d", l.width)
		p.keepsTogether(where, l)
		p.sees(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`)
		p.barriers(source, where, allRules)
		p.legible(where, l)
		l.dark = false
		p.look(l)
		p.shot(strconv.FormatInt(l.width, 10))
		l.dark = true
		p.look(l)
		p.shot(strconv.FormatInt(l.width, 10) + "-dark")
	}
	p.click(`[aria-label="Delete soon"]`)
	p.keepsTogether("the question on a phone", look{width: 390})
	p.click("dialog [aria-label=Close]")
	p.click(p.button(".head", "Add"))
	p.keepsTogether("the form on a phone", look{width: 390})
	p.shot("form-phone")
	p.look(look{})
	s.send(http.MethodDelete, "/certificates/"+name, "")
}

func certificatesByRole(t *testing.T, s *shelf) {
	t.Helper()
	buttons := `[...document.querySelectorAll(".certificates button")].map(e => e.getAttribute("aria-label") ?? e.innerText).join()`
	p := login(t, s.node, visitor, "/certificates")
	p.reads(rowOf("shop"), "frontend/web")
	p.sees(buttons + ` === ""`)
	p.click(p.button(".head", "Add"))
	p.reads(".toasts", "needs the role admin")
	p.visit("/certificates?new=1")
	p.reads(rowOf("shop"), "frontend/web")
	p.sees(`!document.querySelector("dialog")`)

	p = login(t, s.node, operator, "/certificates")
	p.sees(buttons + ` === "Renew now"`)

	p = login(t, s.node, limited, "/certificates")
	p.excuse("403")
	p.reads(rowOf("shop"), "shop.example", "nothing that you may see")
	p.sees(fmt.Sprintf(`!document.querySelector(%q) && !document.querySelector(".certificates").innerText.includes("frontend/web")`, rowOf("ordered")))
	p.click(p.button(".head", "Add"))
	p.write("#f-name", "other")
	pair := s.ca.Issue(t, "other.example")
	p.paste("#f-chain", pair.Chain+pair.Key)
	p.click("dialog .primary")
	p.reads(".toasts", "limited has the role admin on certificate/s* only")
	p.write("#f-name", "second")
	p.click("dialog .primary")
	p.reads(rowOf("second"), "other.example")
	p.shot("limited")
}
