package cli_test

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/auth"
	"thalassa/cli"
	"thalassa/internal/testkit"
)

// A user logs in at a real provider, in a browser that need not be on this machine, and
// pastes what the page shows.
func TestLoginAtAProvider(t *testing.T) {
	t.Parallel()
	port := testkit.Port(t)
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "access.yaml"), filepath.Join(dir, "secret")
	for path, text := range map[string]string{
		secret: "secret of the tests\n",
		file: fmt.Sprintf("oidc:\n  issuer: http://127.0.0.1:%d\n  client-id: thalassa\n  client-secret-file: %s\n  groups: {ops: admin}\n",
			port, secret),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	access, err := auth.OpenAccess(file, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, address, certificates := overTLS(t, func(c *api.Config) { c.Authority = auth.NewAuthority(nil, access) })
	provider := testkit.StartProvider(t, testkit.ProviderOptions{Port: port, Redirect: "https://" + address + "/login"})
	provider.SetAccounts(t, map[string]testkit.Account{"ann": {"groups": []string{"ops"}}, "eve": {"groups": []string{"staff"}}})

	logIn := func(user string, change func(back *url.URL) string) result {
		t.Helper()
		in, typed := io.Pipe()
		var out, errs testkit.Log
		done := make(chan int, 1)
		go func() {
			args := []string{"login", "https://" + address, "--sso", "--ca-file", filepath.Join(certificates, "api.crt")}
			done <- run(t.Context(), args, cli.Environment{
				Program: "thalassa", Stdin: in, Stdout: &out, Stderr: &errs, Getenv: func(name string) string { return s.env[name] },
			})
		}()
		var at string
		testkit.Eventually(t, patience, func() error {
			if at = regexp.MustCompile(`http://\S+`).FindString(errs.String()); at == "" {
				return fmt.Errorf("no address: %s", errs.String())
			}
			return nil
		})
		back := provider.LogIn(t, at, user)
		if !strings.HasPrefix(back.Query().Get("state"), "terminal.") {
			t.Errorf("the page cannot know what the login is for: %s", back)
		}
		fmt.Fprintln(typed, change(back))
		return result{<-done, out.String(), errs.String()}
	}
	query := func(back *url.URL) string { return back.RawQuery }
	if r := logIn("ann", func(*url.URL) string { return "something else" }); r.code == cli.ExitOK || !strings.Contains(r.errors, "expected a text such as") {
		t.Errorf("something else: %+v", r)
	}

	forged := func(back *url.URL) string {
		return strings.Replace(back.RawQuery, "state=terminal.", "state=terminal.x", 1)
	}
	if r := logIn("ann", forged); r.code != cli.ExitForbidden {
		t.Errorf("another state: %+v", r)
	}
	if r := logIn("eve", query); r.code != cli.ExitForbidden || !strings.Contains(r.errors, "oidc:eve has no role here") {
		t.Errorf("without a role: %+v", r)
	}
	if _, err := os.Stat(filepath.Join(s.env["HOME"], ".config/thalassa/contexts.json")); err == nil {
		t.Error("a login that was refused is remembered")
	}
	r := logIn("ann", func(back *url.URL) string { return back.String() })
	if r.code != cli.ExitOK || !strings.Contains(r.out, "as oidc:ann, role admin") {
		t.Fatalf("%+v", r)
	}
	if r := s.run("backends", "--ca-file", filepath.Join(certificates, "api.crt")); r.code != cli.ExitOK {
		t.Errorf("afterwards: %+v", r)
	}
	if r := s.run("login", "https://"+address, "--sso", "--user", "ann", "--ca-file", filepath.Join(certificates, "api.crt")); r.code != cli.ExitUsage {
		t.Errorf("both ways: %+v", r)
	}
}
