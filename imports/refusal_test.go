package imports_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"thalassa/imports"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// TestRefusalsNameLinesOfTheFile: what HAProxy refuses of the haproxy.cfg that was made names
// the lines of the file that was imported.
func TestRefusalsNameLinesOfTheFile(t *testing.T) {
	t.Parallel()
	const file = `global
  daemon
  maxconn 100
  old-global-keyword 5

# what everybody has
defaults
  mode http
  clitimeout 5000
  timeout connect 5s

frontend f
  bind 127.0.0.1:8080
  reqadd X-Forwarded-Proto:\ https
  http-request set-header X y
  reqadd X-Forwarded-Proto:\ https
  default_backend b

backend b
  appsession JSESSIONID len 52 timeout 3h
  server s 127.0.0.1:80 check nonsense

userlist u
  group g users none
listen l
  bind 127.0.0.1:8081
  redispatch
`
	im, err := imports.Read([]byte(file), lb.Intent{}, imports.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := lb.Intent{}.ApplyAll(im.Edits)
	if err != nil {
		t.Fatal(err)
	}
	config := render(t, in)
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(file, "\n")
	for _, release := range testkit.HAProxies(t) {
		out, err := exec.CommandContext(t.Context(), release.Path, "-c", "-f", path).CombinedOutput()
		if err == nil {
			t.Fatal("HAProxy takes it")
		}
		refused, ok := errors.AsType[*lb.RefusedError](im.Blame(&lb.RefusedError{At: "check", Output: string(out), Config: config, Path: path}))
		if !ok {
			t.Fatalf("%s", out)
		}
		for number, word := range map[int]string{4: "old-global-keyword", 9: "clitimeout", 14: "reqadd", 16: "reqadd", 20: "appsession", 21: "nonsense", 27: "redispatch"} {
			if !strings.Contains(lines[number-1], word) || !strings.Contains(refused.Output, fmt.Sprintf("[line %d]", number)) {
				t.Errorf("HAProxy %s: line %d (%s) is not named:\n%s\nof\n%s", release.Version, number, word, refused.Output, out)
			}
		}
		for _, m := range regexp.MustCompile(`\[line (\d+)\] : .*'(\S+)'`).FindAllStringSubmatch(refused.Output, -1) {
			var number int
			if _, err := fmt.Sscan(m[1], &number); err != nil || number > len(lines) || strings.HasPrefix(strings.TrimSpace(lines[number-1]), "#") {
				t.Errorf("HAProxy %s: %q is no line of the file", release.Version, m[0])
			}
		}
	}
	// What is no place of that haproxy.cfg stays.
	other := &lb.RefusedError{At: "check", Output: "[/x/haproxy.cfg:3] [127.0.0.1:80] [" + path + ":99999]", Config: config, Path: path}
	if got, _ := errors.AsType[*lb.RefusedError](im.Blame(other)); got.Output != other.Output {
		t.Errorf("%q has become %q", other.Output, got.Output)
	}
}
