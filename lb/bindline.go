package lb

import (
	"slices"
	"strconv"
	"strings"
)

// parseBindField reads the addresses of a frontend. Plain ones are binds. With options, or in
// another form of HAProxy (a family, a range of ports, a path), they become one raw bind line,
// whose options apply to all of its addresses.
func parseBindField(s string) (binds []Bind, raw RawLine, err error) {
	binds, err = parseBinds(s)
	if err == nil {
		return binds, "", nil
	}
	w, quoteErr := SplitWords(s)
	switch {
	case hasControl(strings.ReplaceAll(s, "\t", " ")):
		return nil, "", bad("holds a line break or another control character", "addresses, and options of HAProxy's bind line")
	case quoteErr != nil:
		return nil, "", bad(strconv.Quote(s)+" "+quoteErr.Error(), "addresses, and options of HAProxy's bind line")
	case len(w.Values) == 0:
		return nil, "", err
	}
	count := addressWords(w.Raw)
	list := strings.Join(w.Raw[:count], "")
	if list != strings.Join(w.Values[:count], "") {
		return nil, "", err // quoted addresses
	}
	plain := true
	seen := map[string]bool{}
	for address := range strings.SplitSeq(list, ",") {
		if seen[address] {
			return nil, "", err
		}
		seen[address] = true
		if _, notPlain := ParseBind(address); notPlain == nil {
			continue
		}
		if !isBindAddress(address) {
			return nil, "", err
		}
		plain = false
	}
	if plain && count == len(w.Raw) {
		binds, err = parseBinds(list) // without a comment
		return binds, "", err
	}
	raw, err = ParseRawLine(strings.Join(slices.Concat([]string{bindKeyword, list}, w.Raw[count:]), " "))
	return nil, raw, err
}

const bindKeyword = "bind"

// addressWords counts the words that the list of addresses consists of: blanks may stand
// beside its commas.
func addressWords(words []string) int {
	count := 1
	for count < len(words) && (strings.HasSuffix(words[count-1], ",") || strings.HasPrefix(words[count], ",")) {
		count++
	}
	return count
}

// isBindAddress reports whether HAProxy takes text as an address to listen on in another
// form than host:port.
func isBindAddress(text string) bool {
	l, ok := parseListener(text)
	return ok && l.network != ""
}

// bindText is what a bind line says after its keyword.
func bindText(n RawLine) string { return strings.TrimPrefix(string(n), bindKeyword+" ") }

// BindTexts are the frontend's own bind lines without the keyword: an address each, or addresses
// with options. Bind lines among its raw lines are not included.
func (f Frontend) BindTexts() []string {
	if f.RawBind != "" {
		return []string{bindText(f.RawBind)}
	}
	out := make([]string, len(f.Binds))
	for i, b := range f.Binds {
		out[i] = b.String()
	}
	return out
}

// RawBindTexts are the bind lines, without the keyword, that are raw lines or have options.
func (f Frontend) RawBindTexts() []string {
	var out []string
	if f.RawBind != "" {
		out = append(out, bindText(f.RawBind))
	}
	for _, n := range f.Natives {
		if hasBindLine([]RawLine{n}) {
			out = append(out, bindText(n))
		}
	}
	return out
}

// hasBindLine reports whether one of the lines binds an address.
func hasBindLine(lines []RawLine) bool {
	return slices.ContainsFunc(lines, func(n RawLine) bool {
		words := rawWords(n)
		return len(words) > 1 && words[0].text == bindKeyword
	})
}

// Address is the first TCP address with a port, of the typed ones or else of raw lines; false:
// there is none.
func (f Frontend) Address() (Bind, bool) {
	if binds := f.TypedBinds(); len(binds) > 0 {
		return binds[0], true
	}
	for _, l := range f.listeners() {
		if l.network == networkTCP && l.first > 0 {
			host := Host(l.host)
			if l.host == "*" {
				host = ""
			}
			return Bind{Host: host, Port: l.first}, true
		}
	}
	return Bind{}, false
}

// Listeners counts the addresses that the frontend listens on, those of raw lines too.
func (f Frontend) Listeners() int {
	texts := map[string]bool{}
	for _, l := range f.listeners() {
		texts[l.path+" "+l.text] = true
	}
	return len(texts)
}

// ListensOn reports whether the frontend has an address in common with b.
func (f Frontend) ListensOn(b Bind) bool {
	own := Frontend{Binds: []Bind{b}}.listeners()[0]
	return slices.ContainsFunc(f.listeners(), own.overlaps)
}
