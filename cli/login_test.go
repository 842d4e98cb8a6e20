package cli_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cli"
	"thalassa/listen"
)

// overTLS is a shop whose API needs tokens and has TLS, and the certificate's directory.
func overTLS(t *testing.T, adjust ...func(*api.Config)) (s *fixture, address, dir string) {
	t.Helper()
	s = shop(t, apitest.Guarded(t))
	dir = t.TempDir()
	own, err := listen.NewSelfSigned(listen.SelfSignedConfig{Dir: dir, Names: func() []string { return []string{"localhost", "127.0.0.1"} }})
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.Config()
	apitest.Guarded(t)(&cfg)
	for _, a := range adjust {
		a(&cfg)
	}
	cfg.Certificate = func() listen.Info { return listen.Describe(own) }
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.New(cfg), ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listen.NewPort(l, listen.NewTLSConfig(own, nil))) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	home := t.TempDir()
	s.env = map[string]string{"HOME": home}
	return s, l.Addr().String(), dir
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s, address, dir := overTLS(t)
	url := "https://" + address
	fingerprint := strings.TrimSpace(s.execute("no\n", "login", url).errors)
	if !strings.Contains(fingerprint, "SHA-256") || !strings.Contains(fingerprint, "expected the answer yes") {
		t.Errorf("an unknown certificate is answered %s", fingerprint)
	}
	file := filepath.Join(s.env["HOME"], ".config/thalassa/contexts.json")
	if _, err := os.Stat(file); err == nil {
		t.Error("a certificate that is not trusted is remembered")
	}
	if r := s.execute("yes\nwrong-token-wrong-token\n", "login", url); r.code != cli.ExitForbidden {
		t.Errorf("a wrong token: %+v", r)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a wrong token is remembered")
	}
	r := s.execute("yes\n"+apitest.AdminToken+"\n", "login", url, "--name", "lb1")
	if r.code != cli.ExitOK || !strings.Contains(r.out, "role admin; context lb1") {
		t.Fatalf("%+v", r)
	}
	if at, err := os.Stat(file); err != nil || at.Mode() != 0o600 {
		t.Errorf("%v, %v", at, err)
	}
	for _, args := range [][]string{{"status"}, {"backends", "--agent", "lb1"}, {"backends", "--agent", url}} {
		if r := s.run(args...); r.code != cli.ExitOK && r.code != cli.ExitUnavailable {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := s.run("backends", "--agent", "http://"+address); r.code != cli.ExitUsage || !strings.Contains(r.errors, "https://") {
		t.Errorf("a URL without a context: %+v", r)
	}
	if r := s.run("context"); !strings.Contains(r.out, "*  lb1") || !strings.Contains(r.out, "pinned") || strings.Contains(r.out, apitest.AdminToken) {
		t.Errorf("contexts: %+v", r)
	}
	if r := s.run("context", "use", "lb2"); r.code != cli.ExitNotFound {
		t.Errorf("another context: %+v", r)
	}
	if err := os.Remove(filepath.Join(dir, "api.key")); err != nil {
		t.Fatal(err)
	}
	if r := s.run("context", "remove", "lb1"); r.code != cli.ExitOK {
		t.Errorf("%+v", r)
	}
	if r := s.run("context", "-o", "json"); strings.TrimSpace(r.out) != "[]" {
		t.Errorf("%+v", r)
	}
}

// Agents at two ports of a host are two contexts. The same agent again is the same one.
func TestLoginToTwoPortsOfAHost(t *testing.T) {
	t.Parallel()
	s, first, _ := overTLS(t)
	_, second, _ := overTLS(t)
	login := func(address string, more ...string) {
		t.Helper()
		if r := s.execute("yes\n"+apitest.ReadToken+"\n", append([]string{"login", "https://" + address}, more...)...); r.code != cli.ExitOK {
			t.Fatalf("%+v", r)
		}
	}
	login(first)
	login(second)
	login(first)
	r := s.run("context")
	if !strings.Contains(r.out, "*  "+first) || !strings.Contains(r.out, "   "+second) || strings.Count(r.out, "https://") != 2 {
		t.Errorf("contexts: %s", r.out)
	}
	if r := s.run("backends", "--agent", second); r.code != cli.ExitOK {
		t.Errorf("by host and port: %+v", r)
	}
	if r := s.run("context", "use", second); r.code != cli.ExitOK {
		t.Errorf("%+v", r)
	}
	login(second, "--name", "lb2")
	login(second)
	if r := s.run("context"); !strings.Contains(r.out, "*  lb2") {
		t.Errorf("a context with a name of its own: %s", r.out)
	}
	if r := s.execute("yes\n"+apitest.ReadToken+"\n", "login", "https://"+first, "--name", "lb2"); r.code != cli.ExitUsage ||
		!strings.Contains(r.errors, "lb2 is the context of https://"+second) {
		t.Errorf("the name of another agent's context: %+v", r)
	}
	if r := s.run("context"); strings.Count(r.out, second) == 0 {
		t.Errorf("the context is lost: %s", r.out)
	}
	login(first, "--name", "lb2", "--replace")
}

// An agent with another key than the one that was trusted gets no token.
func TestPinnedKey(t *testing.T) {
	t.Parallel()
	s, address, _ := overTLS(t)
	_, other, _ := overTLS(t)
	if r := s.execute("yes\n"+apitest.ReadToken+"\n", "login", "https://"+address, "--name", "lb1"); r.code != cli.ExitOK {
		t.Fatalf("%+v", r)
	}
	file := filepath.Join(s.env["HOME"], ".config/thalassa/contexts.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(data), address, other)), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.run("backends"); r.code != cli.ExitUnavailable || !strings.Contains(r.errors, "shows another key") {
		t.Errorf("%+v", r)
	}
	if err := os.Chmod(file, 0o644); err != nil { //nolint:gosec // that is what is tested
		t.Fatal(err)
	}
	if r := s.run("backends"); r.code != cli.ExitUsage || !strings.Contains(r.errors, "0600") {
		t.Errorf("a file that others read: %+v", r)
	}
}

func TestLoginWithoutQuestions(t *testing.T) {
	t.Parallel()
	s, address, dir := overTLS(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(apitest.ReadToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := s.execute("no\n", "login", "https://"+address).errors
	_, after, _ := strings.Cut(shown, "SHA-256  ")
	fingerprint, _, _ := strings.Cut(after, "\n")
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"https://" + address, "--fingerprint", fingerprint}, cli.ExitOK},
		{[]string{"https://" + address, "--fingerprint", strings.ToLower(strings.ReplaceAll(fingerprint, ":", ""))}, cli.ExitOK},
		{[]string{address, "--ca-file", filepath.Join(dir, "api.crt")}, cli.ExitOK},
		{[]string{"https://" + address, "--fingerprint", listen.Fingerprint([]byte("another certificate"))}, cli.ExitUsage},
		{[]string{"https://" + address, "--ca-file", token}, cli.ExitUsage},
		{[]string{"http://lb1.example:10000"}, cli.ExitUsage},
		{[]string{"https://"}, cli.ExitUsage},
		{[]string{"http://" + address, "--fingerprint", fingerprint}, cli.ExitUsage},
		{[]string{"http://" + address, "--ca-file", filepath.Join(dir, "api.crt")}, cli.ExitUsage},
		{[]string{"https://" + address + "@lb1.example", "--fingerprint", fingerprint}, cli.ExitUsage},
	} {
		if r := s.run(append([]string{"login", "--token-file", token}, tt.args...)...); r.code != tt.code {
			t.Errorf("%v: %+v", tt.args, r)
		}
	}
}

