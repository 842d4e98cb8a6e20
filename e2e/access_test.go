package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// accessUser adds a user with the password "correct horse" to an access file.
func accessUser(t *testing.T, file string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), build(t), append([]string{"user", "add", "--access-file", file}, args...)...)
	cmd.Stdin = strings.NewReader("correct horse\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// An admin sees who has which rights and what was asked for. Whoever is limited is offered
// what the limits allow.
func TestPagesOfferWhatAGrantAllows(t *testing.T) {
	testkit.Tool(t, "chromium")
	file := filepath.Join(t.TempDir(), "access.yaml")
	accessUser(t, file, "boss", "--role", "admin")
	accessUser(t, file, "sam", "--role", "deploy", "--on", "backend/shop-*", "--hide-others")
	n := secureNode(t, "--tls", "auto", "--access-file", file)
	client := trusting(t, filepath.Join(n.dir, "tls", "api.crt"))
	for _, key := range []string{"shop-a", "pay"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprintf("https://127.0.0.1:%d/backends/%s", n.api, key), strings.NewReader(`{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tlsToken)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("PUT of %s: %d", key, res.StatusCode)
		}
	}
	p := openPage(t, n, "/overview", look{})
	p.excuse("401")
	logIn := func(user string) {
		t.Helper()
		p.sees(`location.pathname === "/login" && document.querySelector("form")`)
		asks := false // for a user, not for a token
		if p.ask(`Boolean(document.querySelector("#user"))`, &asks); !asks {
			p.click(`form .button:not(.primary)`)
		}
		p.write("#user", user)
		p.write("#password", "correct horse")
		p.press("\r")
		p.reads(".who", user)
	}
	logIn("boss")
	p.click(`nav a[href="/access"]`)
	p.reads("table", "sam", "deploy", "backend/shop-*; the rest is hidden", "ops", "tokens")
	p.shot("access")
	p.click(`nav a[href="/audit"]`)
	p.reads("table", "boss", "login", "PUT /backends/pay", "ops", "revision")
	p.shot("audit")
	p.click(`.who button`)
	logIn("sam")
	p.reads("main", "shop-a")
	p.sees(`!document.querySelector("nav a[href='/config']") && !document.querySelector("nav a[href='/audit']")`)
	p.sees(`!document.body.innerText.includes("pay")`)
	p.click(`.who a`)
	p.reads("main", "sam", "deploy", "backend/shop-*")
	p.visit("/overview/backends/shop-a")
	p.reads(".button.refused", "Edit")
	p.visit("/overview/backends/pay")
	p.reads("main", "No backend pay")
	isAudited(t, n.dir, "boss", "sam")
}

// isAudited checks that logins of users are in the file of the audit log.
func isAudited(t *testing.T, dir string, users ...string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct{ Name, Action, How string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if r.Action == "login" && r.How == "password" {
			seen[r.Name] = true
		}
	}
	for _, user := range users {
		if !seen[user] {
			t.Errorf("no login of %s is in the audit log", user)
		}
	}
}
