package imports

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// A setting is what HAProxy has of a proxy, or of the global section, from one line.
type setting struct {
	key   string // "timeout client", "option httplog", "http-request", "bind"
	value string
	line  int // in the file; 0: none
}

// effects are the settings that hold for one proxy or the global section, with those of the
// defaults that it begins with.
type effects struct {
	single map[string]setting   // by key: the last line counts
	lists  map[string][]setting // by key, in their order
}

// listed are the keywords of which every line counts, in their order. Those of the second
// list have lists of their own for each second word.
const (
	listed = " bind server server-template http-request http-response http-after-response http-check tcp-check use_backend use-server" +
		" redirect filter log capture declare errorfiles http-error force-persist ignore-persist stick email-alert nameserver peer user group" +
		" cpu-map stats setenv tune.lua "
	paired = " timeout option compression tcp-request tcp-response errorfile errorloc errorloc302 errorloc303 rate-limit stats email-alert "
)

// effectsOf are those of a section of a file.
func effectsOf(f template.File, i int) effects {
	e := effects{single: map[string]setting{}, lists: map[string][]setting{}}
	own := f.Sections[i].Lines
	all := slices.Concat(inheritedIn(f, i, len(f.Sections)), own)
	acls := aclsOf(own)
	defaults := serverDefaultsOf(all)
	for _, l := range all {
		l.Words = absolute(f, l.Words)
		e.add(l, acls, defaults)
	}
	e.joinCheck()
	return e
}

// inheritedIn are the lines of the defaults that a section begins with; depth bounds circles.
func inheritedIn(f template.File, i, depth int) []template.FileLine {
	s := f.Sections[i]
	if depth == 0 || !slices.Contains([]string{"frontend", "backend", lb.SectionListen, lb.SectionDefaults}, s.Kind) {
		return nil
	}
	name, named := parent(s)
	if s.Kind == lb.SectionDefaults && !named {
		return nil
	}
	for at, d := range slices.Backward(f.Sections[:i]) {
		if d.Kind == lb.SectionDefaults && (!named || d.Name == name) {
			return append(slices.Clone(inheritedIn(f, at, depth-1)), d.Lines...)
		}
	}
	return nil
}

// add takes one line over.
func (e *effects) add(l template.FileLine, acls map[string]string, defaults []string) {
	words := l.Words
	isNegated := words[0] == "no" && len(words) > 1
	if isNegated {
		words = words[1:]
	}
	key, rest := words[0], words[1:]
	if isOneWord(paired, key) && len(rest) > 0 {
		key, rest = key+" "+rest[0], rest[1:]
	}
	value := strings.Join(rest, " ")
	switch {
	case words[0] == "acl", words[0] == "default-server":
		return // where they are used
	case words[0] == "server":
		value = serverText(words, defaults)
	case words[0] == "timeout":
		value = durationText(value)
	case isNegated:
		value = "no"
		delete(e.lists, key)
	case strings.HasPrefix(key, "option"):
		value = strings.TrimSpace("yes " + value)
	default:
		value = conditionText(value, acls)
	}
	s := setting{key, value, l.Number}
	if key == "bind" && len(rest) > 0 { // one for each address
		for address := range strings.SplitSeq(rest[0], ",") {
			e.lists[key] = append(e.lists[key], setting{key, strings.Join(append([]string{address}, rest[1:]...), " "), l.Number})
		}
		return
	}
	if !isNegated && (isOneWord(listed, words[0]) || strings.HasPrefix(words[0], "tcp-re")) {
		e.lists[key] = append(e.lists[key], s)
		return
	}
	e.single[key] = s
}

// absolute are words with the whole names of files that are relative to a directory of the
// global section.
func absolute(f template.File, words []string) []string {
	out := slices.Clone(words)
	for i := 1; i < len(words); i++ {
		if base := baseIn(f, words[i-1]); base != "" && !strings.HasPrefix(words[i], "/") && !strings.HasPrefix(words[i], "@") {
			out[i] = strings.TrimRight(base, "/") + "/" + words[i]
		}
	}
	return out
}

func isOneWord(list, word string) bool { return strings.Contains(list, " "+word+" ") }

