package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Conditional requests after RFC 9110, 13.

// unchanged sets the entity tag of the answer and reports whether the caller already
// has that state (If-None-Match, compared weakly).
func unchanged(c echo.Context, tag string) bool {
	c.Response().Header().Set(headerETag, tag)
	tags, err := entityTags(c.Request().Header, "If-None-Match")
	if err != nil {
		return false // an invalid condition is ignored
	}
	return slices.ContainsFunc(tags, func(t string) bool { return t == "*" || strings.TrimPrefix(t, "W/") == tag })
}

// conditions reads the conditions of a change: the tags of If-Match, and
// whether If-None-Match: * demands that the object is new.
func conditions(r *http.Request) (ifMatch []string, ifNew bool, err error) {
	ifMatch, err = entityTags(r.Header, "If-Match")
	if err != nil {
		return nil, false, err
	}
	none, err := entityTags(r.Header, "If-None-Match")
	if err != nil {
		return nil, false, err
	}
	if len(none) > 0 && !slices.Equal(none, []string{"*"}) {
		return nil, false, invalidField("If-None-Match", "names entity tags", "* in a request that changes something")
	}
	return ifMatch, len(none) > 0, nil
}

// entityTags parses a header that holds "*" or a list of entity tags; nil when
// it is absent.
func entityTags(h http.Header, name string) ([]string, error) {
	text := strings.TrimSpace(strings.Join(h.Values(name), ","))
	if text == "" || text == "*" {
		return strings.Fields(text), nil
	}
	var tags []string
	for text != "" {
		tag, rest := cutTag(text)
		if tag == "" {
			return nil, invalidField(name, "is not a list of entity tags", `* or tags in double quotes, e.g. "0f3c5a7e9b1d2c4f"`)
		}
		tags = append(tags, tag)
		text = strings.TrimLeft(rest, " \t,")
	}
	return tags, nil
}

// cutTag splits one entity tag, weak or not, off the front of s. A comma or nothing must
// follow it. The tag is empty when there is none.
func cutTag(s string) (tag, rest string) {
	weak := 0
	if strings.HasPrefix(s, "W/") {
		weak = len("W/")
	}
	if len(s) <= weak || s[weak] != '"' {
		return "", s
	}
	end := strings.IndexByte(s[weak+1:], '"')
	if end < 0 {
		return "", s
	}
	end += weak + 2
	rest = strings.TrimLeft(s[end:], " \t")
	if rest != "" && rest[0] != ',' {
		return "", s
	}
	return s[:end], rest
}
