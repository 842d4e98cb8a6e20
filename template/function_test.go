package template_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/template"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":               "''",
		"plain":          "plain",
		"/run/h.sock":    "/run/h.sock",
		"a b":            "'a b'",
		"it's":           `'it'\''s'`,
		"'":              `''\'''`,
		`end\`:           `'end\'`,
		"$HOME":          "'$HOME'",
		"#":              "'#'",
		`"`:              `'"'`,
		"ü":              "'ü'",
		"{":              "'{'",
		"example.org:80": "example.org:80",
	} {
		if got := template.Quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

// TestQuoteIsWhatHAProxyReads lets HAProxy's own reader say what it makes of
// quoted strings.
func TestQuoteIsWhatHAProxyReads(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	texts, lines := make([]string, 500), make([]string, 500)
	for i := range texts {
		s := randomText(random, []string{"a", "é", " ", `\`, "'", `"`, "#", "$", "${HOME}", "{", "}", "\t", "n", "x41", "%", ";", "|", "日"})
		texts[i], lines[i] = s, template.Quote(s)
	}
	read := notices(t, lines)
	for i, s := range texts {
		if got, ok := read[i]; !ok || got != s {
			t.Errorf("HAProxy reads quote(%q) as %q", s, got)
		}
	}
}

// TestWordsAreWhatHAProxyReads compares this package's reader with HAProxy's on
// raw text.
func TestWordsAreWhatHAProxyReads(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var good, several, broken []string // .notice takes exactly one word
	for range 2000 {
		s := randomText(random, []string{"a", " ", "\t", `\`, "'", `"`, "#", `\x41`, `\"`, `\'`, `\\`, `\#`, `\ `, "'b'", `"c d"`, "ü", "{"})
		words, err := template.Words(s)
		switch {
		case err == nil && len(words) == 1:
			good = append(good, s)
		case err != nil:
			broken = append(broken, s)
		case len(words) > 1 && words[1] != "":
			several = append(several, s)
		}
	}
	read := notices(t, good)
	for i, s := range good {
		words, _ := template.Words(s)
		if got, ok := read[i]; !ok || got != words[0] {
			t.Errorf("%q is read as %q, and by HAProxy as %q", s, words, got)
		}
	}
	// Apart: since 3.1, HAProxy reads a file with broken words no further.
	for _, bad := range [][]string{several, broken} {
		for batch := range slices.Chunk(bad, 15) { // it gives up after 20 mistakes
			refused := said(t, "ALERT", batch)
			for i, s := range batch {
				if _, ok := refused[i]; !ok {
					words, err := template.Words(s)
					t.Errorf("%q is read as %q, %v, and HAProxy takes it", s, words, err)
				}
			}
		}
	}
}

func randomText(random *rand.Rand, parts []string) string {
	var b strings.Builder
	for range 1 + random.IntN(8) {
		b.WriteString(parts[random.IntN(len(parts))])
	}
	return b.String()
}

// notices has HAProxy read each line as the argument of .notice, and returns
// what it reads.
func notices(t *testing.T, lines []string) map[int]string {
	t.Helper()
	read := said(t, "NOTICE", lines)
	for i, text := range read {
		read[i] = strings.TrimSuffix(strings.TrimPrefix(text, "'"), "'.\n")
	}
	return read
}

// said has HAProxy read each line as the argument of .notice, and returns what it
// says of this level for each.
func said(t *testing.T, level string, lines []string) map[int]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "n")
	if err := os.WriteFile(file, []byte(".notice "+strings.Join(lines, "\n.notice ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := haproxyCheck(t, file)
	found := map[int]string{}
	for line := range strings.Lines(out) {
		_, rest, wanted := strings.Cut(line, "["+level+"]")
		_, rest, there := strings.Cut(rest, "parsing ["+file+":")
		number, text, cut := strings.Cut(rest, "]: ")
		if n, err := strconv.Atoi(number); wanted && there && cut && err == nil {
			found[n-1] = text
		}
	}
	if len(found) == 0 {
		t.Fatalf("no %s:\n%s", level, out)
	}
	return found
}

func TestChunk(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	many := make([]string, 120)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	for _, c := range []struct {
		in    []string
		sizes []int
	}{
		{nil, nil},
		{[]string{"a"}, []int{1}},
		{many, []int{50, 50, 20}},
		{[]string{long, long, "a", long}, []int{1, 2, 1}},
		{[]string{strings.Repeat("x", 9000), "a"}, []int{1, 1}},
	} {
		var sizes []int
		for _, piece := range template.Chunk(c.in) {
			sizes = append(sizes, len(piece))
		}
		if !slices.Equal(sizes, c.sizes) {
			t.Errorf("pieces of %v, want %v", sizes, c.sizes)
		}
		if got := slices.Concat(template.Chunk(c.in)...); !slices.Equal(got, c.in) {
			t.Errorf("%d strings became %d", len(c.in), len(got))
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	tmpl := parse(t, `{{define "x"}}{{ms .}} {{duration .}}{{end}}`+skeletonTemplate(`# {{template "x" .Process.HardStopAfter}}`, "", ""))
	for d, want := range map[time.Duration]string{
		2 * time.Second:         "2000ms 2s",
		5 * time.Minute:         "300000ms 5m",
		90 * time.Second:        "90000ms 90s",
		2 * time.Hour:           "7200000ms 2h",
		48 * time.Hour:          "172800000ms 2d",
		1500 * time.Millisecond: "1500ms 1500ms",
		time.Nanosecond:         "1ms 1ms",
		0:                       "0ms 0ms",
	} {
		out, err := tmpl.Render(lb.Config{Process: lb.Process{HardStopAfter: d}})
		if err != nil {
			t.Fatal(err)
		}
		if first, _, _ := strings.Cut(string(out.Bytes), "\n"); first != "# "+want {
			t.Errorf("%v: %q, want %q", d, first, want)
		}
	}
}

// skeletonTemplate is a small template that does what it has to do, with lines
// of the caller's at the start, in frontends and in backends.
func skeletonTemplate(start, inFrontend, inBackend string) string {
	return fmt.Sprintf(`%s
global
    description "thalassa {{.Fingerprint}}"
    stats socket {{quote .SocketPath}} level admin
defaults
    timeout connect 5s
    timeout client 5s
    timeout server 5s
{{range .Frontends}}
frontend {{.Key}}
    mode {{.Mode}}
    {{- range .Binds}}
    bind {{.}}
    {{- end}}
    {{- range .Natives}}
    {{.}}
    {{- end}}
    {{- range .Rules}}
    use_backend {{.Backend}} if { {{.Fetch}} -- {{quote .Values}} }
    {{- end}}
    {{- with .Backend}}
    default_backend {{.}}
    {{- end}}
    %s
{{end}}
{{range .Backends}}
backend {{.Key}}
    mode {{.Mode}}
    {{- range .Natives}}
    {{.}}
    {{- end}}
    {{- range .Servers}}
    server {{.Name}} {{.Address}}
    {{- end}}
    %s
{{end}}`, start, inFrontend, inBackend)
}

func parse(tb testing.TB, source string) *template.Template {
	tb.Helper()
	tmpl, err := template.Parse("test.tmpl", source)
	if err != nil {
		tb.Fatal(err)
	}
	return tmpl
}
