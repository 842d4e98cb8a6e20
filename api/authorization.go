package api

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// A belonging says for whom an Authorization header is.
type belonging int

const (
	// forApplication: nothing in it is a credential for the API.
	forApplication belonging = iota
	// forAPI: it has such a credential, or the name of a user.
	forAPI
	// forNobody: it may have one, which cannot be found out.
	forNobody
)

const (
	// maxWords bounds the words of a header in which credentials are looked for.
	maxWords = 64
	// leastCredential is the least length of a token or of the id of a session.
	leastCredential = 16
)

// belonging says for whom the Authorization header of a request is. Applications take headers
// apart in many ways. So it is not for them if it contains a credential for the API anywhere: in
// any scheme, between any separators, as the name or the password of Basic.
func (g *guard) belonging(r *http.Request) belonging {
	header := r.Header.Get(echo.HeaderAuthorization)
	texts := []string{header}
	if plain, err := url.PathUnescape(header); err == nil && plain != header {
		texts = append(texts, plain)
	}
	if name, _, ok := r.BasicAuth(); strings.EqualFold(schemeOf(header), "Basic") && (!ok || g.authority.HasUser(name)) {
		return forAPI
	}
	out := forApplication
	for _, field := range strings.FieldsFunc(strings.Join(texts, " "), isSeparator) {
		pair, ok := decoded(field)
		if !ok {
			continue
		}
		texts = append(texts, pair)
		switch name, _, isPair := strings.Cut(pair, ":"); {
		case isPair && g.authority.HasUser(name):
			return forAPI
		case isPair && g.authority.MayBeAccount(name):
			out = forNobody
		}
	}
	for _, text := range texts {
		switch has, all := g.hasCredential(text); {
		case has:
			return forAPI
		case !all:
			out = forNobody
		}
	}
	return out
}

// schemeOf is the first word of an Authorization header.
func schemeOf(header string) string {
	if words := strings.Fields(header); len(words) > 0 {
		return words[0]
	}
	return ""
}

// decoded is a text in base64, with or without padding, decoded.
func decoded(text string) (string, bool) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	data, err := base64.RawStdEncoding.DecodeString(text)
	return string(data), err == nil && len(data) > 0
}

// isSeparator reports whether a character may stand before or after a credential. Those of
// base64 do not, except for its padding.
func isSeparator(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("-_.~+/", c)
}

// hasCredential reports whether a part of a text between two separators is a token or the id of
// a session. A token may have separators itself. all: all parts have been tried.
func (g *guard) hasCredential(text string) (has, all bool) {
	var begins, ends []int
	before := true // the character before is a separator, or there is none
	for i, c := range text {
		now := isSeparator(c)
		if before && !now {
			begins = append(begins, i)
		}
		if now && (!before || c == '=') {
			ends = append(ends, i)
		}
		if c == '=' {
			ends = append(ends, i+1)
		}
		before = now
	}
	ends = append(ends, len(text))
	if len(begins) > maxWords || len(ends) > 2*maxWords {
		return false, false
	}
	for _, from := range begins {
		for _, to := range ends {
			if to-from < leastCredential {
				continue
			}
			if _, _, isToken := g.authority.Token(text[from:to]); isToken || g.isSession(text[from:to]) {
				return true, true
			}
		}
	}
	return false, true
}