func TestLoginWithPassword(t *testing.T) {
	t.Parallel()
	s, address, dir := overTLS(t, func(c *api.Config) { c.Authority = apitest.User(t) })
	ca := filepath.Join(dir, "api.crt")
	if r := s.execute("wrong horse\n", "login", "https://"+address, "--user", "ann", "--ca-file", ca); r.code != cli.ExitForbidden {
		t.Errorf("%+v", r)
	}
	r := s.execute("yes\ncorrect horse\n", "login", "https://"+address, "--user", "ann")
	if r.code != cli.ExitOK || !strings.Contains(r.out, "as ann, role operate") {
		t.Fatalf("%+v", r)
	}
	if r := s.run("backends"); r.code != cli.ExitOK {
		t.Errorf("%+v", r)
	}
	stored, err := os.ReadFile(filepath.Join(s.env["HOME"], ".config/thalassa/contexts.json"))
	if err != nil || strings.Contains(string(stored), "horse") {
		t.Errorf("%s, %v", stored, err)
	}
}

// On the node itself commands find TLS, and trust the agent's own certificate.
func TestTLSOnTheNode(t *testing.T) {
	t.Parallel()
	s, address, dir := overTLS(t)
	s.certificate = filepath.Join(dir, "api.crt")
	s.env["THALASSA_TOKEN"] = apitest.ReadToken
	if r := s.run("backends", "--agent", "http://"+address); r.code != cli.ExitOK {
		t.Errorf("%+v", r)
	}
	s.certificate = ""
	if r := s.run("backends", "--agent", "http://"+address); r.code == cli.ExitOK || !strings.Contains(r.errors, "certificate") {
		t.Errorf("without the certificate: %+v", r)
	}
}
