package lb

import "strings"

// expressions finds what sample expressions reach, wherever in the line they
// stand: at the beginning of a word, in "%[…]", or after another function.
func (u *uses) expressions() {
	for _, word := range u.words {
		for open := range word {
			if word[open] != '(' {
				continue
			}
			begin := open
			for begin > 0 && isKeywordByte(word[begin-1]) {
				begin--
			}
			if begin < open && (begin == 0 || strings.IndexByte(",[ \t", word[begin-1]) >= 0) {
				u.function(word[begin:open], arguments(word[open+1:]))
			}
		}
	}
}

func isKeywordByte(c byte) bool { return isNameRune(rune(c)) || c == '-' }

// function knows the fetches, converters and actions with a file among their
// arguments.
func (u *uses) function(name string, args []string) {
	switch {
	case name == "env":
		u.add(Environment, name, args[0])
	case name == "map" || strings.HasPrefix(name, "map_"),
		name == "set-map", name == "del-map", name == "add-acl", name == "del-acl":
		u.patternFile(name, args[0])
	case name == "jwt_verify" && len(args) > 1:
		// With these algorithms it is a secret, which HAProxy before 3.2 looks for as
		// a file all the same, and makes nothing of.
		secret := strings.HasPrefix(args[0], "HS") && !strings.HasPrefix(args[1], "/") && !strings.Contains(args[1], "..")
		if !secret && !isVariable(args[1]) {
			u.file(CertificateFile, name, args[1])
		}
	}
}

// isVariable reports whether HAProxy takes an argument for a variable.
func isVariable(arg string) bool {
	scope, _, found := strings.Cut(arg, ".")
	return found && isOneOf(" check proc req res sess txn ", scope)
}

// arguments reads those of a function after its parenthesis. They have quotes and
// escapes of their own (configuration manual, 2.2), on top of the line's.
func arguments(text string) []string {
	var args []string
	var arg strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == '\\' && quote != '\'' && i+1 < len(text) && strings.IndexByte(`\ "'rnt`, text[i+1]) >= 0:
			i++
			arg.WriteByte(map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '\\': '\\', ' ': ' ', '"': '"', '\'': '\''}[text[i]])
		case quote == 0 && (c == ',' || c == ')'):
			args = append(args, arg.String())
			arg.Reset()
			if c == ')' {
				return args
			}
		default:
			arg.WriteByte(c)
		}
	}
	return append(args, arg.String())
}
