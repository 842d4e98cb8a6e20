package lb

import (
	"slices"
	"strings"
)

// isReferable reports whether lines of other sections can name a section of that kind.
// Those of proxies are RawLine.names, and the field defaults names sections of defaults.
func isReferable(kind string) bool {
	return isOneOf(" cache crt-store fcgi-app http-errors log-profile mailers peers resolvers ring userlist ", kind)
}

// namesSection reports whether a raw line names a section of that kind (configuration
// manual of HAProxy 3.2, at each kind).
func (n RawLine) namesSection(kind, name string) bool {
	if !strings.Contains(string(n), name) {
		return false
	}
	words := lineWords(n)
	switch kind {
	case "userlist":
		return callsWith(words, name, "http_auth", "http_auth_group")
	case "resolvers":
		return follows(words, name, "resolvers", "httpclient.resolvers.id") || resolvesWith(words, name)
	case "cache":
		return follows(words, name, "cache-use", "cache-store", "cache")
	case "peers":
		return follows(words, name, "peers") || namesTableOf(words, name)
	case "mailers":
		return follows(words, name, "mailers")
	case "ring":
		return wordAt(words, 0) == "log" && wordAt(words, 1) == "ring@"+name
	case "log-profile":
		return follows(words, name, "profile")
	case "http-errors":
		return follows(words, name, "errorfiles")
	case "fcgi-app":
		return follows(words, name, "use-fcgi-app", "fcgi-app")
	case "crt-store":
		return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "@"+name+"/") })
	}
	return false
}

// follows reports whether a word comes right after one of the others.
func follows(words []string, word string, others ...string) bool {
	for i, w := range words {
		if i > 0 && w == word && slices.Contains(others, words[i-1]) {
			return true
		}
	}
	return false
}

// callsWith reports whether an expression has the name as the only argument of one of the
// functions.
func callsWith(words []string, name string, functions ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return slices.ContainsFunc(functions, func(f string) bool { return strings.Contains(w, f+"("+name+")") })
	})
}

// resolvesWith reports whether an action "do-resolve(VARIABLE,RESOLVERS,…)" has the name as
// its resolvers.
func resolvesWith(words []string, name string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		arguments, ok := strings.CutPrefix(w, "do-resolve(")
		if !ok {
			return false
		}
		list := strings.Split(strings.TrimSuffix(arguments, ")"), ",")
		return len(list) > 1 && strings.TrimSuffix(list[1], ")") == name
	})
}

// namesTableOf reports whether a line uses a table of a peers section, "PEERS/TABLE", as the
// argument of an action or in an expression.
func namesTableOf(words []string, peers string) bool {
	prefix := peers + "/"
	for i, w := range words {
		isArgument := i > 0 && words[i-1] == "table" && strings.HasPrefix(w, prefix)
		if isArgument || strings.Contains(w, "("+prefix) || strings.Contains(w, ","+prefix) {
			return true
		}
	}
	return false
}
