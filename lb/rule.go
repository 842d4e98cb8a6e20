package lb

import (
	"slices"
	"strconv"
	"strings"
)

// A Rule sends matching requests of a frontend to a backend; the first match
// wins.
type Rule struct {
	Type      string   // "path", "url" or "header"
	Header    string   // header name, for type "header" only
	Operation string   // HAProxy's matching fetch, e.g. "path_beg", "hdr_dom"
	Values    []string // patterns, at least one; none holds blanks or control characters
	Backend   Name
}

// A RuleSpec is a rule as written by a user, not yet checked.
type RuleSpec struct {
	Type, Header, Operation string
	Value                   string // the patterns, separated by blanks
	Backend                 string
}

// operations of each type of rule; the names are those of the fetches with
// their matching suffix (HAProxy configuration manual, 7.3.6).
func operations(ruleType string) []string {
	switch ruleType {
	case "path":
		return []string{"path", "path_beg", "path_reg", "path_end", "path_sub", "path_dir", "path_dom"}
	case "url":
		return []string{"url", "url_beg", "url_reg", "url_end", "url_sub", "url_dir", "url_dom"}
	default:
		return []string{"hdr", "hdr_beg", "hdr_end", "hdr_reg", "hdr_dom", "hdr_sub"}
	}
}

func parseRules(fe *FieldErrors, in []RuleSpec) []Rule {
	out := slices.Grow([]Rule(nil), len(in))
	for i, r := range in {
		out = append(out, parseRule(fe, "rules["+strconv.Itoa(i)+"]", r))
	}
	return out
}

func parseRule(fe *FieldErrors, path string, in RuleSpec) Rule {
	var r Rule
	if in.Type == "" {
		fe.Add(path+".type", "is missing", "one of path, url, header")
		return r
	}
	var err error
	if r.Type, err = oneOf(in.Type, "path", "url", "header"); err != nil {
		fe.AddErr(path+".type", err)
		return r
	}
	if in.Operation == "" {
		fe.Add(path+".operation", "is missing", "one of "+strings.Join(operations(r.Type), ", "))
	} else {
		r.Operation, err = oneOf(in.Operation, operations(r.Type)...)
		fe.AddErr(path+".operation", err)
	}
	if r.Type == "header" {
		r.Header, err = parseHeaderName(in.Header)
		fe.AddErr(path+".header", err)
	} else if in.Header != "" {
		fe.Add(path+".header", "belongs to rules of type header only", "no header here")
	}
	r.Values = strings.Fields(in.Value)
	switch {
	case len(r.Values) == 0:
		fe.Add(path+".value", "is missing", "one or more patterns separated by blanks")
	case hasControl(in.Value):
		fe.Add(path+".value", "holds a line break or another control character", "patterns separated by blanks")
	case slices.ContainsFunc(r.Values, func(v string) bool { return len(v) > maxLine }):
		fe.Add(path+".value", "holds a pattern that is too long", "patterns of at most "+strconv.Itoa(maxLine)+" bytes")
	}
	r.Backend, err = ParseName(in.Backend)
	fe.AddErr(path+".backend", err)
	return r
}

// parseHeaderName accepts the header names in use: RFC 9110 tokens without the
// characters that mean something to HAProxy's parser.
func parseHeaderName(s string) (string, error) {
	if err := checkChars(s, "_-"); err != nil {
		return "", err
	}
	return s, nil
}

func (r Rule) spec() RuleSpec {
	return RuleSpec{Type: r.Type, Header: r.Header, Operation: r.Operation, Value: strings.Join(r.Values, " "), Backend: string(r.Backend)}
}
