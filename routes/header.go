package routes

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// isIdentity reports whether a header of a request tells an application who the client is,
// or where it comes from. Some applications regard an underscore as a hyphen.
func isIdentity(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return slices.ContainsFunc([]string{
		"x-forwarded", "x-original-", "x-remote-", "remote-", "x-webauth-", "x-auth-", "x-authentik-", "x-authenticated-", "x-ssl-", "ssl-client-",
	}, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) ||
		slices.Contains([]string{
			"forwarded", "x-real-ip", "x-client-ip", "client-ip", "true-client-ip", "cf-connecting-ip", "x-cluster-client-ip",
			"x-user", "x-email", "x-rewrite-url", "x-scheme", "x-host", "proxy",
		}, name)
}

// cleanRequest removes the caller's credentials for the API from the headers of a request, and all
// headers that claim to identify the caller.
func cleanRequest(h http.Header, by Caller) {
	for name := range h {
		if isIdentity(name) {
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
// the other pages of this address.
func forbiddenAnswers() []string {
	return []string{"Alt-Svc", "Clear-Site-Data", "Public-Key-Pins", "Service-Worker-Allowed", "Strict-Transport-Security"}
}

// cleanResponse removes the headers of an answer that affect more than the route.
func (p *proxy) cleanResponse(res *http.Response) {
	h := res.Header
	h.Del("Trailer")
	for _, name := range forbiddenAnswers() {
		h.Del(name)
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
// would be read as the API's own.
func (p *proxy) confineCookies(h http.Header, ours []string) {
	lines := h.Values("Set-Cookie")
	h.Del("Set-Cookie")
	for _, line := range lines {
		pair, attributes, _ := strings.Cut(line, ";")
		if name, _, ok := strings.Cut(pair, "="); !ok || strings.TrimSpace(name) == "" || isNamed(strings.TrimSpace(pair), ours) {
			continue
		}
		h.Add("Set-Cookie", p.confined(pair, attributes))
	}
}

// confined is a cookie that browsers send to this host, and to the route alone. A name that
// begins with __Host- means the path /, or browsers refuse the cookie.
func (p *proxy) confined(pair, attributes string) string {
	out := []string{strings.TrimSpace(pair)}
	path := ""
	for attribute := range strings.SplitSeq(attributes, ";") {
		attribute = strings.TrimSpace(attribute)
		name, value, _ := strings.Cut(attribute, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "path":
			path = strings.TrimSpace(value)
		case "domain", "":
		default:
			out = append(out, attribute)
		}
	}
	switch route := p.route.Path; {
	case len(pair) > 7 && strings.EqualFold(strings.TrimSpace(pair)[:7], "__Host-"):
		path = "/"
	case p.route.Strip && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, route):
		path = route[:len(route)-1] + path
	case !strings.HasPrefix(path, route):
		path = route
	}
	return strings.Join(append(out, "Path="+path), "; ")
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
