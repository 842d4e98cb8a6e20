package routes

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// cleanRequest removes the caller's credentials for the API from the headers of a request, and all
// headers that claim to identify the caller, unless the route lets one through.
func (r Route) cleanRequest(h http.Header, by Caller) {
	for name := range h {
		if plain := plainHeader(name); r.DropHeaders.has(plain) || isIdentity(plain) && !r.PassHeaders.has(plain) {
			delete(h, name)
		}
	}
	if !by.Authorization {
		h.Del("Authorization")
	}
	h.Del("Te") // it would ask for trailers
	h.Del("Trailer")
	h.Del("Cookie2")
	if kept := withoutCookies(h.Values("Cookie"), by.Cookies); kept != "" {
		h.Set("Cookie", kept)
	} else {
		h.Del("Cookie")
	}
}

// withoutCookies joins Cookie headers into one, without the cookies of some names.
func withoutCookies(headers, names []string) string {
	var kept []string
	for _, header := range headers {
		for pair := range strings.SplitSeq(header, ";") {
			if pair = strings.TrimSpace(pair); pair != "" && !isNamed(pair, names) {
				kept = append(kept, pair)
			}
		}
	}
	return strings.Join(kept, "; ")
}

// isNamed reports whether a cookie, "NAME=VALUE", has one of some names, or may have it for a
// lenient reader: one that cuts at commas or spaces too, takes quotes or a path encoding off
// a name, or has its own characters for an underscore, as PHP. So a cookie that has the name
// anywhere counts, unless a slash or the like parts it. The prefix __Host- is not looked at.
func isNamed(pair string, names []string) bool {
	for range mostDecodings {
		plain := plainName(pair)
		if slices.ContainsFunc(names, func(n string) bool { return strings.Contains(plain, plainName(strings.TrimPrefix(n, "__Host-"))) }) {
			return true
		}
		next, err := url.PathUnescape(pair)
		if err != nil {
			next = unescaped(pair)
		}
		if next == pair {
			return false
		}
		pair = next
	}
	return true // encoded again and again
}

// HasCookie reports whether a request has a cookie of one of some names, in any spelling
// that isNamed knows.
func HasCookie(r *http.Request, names ...string) bool {
	return slices.ContainsFunc(r.Header.Values("Cookie"), func(header string) bool {
		return slices.ContainsFunc(strings.Split(header, ";"), func(pair string) bool { return isNamed(pair, names) })
	})
}

// plainName is a text in which different spellings of a name are the same: its letters and
// digits, in lower case, and what no name of a cookie has.
func plainName(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			return c
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		case strings.ContainsRune("/:?&#@", c):
			return c
		}
		return -1
	}, text)
}

// unescaped is a text without the percent encoding that it has, where some of it is none.
func unescaped(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		if c, err := url.PathUnescape(text[:min(3, len(text))]); text[0] == '%' && len(text) >= 3 && err == nil {
			out.WriteString(c)
			text = text[3:]
			continue
		}
		out.WriteByte(text[0])
		text = text[1:]
	}
	return out.String()
}

// forbiddenAnswers are headers by which an application would change what browsers do with
// the other pages of this address: how they connect, what they report and to whom, what they
// send, and what they have stored.
func forbiddenAnswers() []string {
	return []string{
		"Accept-Ch", "Accept-Ch-Lifetime", "Alt-Svc", "Alternate-Protocol", "Clear-Site-Data", "Critical-Ch", "Expect-Ct", "Nel", "Origin-Agent-Cluster",
		"Observe-Browsing-Topics", "Origin-Isolation", "Origin-Trial", "Public-Key-Pins", "Public-Key-Pins-Report-Only", "Report-To", "Reporting-Endpoints", "Sec-Session-Challenge",
		"Sec-Session-Registration", "Secure-Session-Challenge", "Secure-Session-Registration", "Service-Worker-Allowed", "Set-Cookie2", "Set-Login",
		"Shared-Storage-Write",
		"Strict-Transport-Security", "Use-As-Dictionary",
	}
}

// forbiddenAnswersBelow are beginnings of further such headers.
func forbiddenAnswersBelow() []string { return []string{"Attribution-Reporting-"} }

// cleanResponse removes the headers of an answer that affect more than the route.
func (p *proxy) cleanResponse(res *http.Response) {
	h := res.Header
	h.Del("Trailer")
	for _, name := range forbiddenAnswers() {
		h.Del(name)
	}
	for name := range h {
		if slices.ContainsFunc(forbiddenAnswersBelow(), func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			delete(h, name)
		}
	}
	p.confineCookies(h, exchangeOf(res.Request).by.Cookies)
	if location := h.Get("Location"); location != "" && p.route.Strip {
		h.Set("Location", p.relocated(location, res.Request.Host))
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store") // the caller may lose the right to it
	}
	if page := p.route.page; page != nil {
		h.Set("Content-Security-Policy", page.policy)
		h.Set("X-Content-Type-Options", "nosniff")
	}
}

// confineCookies limits the cookies that an application sets to its route. It drops those that
// would be read as the API's own, and those that browsers take for all paths of the address alone.
func (p *proxy) confineCookies(h http.Header, ours []string) {
	lines := h.Values("Set-Cookie")
	h.Del("Set-Cookie")
	for _, line := range lines {
		pair, attributes, _ := strings.Cut(line, ";")
		pair = strings.TrimSpace(pair)
		name, _, ok := strings.Cut(pair, "=")
		switch name = strings.TrimSpace(name); {
		case !ok || name == "" || isNamed(pair, ours):
		case hasPrefixFold(name, "__Host-"):
			if name = name[:min(len(name), maxHeaderName)]; p.told.isNew("cookie " + name) {
				p.logger.Warn("cookie of an application dropped: browsers take it for the whole address only", "route", p.route.Path, "cookie", name)
			}
		default:
			h.Add("Set-Cookie", p.confined(pair, attributes))
		}
	}
}

// hasPrefixFold is strings.HasPrefix where case does not matter, as for browsers.
func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// confined is a cookie that browsers send to this host, and to the route alone. Of several
// paths the last one counts, as for browsers (RFC 6265, 5.3).
func (p *proxy) confined(pair, attributes string) string {
	out := []string{pair}
	path, isSecure := "", false
	for attribute := range strings.SplitSeq(attributes, ";") {
		attribute = strings.TrimSpace(attribute)
		name, value, _ := strings.Cut(attribute, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "path":
			path = strings.TrimSpace(value)
			continue
		case "domain", "":
			continue
		case "secure":
			isSecure = true
		}
		out = append(out, attribute)
	}
	switch route := p.route.Path; {
	case p.route.Strip && path == "/":
		path = route
	case p.route.Strip && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, route):
		path = route[:len(route)-1] + path
	case !strings.HasPrefix(path, route):
		path = route
	}
	out = append(out, "Path="+path)
	if !isSecure && hasPrefixFold(pair, "__Secure-") { // else browsers refuse it
		out = append(out, "Secure")
	}
	return strings.Join(out, "; ")
}

// relocated is where the application sends the client, as the client sees it. host is that
// of the request.
func (p *proxy) relocated(location, host string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host != "" && !strings.EqualFold(u.Host, host) || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, p.route.Path) {
		return location
	}
	prefix := p.route.Path[:len(p.route.Path)-1]
	u.Path = prefix + u.Path
	if u.RawPath != "" {
		u.RawPath = prefix + u.RawPath
	}
	return u.String()
}
