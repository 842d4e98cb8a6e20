package routes

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// find is the route with the longest path that a decoded path of a request is below. A
// path without its last slash is that of the route, too.
func find[T any](path string, all []T, pathOf func(T) string) (found T, ok bool) {
	longest := 0
	for _, one := range all {
		p := pathOf(one)
		if len(p) > longest && (strings.HasPrefix(path, p) || path == p[:len(p)-1]) {
			found, ok, longest = one, true, len(p)
		}
	}
	return found, ok
}

// mostDecodings is how often a path is decoded to find out how applications may read it.
const mostDecodings = 5

// checkRequestPath refuses a path of a request that an application, or a file system, may interpret
// differently from this program: one that leads upwards, has an empty segment, or hides a
// separator.
func checkRequestPath(u *url.URL, route string) error {
	raw := u.EscapedPath()
	if !strings.HasPrefix(raw, route) {
		return errors.New("the path of the route is encoded")
	}
	rest := raw[len(route):]
	slashes := strings.Count(rest, "/")
	for range mostDecodings {
		if err := checkDecoded(rest, slashes); err != nil {
			return err
		}
		next, err := url.PathUnescape(rest)
		if isLast := err != nil || next == rest; isLast { // the application cannot decode it further, either
			return nil
		}
		rest = next
	}
	return errors.New("the path is encoded several times")
}

func checkDecoded(path string, slashes int) error {
	switch {
	case strings.Count(path, "/") != slashes:
		return errors.New("the path has an encoded slash")
	case strings.Contains(path, `\`):
		return errors.New("the path has a backslash")
	case strings.ContainsFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return errors.New("the path has a control character")
	case !utf8.ValidString(path): // an overlong dot or slash, to applications that decode it
		return errors.New("the path is not UTF-8")
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		name, _, _ := strings.Cut(segment, ";") // some applications cut parameters off, or spaces
		switch {
		case name != "" && strings.TrimFunc(name, isDotOrSpace) == "":
			return errors.New("the path has a segment of dots")
		case segment == "" && i < len(segments)-1:
			return errors.New("the path has an empty segment")
		}
	}
	return nil
}

func isDotOrSpace(c rune) bool { return c == '.' || unicode.IsSpace(c) }

// redirectToFolder sends a client from /img to /img/.
func redirectToFolder(w http.ResponseWriter, r *http.Request, to string) {
	u := url.URL{Path: to, RawQuery: r.URL.RawQuery}
	status := http.StatusPermanentRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	w.Header().Set("Location", u.String())
	w.WriteHeader(status)
}
