package template_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/template"
)

func TestParseNamesFileAndLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, source, want string }{
		{"syntax", "global\n\n{{)}}\n", "mine.tmpl:3: "},
		{"unclosed", "global\n{{range .Frontends}}\n", "mine.tmpl:3: "},
		{"unknown function", "global\n\n{{shell .SocketPath}}\n", "mine.tmpl:3: "},
		{"unknown field", "global\n" + skeletonTemplate("", "    # {{.Members}}", ""), "mine.tmpl:25:"},
		{"quoting a number", skeletonTemplate("# {{quote .Process.MaxConn}}", "", ""), "quote takes a string or a list of strings, not int"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := template.Parse("mine.tmpl", c.source)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestParseTriesTheTemplate(t *testing.T) {
	t.Parallel()
	_, err := template.Parse("mine.tmpl", "global\n    daemon\n")
	var refused *lb.RefusedError
	if !errors.As(err, &refused) || refused.At != "render" || !strings.Contains(refused.Output, "is missing") {
		t.Errorf("got %v, want a refusal of a template that leaves out every section", err)
	}
}

func TestLineEndings(t *testing.T) {
	t.Parallel()
	unix := strings.TrimSuffix(skeletonTemplate("", "", ""), "\n")
	for name, source := range map[string]string{"dos": strings.ReplaceAll(unix, "\n", "\r\n"), "no last line break": unix} {
		out, err := parse(t, source).Render(lb.Config{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.HasSuffix(out.Bytes, []byte("\n")) || bytes.Contains(out.Bytes, []byte("\r")) {
			t.Errorf("%s: %q", name, out.Bytes)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	config := readGolden(t, "testdata/rules.json").config(t)
	one, err := template.Default().Render(config)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(one.Fingerprint) {
		t.Errorf("fingerprint %q", one.Fingerprint)
	}
	if want := fmt.Sprintf("description \"thalassa %s\"\n", one.Fingerprint); strings.Count(string(one.Bytes), want) != 1 {
		t.Errorf("no line %q", want)
	}
	for range 20 {
		two, err := template.Default().Render(config)
		if err != nil || two.Fingerprint != one.Fingerprint || !bytes.Equal(two.Bytes, one.Bytes) {
			t.Fatalf("another rendering of the same: %v, %s", err, two.Fingerprint)
		}
	}
	config.Process.HardStopAfter += time.Second
	two, err := template.Default().Render(config)
	if err != nil || two.Fingerprint == one.Fingerprint {
		t.Errorf("equal fingerprints of different configurations (%v)", err)
	}
	other, err := parse(t, skeletonTemplate("", "", "")).Render(config)
	if err != nil || other.Fingerprint == two.Fingerprint {
		t.Errorf("equal fingerprints of different templates (%v)", err)
	}
}

// TestFingerprintNeedNotBeShown: a template may leave the fingerprint out.
func TestFingerprintNeedNotBeShown(t *testing.T) {
	t.Parallel()
	source := strings.ReplaceAll(skeletonTemplate("", "", ""), "{{.Fingerprint}}", "")
	out, err := parse(t, source).Render(lb.Config{})
	if err != nil || len(out.Fingerprint) != 12 || strings.Contains(string(out.Bytes), out.Fingerprint) {
		t.Errorf("%v: %s\n%s", err, out.Fingerprint, out.Bytes)
	}
}

func TestConcurrentRenderings(t *testing.T) {
	t.Parallel()
	config := readGolden(t, "testdata/addresses.json").config(t)
	shared := template.Default()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				a, errA := shared.Render(config)
				b, errB := template.Default().Render(config)
				if errA != nil || errB != nil || a.Fingerprint != b.Fingerprint {
					t.Errorf("%v, %v, %s, %s", errA, errB, a.Fingerprint, b.Fingerprint)
				}
			}
		})
	}
	group.Wait()
}

// TestSilence is not parallel: it takes the standard streams away.
func TestSilence(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, errs := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = writer, writer
	_, renderErr := template.Default().Render(readGolden(t, "testdata/natives.json").config(t))
	os.Stdout, os.Stderr = out, errs
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(reader)
	if err != nil || renderErr != nil || len(said) > 0 {
		t.Errorf("said %q (%v, %v)", said, renderErr, err)
	}
}

// TestHAProxyTellsItsFingerprint runs HAProxy on a rendering.
func TestHAProxyTellsItsFingerprint(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	out, err := template.Default().Render(lb.Config{Process: lb.Process{StatsSocket: socket}})
	if err != nil {
		t.Fatal(err)
	}
	haproxyStart(t, out.Bytes, socket)
	if info := haproxyAsk(t, socket, "show info"); !strings.Contains(info, "\ndescription: thalassa "+out.Fingerprint) {
		t.Errorf("want description: thalassa %s in\n%s", out.Fingerprint, info)
	}
}

// TestHAProxyHasThePatterns runs HAProxy on the patterns of two goldens and
// asks it for the patterns it matches against.
func TestHAProxyHasThePatterns(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"quoting", "patterns"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := readGolden(t, "testdata/"+name+".json").config(t)
			socket := socketPath(t)
			config.Process.StatsSocket = socket
			config.Frontends[0].Binds = []lb.Bind{{Host: "127.0.0.1", Port: uint16(testkit.Port(t))}}
			out, err := template.Default().Render(config)
			if err != nil {
				t.Fatal(err)
			}
			haproxyStart(t, out.Bytes, socket)
			var want []string
			for _, r := range config.Frontends[0].Rules {
				want = append(want, r.Values...)
			}
			if got := haproxyPatterns(t, socket); !slices.Equal(sortedSet(got), sortedSet(want)) {
				t.Errorf("got  %q\nwant %q", sortedSet(got), sortedSet(want))
			}
		})
	}
}

