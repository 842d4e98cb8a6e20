package testkit

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

//go:embed provider.mjs
var providerSource []byte

// A Provider is a certified provider of OpenID Connect, npm's oidc-provider, for one client
// on the loopback.
type Provider struct {
	Issuer           string
	ClientID, Secret string

	accounts string // path
	stop     func()
}

// ProviderOptions say how a Provider behaves.
type ProviderOptions struct {
	Port     int // 0: a free one
	Redirect string
	// InToken puts the claims into ID tokens; else they are in userinfo alone.
	InToken bool
	// Lifetime is that of tokens; 0: an hour.
	Lifetime time.Duration
}

// An Account has the claims of a user, besides the name.
type Account map[string]any

// StartProvider starts a Provider until Stop or the end of the test. Without Node.js or the
// package the test is skipped, in CI it fails.
func StartProvider(tb testing.TB, o ProviderOptions) *Provider {
	tb.Helper()
	node := Tool(tb, "node")
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	modules := filepath.Join(cache, "thalassa/oidc-tools/node_modules")
	if _, err := os.Stat(filepath.Join(modules, "oidc-provider")); err != nil {
		Missing(tb, "oidc-provider is not installed; tools/setup oidc-tools installs it")
	}
	if o.Port == 0 {
		o.Port = Port(tb)
	}
	if o.Lifetime == 0 {
		o.Lifetime = time.Hour
	}
	dir := tb.TempDir()
	p := &Provider{
		Issuer: fmt.Sprintf("http://127.0.0.1:%d", o.Port), ClientID: "thalassa", Secret: "secret of the tests",
		accounts: filepath.Join(dir, "accounts.json"),
	}
	p.SetAccounts(tb, nil)
	options, err := json.Marshal(map[string]any{
		"port": o.Port, "accounts": p.accounts, "inToken": o.InToken, "lifetime": int(o.Lifetime / time.Second),
		"client": map[string]any{"client_id": p.ClientID, "client_secret": p.Secret, "redirect_uris": []string{o.Redirect}},
	})
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "node_modules"))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "provider.mjs"), providerSource, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
	p.run(tb, exec.Command(node, filepath.Join(dir, "provider.mjs"), string(options)))
	return p
}

// run starts the process and waits until it listens. It ends with its standard input.
func (p *Provider) run(tb testing.TB, cmd *exec.Cmd) {
	tb.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	stopped := false
	p.stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = in.Close()
		_ = cmd.Wait()
	}
	tb.Cleanup(p.stop)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return
		}
	}
	p.stop()
	tb.Fatalf("the provider has not started: %s", &errs)
}

// Stop ends the provider.
func (p *Provider) Stop() { p.stop() }

// SetAccounts replaces its users, by their names.
func (p *Provider) SetAccounts(tb testing.TB, accounts map[string]Account) {
	tb.Helper()
	data, err := json.Marshal(accounts)
	if err == nil {
		err = os.WriteFile(p.accounts, data, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// LogIn does what a user's browser does at the provider, from the address that a login
// begins with to the address of the client that the provider sends the browser back to.
func (p *Provider) LogIn(tb testing.TB, address, name string) *url.URL {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	var back *url.URL
	client := &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), p.Issuer) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	form := regexp.MustCompile(`action="([^"]+)"`)
	page := fetched(tb, client, "GET", address, nil)
	for step := 0; back == nil; step++ {
		action := form.FindStringSubmatch(page)
		if action == nil || step == 4 {
			tb.Fatalf("the provider shows no form after %d steps: %s", step, page)
		}
		values := url.Values{"prompt": {"consent"}}
		if strings.Contains(page, `name="login"`) {
			values = url.Values{"prompt": {"login"}, "login": {name}, "password": {"any"}}
		}
		page = fetched(tb, client, "POST", action[1], values)
	}
	return back
}

// fetched is the page at an address.
func fetched(tb testing.TB, client *http.Client, method, address string, values url.Values) string {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, address, strings.NewReader(values.Encode()))
	if err != nil {
		tb.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := client.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}
