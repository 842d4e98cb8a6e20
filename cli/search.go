package cli

import "strings"

// maxQuery bounds what is typed into a search, in characters.
const maxQuery = 64

// A search selects the lines of a screen that hold a text.
type search struct {
	query  string
	typing bool // keys change the query
}

// press changes the query by a key.
func (s *search) press(k key) {
	switch {
	case k == keyEnter:
		s.typing = false
	case k == keyEscape:
		*s = search{}
	case k == keyBackspace:
		if runes := []rune(s.query); len(runes) > 0 {
			s.query = string(runes[:len(runes)-1])
		}
	case k == keyClear:
		s.query = ""
	case k >= ' ' && k.isTyped() && len([]rune(s.query)) < maxQuery:
		s.query += string(rune(k))
	}
}

// finds reports whether one of the texts holds the query, in any case of letters.
func (s *search) finds(texts ...string) bool {
	if s.query == "" {
		return true
	}
	for _, text := range texts {
		if strings.Contains(strings.ToLower(text), strings.ToLower(s.query)) {
			return true
		}
	}
	return false
}

// status says what is searched for, and the keys that change it; empty: nothing.
func (s *search) status() string {
	switch {
	case s.typing:
		return "/" + s.query + "_  Enter keep  Esc clear"
	case s.query != "":
		return "search: " + s.query + "  Esc clear"
	}
	return ""
}
