package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thalassa/client"
)

// Keys are read whatever terminal sends them, and however they are cut into pieces.
func TestKeysOfTerminals(t *testing.T) {
	const sent = "q\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[4~é\r\x7f\x15\x03\x1b[1;5C\x1b"
	want := []key{'q', keyUp, keyDown, keyPageUp, keyPageDown, keyHome, keyEnd, 'é', keyEnter, keyBackspace, keyClear, keyQuit, keyUnknown, keyEscape}
	if got, rest := decodeKeys(sent); !slices.Equal(got, want) || rest != "" {
		t.Errorf("got %v and %q, want %v", got, rest, want)
	}
	for cut := range len(sent) {
		if sent[max(0, cut-1)] == '\x1b' { // which alone is the key Esc
			continue
		}
		first, rest := decodeKeys(sent[:cut])
		second, _ := decodeKeys(rest + sent[cut:])
		if got := slices.Concat(first, second); !slices.Equal(got, want) {
			t.Errorf("cut at %d: got %v, want %v", cut, got, want)
		}
	}
}

// crowded is a screen with more lines than a window has.
func crowded(t *testing.T, members int) *screen {
	t.Helper()
	s := shown(t)
	for i := range members {
		key := fmt.Sprintf("10.1.%d.%d:80", i/250, i%250)
		data := documents(t, map[string]any{"id": "m" + key, "type": "backendMember", "backend": "live", "key": key, "status": "UP"})
		if err := s.take(client.Frame{Type: "delta", Topic: "stat", Changed: data}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func windowText(s *screen, width, height int) string {
	var texts []string
	for _, l := range s.lines(width, height) {
		texts = append(texts, l.text)
	}
	return strings.Join(texts, "\n")
}

// Every line can be reached, its heading stays in view, and the state and the keys never go.
func TestTopScrolls(t *testing.T) {
	s := crowded(t, 60)
	all := windowText(s, 120, 0)
	for _, k := range []key{keyPageDown, ' ', keyDown, 'j'} {
		s.press(keyHome)
		seen := map[string]bool{}
		for range len(strings.Split(all, "\n")) {
			window := windowText(s, 120, 20)
			lines := strings.Split(window, "\n")
			if len(lines) != 20 || !strings.HasPrefix(lines[0], "edge  HAProxy") || !strings.Contains(lines[19], "q quit") {
				t.Fatalf("the window is\n%s", window)
			}
			if s.scroll.first > 10 && !strings.HasPrefix(lines[2], "BACKEND") {
				t.Fatalf("no heading in\n%s", window)
			}
			for _, l := range lines {
				seen[l] = true
			}
			s.press(k)
		}
		for l := range strings.SplitSeq(all, "\n") {
			if !seen[l] {
				t.Errorf("key %v never shows %q", k, l)
			}
		}
	}
	s.press(keyEnd)
	if window := windowText(s, 120, 20); !strings.Contains(window, "\nold ") || !strings.Contains(window, " of 70  ") {
		t.Errorf("the end is\n%s", window)
	}
	s.press(keyPageUp)
	if before := s.scroll.first; before >= 70-17 || s.press('k') && s.scroll.first != before-1 {
		t.Errorf("after PgUp and k the first line is %d of %d", s.scroll.first, before)
	}
	s.press('m') // now all of it fits
	if window := windowText(s, 120, 20); !strings.Contains(window, "FRONTEND") || strings.Contains(window, " of 6") {
		t.Errorf("without members\n%s", window)
	}
}

func TestTopSearches(t *testing.T) {
	s := crowded(t, 3)
	typed := func(text string) string {
		keys, _ := decodeKeys(text)
		for _, k := range keys {
			if !s.press(k) {
				t.Fatalf("%q ends it", text)
			}
		}
		return windowText(s, 140, 40)
	}
	for _, c := range []struct {
		query         string
		has, has2, no string
	}{
		{"10.1.0.2", "live ", "  10.1.0.2:80", "  10.1.0.1:80"}, // one member, below its backend
		{"LIVE", "live ", "  10.0.0.1:80", "old "},              // a backend, with its members
		{"*:80", "web ", "BACKEND", "live "},                    // the address of a frontend
		{"down", "old ", "  10.0.0.2:80", "  10.0.0.1:80"},
		{"nqmrt", "q quit", "search: nqmrt", "live "}, // letters that are keys elsewhere
	} {
		window := typed("/" + c.query)
		if !strings.Contains(window, "/"+c.query+"_  Enter keep  Esc clear") {
			t.Errorf("while %q is typed\n%s", c.query, window)
		}
		window = typed("\r")
		if !strings.Contains(window, c.has) || !strings.Contains(window, c.has2) || strings.Contains(window, "\n"+c.no) {
			t.Errorf("%q finds\n%s", c.query, window)
		}
		if window = typed("\x1b"); !strings.Contains(window, "live ") || !strings.Contains(window, "/ search") {
			t.Errorf("after Esc\n%s", window)
		}
	}
	if typed("/livx\x7fe\r"); s.search.query != "live" {
		t.Errorf("the query is %q", s.search.query)
	}
	if typed("/\x15" + strings.Repeat("é", 2*maxQuery)); s.search.query != strings.Repeat("é", maxQuery) {
		t.Errorf("the query is %q", s.search.query)
	}
}

// The chosen order is marked.
func TestTopHintsSayTheOrder(t *testing.T) {
	s := shown(t)
	for k, want := range map[key]string{'n': "n name* ", 'r': "r req* ", 'e': "e err* ", 't': "t time*"} {
		s.press(k)
		if hints := s.hints(); !strings.Contains(hints, want) || strings.Count(hints, "*") != 1 {
			t.Errorf("%c: %s", rune(k), hints)
		}
	}
}