// haproxyPatterns lists the patterns of all ACLs on paths, URLs and headers.
func haproxyPatterns(t *testing.T, socket string) []string {
	t.Helper()
	var patterns []string
	for acl := range strings.Lines(haproxyAsk(t, socket, "show acl")) {
		number, about, _ := strings.Cut(acl, " ")
		if !regexp.MustCompile("'(path|url|hdr)").MatchString(about) {
			continue
		}
		for entry := range strings.Lines(haproxyAsk(t, socket, "show acl #"+number)) {
			_, pattern, _ := strings.Cut(strings.TrimSuffix(entry, "\n"), " ")
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

func sortedSet(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

func BenchmarkRender(b *testing.B) {
	config := lb.Config{Process: lb.Process{StatsSocket: "/run/haproxy.sock"}}
	for i := range 1000 {
		key := lb.Name(fmt.Sprintf("backend-%d", i))
		pool := lb.ResolvedBackend{Backend: lb.Backend{Key: key, Mode: "http", Balance: "roundrobin"}}
		for n := range 10 {
			host := lb.Host(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
			pool.Members = append(pool.Members, lb.Member{Address: lb.HostPort{Host: host, Port: uint16(8000 + n)}, Weight: 1})
		}
		config.Backends = append(config.Backends, pool)
	}
	tmpl := template.Default()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Render(config); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTemplateDirectory keeps inputs and goldens in pairs.
func TestTemplateDirectory(t *testing.T) {
	t.Parallel()
	goldens, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range goldens {
		if _, err := os.Stat(strings.TrimSuffix(path, ".golden") + ".json"); err != nil {
			t.Errorf("%s has no input: %v", path, err)
		}
	}
}

// TestFingerprintLeavesTheNumberOfSlotsOut, which changes while HAProxy runs; what a
// template makes of it otherwise does not.
func TestFingerprintLeavesTheNumberOfSlotsOut(t *testing.T) {
	config := func(kind string, slots ...int) lb.Config {
		var c lb.Config
		for i, n := range slots {
			p := lb.ResolvedBackend{Backend: lb.Backend{Key: lb.Name("b" + strconv.Itoa(i)), Type: kind, Mode: "http", Balance: "roundrobin"}}
			for m := range n {
				p.Members = append(p.Members, lb.Member{Address: lb.HostPort{Host: "10.0.0.1", Port: uint16(1 + m)}, Weight: 1}) //nolint:gosec // small
			}
			if kind == "dynamic" {
				p.Slots, p.Members = make([]lb.Slot, n), nil
			} else {
				p.Natives = []lb.RawLine{"server s1 10.0.0.9:1", "server s2 10.0.0.9:1"}[:n]
			}
			c.Backends = append(c.Backends, p)
		}
		return c
	}
	replaced := func(old, text string) *template.Template {
		tmpl, err := template.Parse("test", strings.Replace(template.DefaultSource(), old, text, 1))
		if err != nil {
			t.Fatal(err)
		}
		return tmpl
	}
	line := "    server {{.Name}} {{.Address}} check"
	for _, c := range []struct {
		name          string
		tmpl          *template.Template
		before, after lb.Config
		same          bool
	}{
		{"more slots", template.Default(), config("dynamic", 1, 4), config("dynamic", 3, 9), true},
		{"other lines", replaced(" check inter", " check port 1 inter"), config("dynamic", 3), config("dynamic", 30), true},
		{"another backend", template.Default(), config("dynamic", 1), config("dynamic", 1, 1), false},
		{"raw lines of the names", template.Default(), config("static", 1), config("static", 2), false},
		{"the number itself", replaced("balance {{.Balance}}", "balance {{.Balance}}\n    fullconn {{len .Servers}}"), config("dynamic", 3), config("dynamic", 4), false},
		{"a line for each", replaced(line, "    # {{.Name}}\n"+line), config("dynamic", 3), config("dynamic", 4), false},
		{"lines that differ", replaced(line, line+"{{if eq .Name \"s4\"}} backup{{end}}"), config("dynamic", 3), config("dynamic", 4), false},
	} {
		before, err := c.tmpl.Render(c.before)
		after, laterErr := c.tmpl.Render(c.after)
		if err != nil || laterErr != nil || (before.Fingerprint == after.Fingerprint) != c.same {
			t.Errorf("%s: %s and %s, %v, %v", c.name, before.Fingerprint, after.Fingerprint, err, laterErr)
		}
		if f, err := c.tmpl.Fingerprint(c.after); err != nil || f != after.Fingerprint {
			t.Errorf("%s: by itself it is %s, %v, rendered %s", c.name, f, err, after.Fingerprint)
		}
	}
}
