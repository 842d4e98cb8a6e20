package cli

import (
	"strings"
	"unicode/utf8"
)

// A key is what was typed: a character, or one of the constants.
type key rune

// Keys that are no characters.
const (
	keyUp key = -1 - iota
	keyDown
	keyPageUp
	keyPageDown
	keyHome
	keyEnd
	keyEscape
	keyEnter
	keyBackspace
	keyClear // Ctrl-U
	keyQuit  // Ctrl-C and Ctrl-D where they are no signals
	keyUnknown
)

// isTyped reports whether the key is a character.
func (k key) isTyped() bool { return k >= 0 }

// sequences are what terminals send for keys after ESC.
func sequences() map[string]key {
	return map[string]key{
		"[A": keyUp, "OA": keyUp, "[B": keyDown, "OB": keyDown,
		"[5~": keyPageUp, "[6~": keyPageDown,
		"[H": keyHome, "OH": keyHome, "[1~": keyHome, "[7~": keyHome,
		"[F": keyEnd, "OF": keyEnd, "[4~": keyEnd, "[8~": keyEnd,
	}
}

// decodeKeys reads the keys in what a terminal has sent. rest is the beginning of a key
// whose end has not come yet.
func decodeKeys(sent string) (keys []key, rest string) {
	for sent != "" {
		if body, isSequence := strings.CutPrefix(sent, "\x1b"); isSequence && body != "" && (body[0] == '[' || body[0] == 'O') {
			end := sequenceEnd(body)
			if end < 0 {
				return keys, sent
			}
			k, known := sequences()[body[:end]]
			if !known {
				k = keyUnknown
			}
			keys, sent = append(keys, k), body[end:]
			continue
		}
		if !utf8.FullRuneInString(sent) {
			return keys, sent
		}
		r, size := utf8.DecodeRuneInString(sent)
		keys, sent = append(keys, characterKey(r)), sent[size:]
	}
	return keys, ""
}

// sequenceEnd is the length of a control sequence after ESC; -1: it goes on.
func sequenceEnd(body string) int {
	if body[0] == 'O' {
		if len(body) < 2 {
			return -1
		}
		return 2
	}
	for i := 1; i < len(body); i++ {
		if body[i] >= 0x40 && body[i] <= 0x7e { // the final byte (ECMA-48, 5.4)
			return i + 1
		}
	}
	return -1
}

// characterKey is the key of one character.
func characterKey(r rune) key {
	switch r {
	case '\x1b':
		return keyEscape
	case '\r', '\n':
		return keyEnter
	case 0x7f, '\b':
		return keyBackspace
	case 0x15:
		return keyClear
	case 3, 4:
		return keyQuit
	case utf8.RuneError:
		return keyUnknown
	}
	if r < ' ' {
		return keyUnknown
	}
	return key(r)
}

// press does what a key asks for; false: it asks to end.
func (s *screen) press(k key) bool {
	switch {
	case k == keyQuit:
		return false
	case s.search.typing:
		s.search.press(k)
		return true
	}
	switch k {
	case 'q', 'Q':
		return false
	case '/':
		s.search.typing = true
	case keyEscape:
		s.search.press(k)
	case 'n', 'r', 'e', 't':
		s.sort = k
	case 'm':
		s.members = !s.members
	default:
		s.scroll.press(k)
	}
	return true
}

// hints names the keys, and what they have chosen.
func (s *screen) hints() string {
	if s.search.typing {
		return s.search.status()
	}
	parts := []string{"q quit", "/ search"}
	if status := s.search.status(); status != "" {
		parts[1] = status
	}
	sorts := []string{"sort:"}
	for _, by := range []struct {
		key  key
		name string
	}{{'n', "name"}, {'r', "req"}, {'e', "err"}, {'t', "time"}} {
		mark := ""
		if s.sort == by.key {
			mark = "*"
		}
		sorts = append(sorts, string(rune(by.key))+" "+by.name+mark)
	}
	parts = append(parts, strings.Join(sorts, " "), "m members")
	if status := s.scroll.status(); status != "" {
		parts = append([]string{status}, append(parts, "PgUp PgDn scroll")...)
	}
	return strings.Join(parts, "  ")
}
