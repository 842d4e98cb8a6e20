package imports_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/imports"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/natives"
	"thalassa/template"
)

// configurations are those of testdata.
func configurations(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*.cfg")
	if err != nil || len(found) < 15 {
		t.Fatal(found, err)
	}
	for i, name := range found {
		found[i] = strings.TrimSuffix(filepath.Base(name), ".cfg")
	}
	return found
}

// read imports a text into nothing, and checks that raw lines may say what it says.
func read(t *testing.T, text []byte, dir string) lb.Intent {
	t.Helper()
	im, err := imports.Read(text, lb.Intent{}, imports.Options{Hostname: "left"})
	if err != nil {
		t.Fatal(err)
	}
	policy := natives.Policy{Dirs: []string{dir}, CertificateDirs: []string{dir}}
	for _, e := range im.Edits {
		if refused, doubt := policy.Check(e); refused != nil || doubt != nil {
			t.Errorf("%s: %v, %v", e.ID(), refused, doubt)
		}
	}
	in, err := lb.Intent{}.ApplyAll(im.Edits)
	if err != nil {
		t.Fatal(im.Blame(err))
	}
	return in
}

// render is haproxy.cfg with what was imported.
func render(t *testing.T, in lb.Intent) []byte {
	t.Helper()
	dir := t.TempDir()
	config := lb.Resolve(in, lb.Snapshot{}, lb.Process{
		StatsSocket: filepath.Join(dir, "stats.sock"), PeersSocket: filepath.Join(dir, "peers.sock"), StateFile: filepath.Join(dir, "state"),
	})
	rendered, err := template.Default().Render(config)
	if err != nil {
		t.Fatal(err)
	}
	return rendered.Bytes
}

// TestWhatIsImportedBehavesTheSame runs each configuration of testdata beside what it was
// imported as, with every HAProxy at hand, and compares the answers of both.
func TestWhatIsImportedBehavesTheSame(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for _, release := range testkit.HAProxies(t) {
		for _, name := range configurations(t) {
			t.Run(release.Version+"/"+name, func(t *testing.T) {
				t.Parallel()
				behavesTheSame(t, site, release.Path, name)
			})
		}
	}
}

func behavesTheSame(t *testing.T, site *site, program, name string) {
	t.Helper()
	original, copied := site.file(t, name), site.file(t, name)
	in := read(t, copied.text, site.dir)
	rendered := render(t, in)
	start(t, program, original, original.text)
	start(t, program, copied, rendered)
	for _, request := range requests(t, name) {
		want, got := original.ask(t, request), copied.ask(t, request)
		if got != want || want == "" {
			t.Errorf("%s\nthe original answers\n%s\nthe imported one\n%s\nof\n%s", request, want, got, rendered)
		}
	}
}

// start runs HAProxy on a text until the end of the test, and waits until it listens.
func start(t *testing.T, program string, f file, text []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-db", "-f", path)
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended already
		if err := <-ended; err == nil {
			t.Error("haproxy ended by itself")
		}
	})
	testkit.Eventually(t, 20*time.Second, func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%v\n%s\n%s", err, &output, numbered(text))
		default:
		}
		for _, address := range f.binds {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			_ = conn.Close()
		}
		return nil
	})
}

func numbered(text []byte) string {
	var out strings.Builder
	for i, line := range slices.Collect(strings.Lines(string(text))) {
		fmt.Fprintf(&out, "%d %s", i+1, line)
	}
	return out.String()
}

// TestReleasesAcceptWhatIsImported has every HAProxy at hand check what is imported.
func TestReleasesAcceptWhatIsImported(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for _, name := range configurations(t) {
		in := read(t, site.file(t, name).text, site.dir)
		text := render(t, in)
		path := filepath.Join(t.TempDir(), "haproxy.cfg")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, release := range testkit.HAProxies(t) {
			out, err := exec.CommandContext(t.Context(), release.Path, "-c", "-f", path).CombinedOutput()
			if err != nil {
				t.Errorf("HAProxy %s refuses %s: %v\n%s\n%s", release.Version, name, err, out, numbered(text))
			}
		}
	}
}
