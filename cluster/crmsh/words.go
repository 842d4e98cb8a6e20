package crmsh

import (
	"regexp"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

var (
	unquoted = regexp.MustCompile(`^[\w.-]+$`)
	// pairName matches the names of pairs that crmsh reads as such. It makes ids of them, which may have
	// no other characters.
	pairName = regexp.MustCompile(`^\w[\w.-]*$`)
	// plainWord matches words that need no quotes in a shell, and have no meaning of their own.
	plainWord = regexp.MustCompile(`^[\w.:/#*@%+,~^-]+$`)
	printable = regexp.MustCompile(`^[ -~]*$`)
	spaces    = regexp.MustCompile(` {2,}`)
	// scoreForm matches the scores that crmsh reads as such.
	scoreForm = regexp.MustCompile(`^[+-]?(INFINITY|\d+)$`)
	// idForm matches ids as crmsh reads them before a colon.
	idForm = regexp.MustCompile(`^[\w-]+$`)
)

// isReadable reports whether crmsh reads a text back as it is: it takes text for ASCII, on one
// line.
func isReadable(text string) bool { return printable.MatchString(text) }

// quote puts quotes around a text where they are needed.
func quote(text string) string {
	if unquoted.MatchString(text) {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// word is a text that crmsh writes without quotes, with them only if it would not be read back.
func word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return quote(text)
}

// pair is NAME=VALUE; empty: crmsh would not read it back.
func pair(name, value string) string {
	if !pairName.MatchString(name) || !isReadable(value) {
		return ""
	}
	return name + "=" + quote(value)
}

// isKeyword reports whether a word ends a list of pairs for crmsh.
func isKeyword(text string) bool {
	return slices.Contains(strings.Fields("params meta utilization operations op op_params op_meta rule attributes"), strings.ToLower(text))
}

// only reports whether an element has no attributes but these.
func only(e *cibxml.Element, names string) bool {
	known := strings.Fields(names)
	return !slices.ContainsFunc(e.Attributes(), func(a cibxml.Attribute) bool { return !slices.Contains(known, a.Name) })
}

// onlyChildren reports whether an element has no children but these.
func onlyChildren(e *cibxml.Element, names string) bool {
	known := strings.Fields(names)
	return !slices.ContainsFunc(e.Elements(), func(c *cibxml.Element) bool { return !slices.Contains(known, c.Name) })
}

// described adds the description of an element to lines; nil: it cannot be said.
func described(lines []string, e *cibxml.Element) []string {
	if !e.Has("description") {
		return lines
	}
	text := e.Attr("description")
	if text == "" || !isReadable(text) {
		return nil
	}
	return append(lines, pair("description", text))
}

// xmlText is an element as XML on lines that crmsh reads: it joins them, and takes several spaces
// for one.
func xmlText(e *cibxml.Element) string {
	lines := strings.Split(strings.TrimSuffix(string(e.Bytes()), "\n"), "\n")
	for i, line := range lines {
		text := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(text)]
		lines[i] = indent + spaces.ReplaceAllStringFunc(text, func(s string) string { return " " + strings.Repeat("&#x20;", len(s)-1) })
	}
	return strings.Join(lines, " \\\n")
}
