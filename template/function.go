package template

import (
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// functions are what templates can call; the package comment documents them.
func functions() template.FuncMap {
	return template.FuncMap{
		"quote":    quoteAny,
		"join":     func(sep string, list []string) string { return strings.Join(list, sep) },
		"chunk":    chunk,
		"ms":       ms,
		"duration": duration,
	}
}

// safe are the characters, besides letters and digits, that mean nothing to
// HAProxy's reader anywhere in a word.
const safe = "_.:/-+,@=~*"

// quoteAny quotes a string, or each string of a list.
func quoteAny(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return quote(v), nil
	case []string:
		words := make([]string, len(v))
		for i, s := range v {
			words[i] = quote(s)
		}
		return strings.Join(words, " "), nil
	}
	return "", fmt.Errorf("quote takes a string or a list of strings, not %T", v)
}

// quote makes one word of haproxy.cfg that HAProxy reads as s. Within single quotes, HAProxy reads
// every character literally up to the next single quote, which is therefore written outside of the
// quotes, with a backslash (HAProxy configuration manual, 2.2).
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, needsQuotes) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func needsQuotes(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(safe, r)
}

// A line of haproxy.cfg may have 64 words (MAX_LINE_ARGS), of which an acl line
// needs five for itself.
const (
	chunkWords = 50
	chunkBytes = 8 << 10
)

// chunk splits list into pieces of at most chunkWords strings and, unless a
// single string is longer, chunkBytes bytes.
func chunk(list []string) [][]string {
	var pieces [][]string
	start, size := 0, 0
	for i, s := range list {
		if i > start && (i-start == chunkWords || size+len(s) > chunkBytes) {
			pieces = append(pieces, list[start:i])
			start, size = i, 0
		}
		size += len(s)
	}
	if start < len(list) {
		pieces = append(pieces, list[start:])
	}
	return pieces
}

// ms gives whole milliseconds; HAProxy rounds less than one up to one.
func ms(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10) + "ms"
}

// duration gives d in the greatest unit of HAProxy that divides it into whole
// numbers (HAProxy configuration manual, 2.5).
func duration(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{
		{24 * time.Hour, "d"},
		{time.Hour, "h"},
		{time.Minute, "m"},
		{time.Second, "s"},
	}
	for _, u := range units {
		if d >= u.size && d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return ms(d)
}
