package lb

import (
	"strconv"
	"strings"
)

// A UseKind is the kind of something outside of haproxy.cfg that a raw line names.
type UseKind int

// The kinds of uses.
const (
	// ContentFile is a file whose contents can reach clients or HAProxy's messages:
	// answers, maps, patterns, lists of certificates, configurations of filters.
	ContentFile UseKind = iota + 1
	// CertificateFile is a file, or a directory of files, with certificates, keys,
	// authorities or revocations.
	CertificateFile
	// Socket is anything except a network address that HAProxy listens on, connects to or writes
	// to.
	Socket
	// Program is a program that HAProxy runs, or a privilege that it uses on the machine.
	Program
	// Environment is an environment variable of HAProxy.
	Environment
	// Destination is an address or a port that clients choose, so that it is unknown where the line
	// leads.
	Destination
	// Unreadable is a line that parsers could interpret differently.
	Unreadable
	// Unknown is a keyword, option, action or filter that HAProxy 2.6 to 3.2 does
	// not have.
	Unknown
)

// A Use is one thing outside of haproxy.cfg that a raw line makes HAProxy use.
type Use struct {
	Kind UseKind
	By   string // the word that names it, e.g. "crt", "-f", "map"
	Name string // the file, socket or variable, or what is not known; without quotes
}

// Uses lists what the line makes HAProxy use outside of haproxy.cfg, each once. If versions of
// HAProxy interpret the line differently, all interpretations count.
func (n RawLine) Uses() []Use {
	u := uses{}
	u.readable(n, u.line)
	return u.list
}

// readable reads the words of a line and has them judged, or says why it cannot.
func (u *uses) readable(n RawLine, judge func()) {
	w, err := SplitWords(string(n))
	u.words = w.Values
	switch {
	case err != nil:
		u.add(Unreadable, "", err.Error())
	case strings.Contains(strings.Join(u.words, ""), "\x00"):
		u.add(Unreadable, "", "holds a zero byte")
	case len(u.words) > 0:
		if w.Expands {
			u.add(Environment, `"$"`, variableIn(u.words))
		}
		judge()
	}
}

// ExpressionUses lists what a sample expression, or an argument that may be one, makes HAProxy use.
func ExpressionUses(text string) []Use {
	u := uses{words: strings.Fields(text)}
	u.expressions()
	return u.list
}

// variableIn names the first environment variable of the words.
func variableIn(words []string) string {
	for _, word := range words {
		_, rest, found := strings.Cut(word, "$")
		if name := strings.TrimLeft(rest, "{"); found && name != "" {
			end := strings.IndexFunc(name, func(r rune) bool { return !isNameRune(r) })
			if end < 0 {
				end = len(name)
			}
			return name[:end]
		}
	}
	return ""
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.'
}

// uses collects what one line reaches.
type uses struct {
	words []string
	list  []Use
}

func (u *uses) add(kind UseKind, by, name string) {
	for _, have := range u.list {
		if have.Kind == kind && have.Name == name {
			return
		}
	}
	u.list = append(u.list, Use{Kind: kind, By: by, Name: name})
}

func (u *uses) unknown(keyword string) { u.add(Unknown, "", strconv.Quote(keyword)) }

// word is the one at position at, or "".
func (u *uses) word(at int) string {
	if at < 0 || at >= len(u.words) {
		return ""
	}
	return u.words[at]
}

// line judges the whole line by its keyword; "no" and "default" only modify it.
func (u *uses) line() {
	if first := u.word(0); (first == "no" || first == "default") && len(u.words) > 1 {
		u.words = u.words[1:]
	}
	u.expressions()
	u.patternFiles()
	keyword := u.word(0)
	if !KnownKeyword(keyword) {
		u.unknown(keyword)
		return
	}
	u.network(keyword)
	if read := keywordUses()[keyword]; read != nil {
		read(u)
	}
}