// joinCheck puts what says which request checks servers into one setting: the line of the
// option, or an http-check send.
func (e *effects) joinCheck() {
	const key = "option httpchk"
	check, ok := e.single[key]
	if !ok || check.value == "no" {
		return
	}
	words := strings.Fields(strings.TrimPrefix(check.value, "yes"))
	request := []string{"OPTIONS", "/", "HTTP/1.0"}
	switch len(words) {
	case 0:
	case 1:
		request[1] = words[0]
	default:
		copy(request, words)
	}
	sends := slices.DeleteFunc(slices.Clone(e.lists["http-check"]), func(s setting) bool { return !strings.HasPrefix(s.value, "send ") })
	if len(sends) == 1 {
		send := strings.Fields(sends[0].value)
		for i := 1; i+1 < len(send); i += 2 {
			if at := slices.Index([]string{"meth", "uri", "ver"}, send[i]); at >= 0 {
				request[at] = send[i+1]
			}
		}
		if !strings.Contains(sends[0].value, " hdr ") {
			e.lists["http-check"] = slices.DeleteFunc(slices.Clone(e.lists["http-check"]), func(s setting) bool { return s == sends[0] })
		}
	}
	check.value = strings.Join(request, " ")
	e.single[key] = check
}

// aclsOf are the expressions of ACLs by name, the values of several lines together.
func aclsOf(lines []template.FileLine) map[string]string {
	out := map[string]string{}
	for _, l := range lines {
		if l.Words[0] != "acl" || len(l.Words) < 3 {
			continue
		}
		text := expressionText(l.Words[2:])
		if before, ok := out[l.Words[1]]; ok {
			fetch, values, _ := strings.Cut(text, " ")
			if strings.HasPrefix(before, fetch+" ") {
				text = before + " " + strings.TrimPrefix(values, "-i ")
			} else {
				text = before + " or " + text
			}
		}
		out[l.Words[1]] = text
	}
	return out
}

// expressionText is a fetch with its patterns, without the word that ends the flags.
func expressionText(words []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "--" }), " ")
}

// conditionText is a value with the expressions of ACLs in the place of their names.
func conditionText(value string, acls map[string]string) string {
	words := strings.Fields(value)
	at := slices.IndexFunc(words, func(w string) bool { return w == "if" || w == "unless" })
	if at < 0 {
		return value
	}
	out := slices.Clone(words[:at+1])
	for _, w := range words[at+1:] {
		name, isNegated := strings.CutPrefix(w, "!")
		text, ok := acls[name]
		switch {
		case w == "--":
		case !ok:
			out = append(out, w)
		case isNegated:
			out = append(out, "!{ "+text+" }")
		default:
			out = append(out, "{ "+text+" }")
		}
	}
	return strings.Join(out, " ")
}

// serverDefaultsOf are the options of default-server lines.
func serverDefaultsOf(lines []template.FileLine) []string {
	var out []string
	for _, l := range lines {
		if l.Words[0] == "default-server" {
			out = append(out, l.Words[1:]...)
		}
	}
	return out
}

// valued are the options of servers that take a value and that are compared by it.
const valued = sharedValues + "cookie id namespace redir resolvers init-addr source track hash-key on-error agent-port agent-inter "

// serverText is what a server line says, with what default-server lines say and without
// HAProxy's own defaults. The name does not count.
func serverText(words, defaults []string) string {
	if len(words) < 3 {
		return strings.Join(words[1:], " ")
	}
	options := map[string]string{"inter": "2000", "weight": "1", "rise": "2", "fall": "3"}
	list := append(slices.Clone(defaults), words[3:]...)
	for i := 0; i < len(list); i++ {
		option, value := list[i], ""
		if isOneWord(valued, option) && i+1 < len(list) {
			i++
			value = list[i]
		}
		if no, isOff := strings.CutPrefix(option, "no-"); isOff {
			delete(options, no)
			continue
		}
		switch option {
		case "inter", "fastinter", "downinter", "slowstart":
			value = strings.TrimSuffix(durationText(value), " ms")
		}
		options[option] = value
	}
	out := []string{words[2]}
	for option, value := range options {
		isDefault := option == "inter" && value == "2000" || option == "weight" && value == "1" || option == "rise" && value == "2" || option == "fall" && value == "3"
		if !isDefault {
			out = append(out, strings.TrimSpace(option+" "+value))
		}
	}
	slices.Sort(out[1:])
	return strings.Join(out, " ")
}

// durationText is a duration in milliseconds, or the text as it is.
func durationText(text string) string {
	digits := strings.TrimRight(text, "usmhd")
	n, err := strconv.Atoi(digits)
	factor, ok := map[string]float64{"": 1, "us": 0.001, "ms": 1, "s": 1000, "m": 60e3, "h": 3600e3, "d": 86400e3}[text[len(digits):]]
	if err != nil || !ok {
		return text
	}
	return strconv.FormatFloat(float64(n)*factor, 'f', -1, 64) + " ms"
}
