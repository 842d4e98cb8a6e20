package consul

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLimitedBody(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 9, 10} {
		body := &limitedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", size))), left: 10}
		if got, err := io.ReadAll(body); len(got) != size || err != nil {
			t.Errorf("%d bytes of at most 10: %d, %v", size, len(got), err)
		}
	}
	for _, size := range []int{11, 12, 5000} {
		body := &limitedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", size))), left: 10}
		got, err := io.ReadAll(body)
		if len(got) != 10 || !errors.Is(err, errTooLarge) {
			t.Errorf("%d bytes of at most 10: %d, %v", size, len(got), err)
		}
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, errTooLarge) {
			t.Errorf("afterwards: %v", err)
		}
	}
}

func TestDiagnoseTellsTheSameCauseTheSameWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"long":  {errors.New(strings.Repeat("é", 500)), "asking consul: " + strings.Repeat("é", 100) + "…"},
		"ugly":  {errors.New("a\r\n\tb\x00\x7fc"), "asking consul: a b c"},
		"empty": {errors.New(""), "asking consul"},
	} {
		if got := Diagnose(test.err); got.Reason != test.want || !got.Outage {
			t.Errorf("%s: %+v, want %q", name, got, test.want)
		}
	}
}

// What the environment says about Consul is for others: only what was set
// counts.
func TestGuardOverridesTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"CONSUL_HTTP_ADDR": "127.0.0.1:1", "CONSUL_HTTP_TOKEN": "of-the-environment", "CONSUL_HTTP_TOKEN_FILE": "/nonexistent",
		"CONSUL_NAMESPACE": "of-the-environment", "CONSUL_PARTITION": "of-the-environment", "CONSUL_HTTP_SSL": "true",
		"CONSUL_HTTP_AUTH": "user:of-the-environment", "HTTP_PROXY": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	type seen struct{ token, query, authorization string }
	requests := make(chan seen, 1)
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- seen{r.Header.Get("X-Consul-Token"), r.URL.RawQuery, r.Header.Get("Authorization")}
		_, _ = io.WriteString(w, "[]")
	}))
	t.Cleanup(remote.Close)
	for token, query := range map[string]string{"": "stale=", "mine": "dc=east&stale="} {
		s := Config{Address: remote.URL, Token: token, MaxConns: 1}
		if token != "" {
			s.Datacenter = "east"
		}
		c, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		for name, ask := range map[string]func() error{
			"service": func() error { _, _, err := c.Service(t.Context(), "web", 0, 0); return err },
			"checks":  func() error { _, err := c.Checks(t.Context(), "any", 0, 0, func(Check) {}); return err },
		} {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			if got, want := <-requests, (seen{token, query, ""}); got != want {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
		c.Close()
	}
}

// Later requests show another token. Settings that cannot be used change nothing.
func TestFollow(t *testing.T) {
	t.Parallel()
	tokens := make(chan string, 1)
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens <- r.Header.Get("X-Consul-Token")
		_, _ = io.WriteString(w, "[]")
	}))
	t.Cleanup(remote.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Address: remote.URL, Token: "first", MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, step := range []struct {
		with  Config
		works bool
		token string
	}{
		{Config{Address: remote.URL, Token: "first", MaxConns: 1}, true, "first"},
		{Config{Address: remote.URL, TokenFile: file + ".missing", MaxConns: 1}, false, "first"},
		{Config{Address: remote.URL, TokenFile: file, MaxConns: 1}, true, "second"},
		{Config{Address: "https://" + c.Host(), TLS: TLSConfig{CAFile: file}}, false, "second"},
	} {
		if err := c.Follow(step.with); (err == nil) != step.works {
			t.Errorf("%+v: %v", step.with, err)
		}
		if _, _, err := c.Service(t.Context(), "web", 0, 0); err != nil {
			t.Fatal(err)
		}
		if got := <-tokens; got != step.token {
			t.Errorf("%+v: the token is %q, want %q", step.with, got, step.token)
		}
	}
}

func TestTokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	tok := &token{path: path, value: "not this one"}
	var missing *tokenError
	if _, err := tok.current(); !errors.As(err, &missing) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	now := time.Now().Add(-time.Hour)
	for _, step := range []struct{ text, want string }{
		{"first\n", "first"},
		{"second", "second"},
		{"", "second"}, // about to be written
		{" third \n\n", "third"},
		{"two\nlines", "third"},
	} {
		if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := tok.current(); got != step.want || err != nil {
				t.Errorf("with %q in the file: %q, %v, want %q", step.text, got, err, step.want)
			}
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, err := tok.current(); got != "third" || err != nil {
		t.Errorf("with the file gone: %q, %v, want the token read last", got, err)
	}
}

// No request waits for the other end of a FIFO: the token read last stays.
func TestTokenFileThatIsAFIFO(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, next := filepath.Join(dir, "token"), filepath.Join(dir, "next")
	tok := &token{path: path}
	wants := func(value string) {
		t.Helper()
		answer := make(chan string, 1)
		go func() {
			value, err := tok.current()
			answer <- fmt.Sprint(value, err)
		}()
		select {
		case got := <-answer:
			if want := value + "<nil>"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no answer")
		}
	}
	if err := os.WriteFile(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants("first")
	if err := errors.Join(syscall.Mkfifo(next, 0o600), os.Rename(next, path)); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(path, os.O_RDWR, 0) // both ends
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	wants("first")
	if err := errors.Join(os.WriteFile(next, []byte("second"), 0o600), os.Rename(next, path)); err != nil {
		t.Fatal(err)
	}
	wants("second")
}