// keywordUses returns how to read the lines of each keyword that can reach
// something outside of haproxy.cfg, besides expressions, patterns and addresses.
func keywordUses() map[string]func(*uses) {
	server := func(at int) func(*uses) {
		return func(u *uses) { u.options(at, serverFlags, serverValues, serverPowers) }
	}
	rule := func(u *uses) { u.action(1) }
	return map[string]func(*uses){
		"bind":            func(u *uses) { u.options(2, bindFlags, bindValues, bindPowers) },
		"server":          server(3),
		"server-template": server(4),
		"default-server":  server(1),
		"ssl-f-use":       func(u *uses) { u.options(1, certificateFlags, certificateValues+certificateOptions, "") },
		"errorfile":       func(u *uses) { u.file(ContentFile, "errorfile", u.word(2)) },
		"server-state-file-name": func(u *uses) {
			if u.word(1) != "use-backend-name" {
				u.file(ContentFile, "server-state-file-name", u.word(1))
			}
		},
		"external-check": func(u *uses) { u.add(Program, "external-check", u.word(2)) },
		"option": func(u *uses) {
			switch u.word(1) {
			case "external-check":
				u.add(Program, "option", u.word(1))
			case "transparent":
				u.add(Destination, "option", u.word(1))
			}
		},
		"transparent":  func(u *uses) { u.add(Destination, "transparent", "transparent") },
		"filter":       (*uses).filter,
		"http-error":   (*uses).reply,
		"http-request": rule, "http-response": rule, "http-after-response": rule, "quic-initial": rule,
		"tcp-request": (*uses).tcpRule, "tcp-response": (*uses).tcpRule,
	}
}

// file notes a file, if there is one.
func (u *uses) file(kind UseKind, by, name string) {
	if name != "" {
		u.add(kind, by, name)
	}
}

// following notes the words that follow one of the options, wherever they stand.
func (u *uses) following(kind UseKind, options string) {
	for i, word := range u.words {
		if isOneOf(options, word) {
			u.file(kind, word, u.word(i+1))
		}
	}
}

// patternFiles finds the files of ACLs, named and anonymous.
func (u *uses) patternFiles() {
	for i, word := range u.words {
		if word == "-f" {
			u.patternFile(word, u.word(i+1))
		}
	}
}

// patternFile notes a file of patterns or of a map. Its name may have a prefix
// from HAProxy 3.0 on; "virt@" names no file.
func (u *uses) patternFile(by, name string) {
	for _, prefix := range []string{"file@", "opt@"} {
		name = strings.TrimPrefix(name, prefix)
	}
	if !strings.HasPrefix(name, "virt@") || strings.Contains(name, "..") {
		u.file(ContentFile, by, name)
	}
}

// options reads those of bind and server lines from position at on: each is a flag,
// or takes the next word. A certificate counts wherever it stands.
func (u *uses) options(at int, flags, values, powers string) {
	for i, word := range u.words {
		switch {
		case word == "crt-list":
			u.file(ContentFile, word, u.word(i+1))
		case isOneOf(certificateOptions, word):
			// "@store/name" is a certificate of a crt-store section.
			if name := u.word(i + 1); !strings.HasPrefix(name, "@") || strings.Contains(name, "..") {
				u.file(CertificateFile, word, name)
			}
		}
	}
	for i := at; i < len(u.words); i++ {
		word, _, _ := strings.Cut(u.words[i], "(")
		switch {
		case isOneOf(flags, word):
		case isOneOf(values, word):
			i++
		case isOneOf(powers, word):
			u.add(Program, word, strings.TrimSpace(word+" "+u.word(i+1)))
			i++
		case word != "":
			u.add(Unknown, u.words[0], strconv.Quote(u.words[i]))
		}
	}
}

// filter knows the filters that need no file and those that name one.
func (u *uses) filter() {
	switch name := u.word(1); {
	case name == "spoe" || name == "opentracing":
		u.following(ContentFile, " config ")
	case name == "trace": // writes the traffic to HAProxy's standard output
		u.add(Program, "filter", name)
	case !isOneOf(filters, name):
		u.add(Unknown, "filter", strconv.Quote(name))
	}
}

// reply finds the files that an answer to a client is read from.
func (u *uses) reply() { u.following(ContentFile, " errorfile file lf-file ") }

// action knows the actions of rules.
func (u *uses) action(at int) {
	name, _, _ := strings.Cut(u.word(at), "(")
	plain := strings.TrimRight(name, "0123456789")
	switch {
	case isOneOf(replies, name):
		u.reply()
	case name == "set-dst" || name == "set-dst-port":
		u.add(Destination, u.words[0], name)
	case strings.HasPrefix(name, "lua."): // a function that the template's lua-load has defined
	case !isOneOf(actions, name) && !isOneOf(actions, plain):
		u.add(Unknown, u.words[0], strconv.Quote(u.word(at)))
	}
}

// tcpRule knows "tcp-request content ACTION", and "tcp-request inspect-delay".
func (u *uses) tcpRule() {
	switch u.word(1) {
	case "connection", "session", "content":
		u.action(2)
	default:
		u.action(1)
	}
}
