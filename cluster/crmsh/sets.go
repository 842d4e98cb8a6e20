package crmsh

import (
	"regexp"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

// id is $id=ID of an element that others refer to, with a space behind; else it is empty.
func (w *writer) id(e *cibxml.Element) string {
	if w.referred[e.Attr("id")] == e.Name && e.Attr("id") != "" {
		return assigned("$id", e.Attr("id")) + " "
	}
	return ""
}

// assigned is NAME=VALUE of a name that crmsh knows.
func assigned(name, value string) string { return name + "=" + quote(value) }

// set is a set of pairs behind its name; false: it cannot be said.
func (w *writer) set(name string, e *cibxml.Element) (string, bool) {
	if e.Has("id-ref") {
		return name + " " + assigned("$id-ref", e.Attr("id-ref")), len(e.Attributes()) == 1 && len(e.Elements()) == 0 && isReadable(e.Attr("id-ref"))
	}
	if !only(e, "id score") || !onlyChildren(e, "rule nvpair") {
		return "", false
	}
	text := name + " " + w.id(e)
	if score := e.Attr("score"); score != "" {
		if strings.Contains(score, ":") || !plainWord.MatchString(score) {
			return "", false
		}
		text += score + ": "
	}
	rules, ok := w.rules(e)
	if !ok {
		return "", false
	}
	pairs, ok := w.pairs(e)
	if !ok || len(rules) == 0 && !e.Has("score") && isScore(e.Child("nvpair")) {
		return "", false
	}
	return strings.TrimRight(text+strings.Join(slices.Concat(rules, pairs), " "), " "), true
}

// isScore reports whether crmsh takes the first pair of a set for its score: its only colon is at its
// end.
func isScore(p *cibxml.Element) bool {
	if p == nil {
		return false
	}
	text := p.Attr("name") + "=" + p.Attr("value")
	return strings.Index(text, ":") == len(text)-1
}

// pairs are the pairs in an element; false: they cannot be said.
func (w *writer) pairs(e *cibxml.Element) ([]string, bool) {
	var out []string
	for _, p := range e.Elements() {
		if p.Name != "nvpair" {
			continue
		}
		text := w.nvpair(p)
		if text == "" {
			return nil, false
		}
		out = append(out, text)
	}
	return out, true
}

// nvpair is a pair; empty: it cannot be said.
func (w *writer) nvpair(p *cibxml.Element) string {
	name, other := p.Attr("name"), p.Attr("id-ref")
	switch {
	case !only(p, "id id-ref name value") || len(p.Elements()) > 0:
		return ""
	case other != "" && (p.Has("value") || p.Has("id") || !plainWord.MatchString(other+name) || strings.Contains(other, ":")):
		return ""
	case other != "" && name != "":
		return "@" + other + ":" + name
	case other != "":
		return "@" + other
	case !p.Has("value"):
		if !idForm.MatchString(name) || isKeyword(name) {
			return ""
		}
		return name
	}
	text := pair(name, p.Attr("value"))
	if text != "" && w.referred[p.Attr("id")] == "nvpair" {
		if strings.ContainsAny(p.Attr("id")+name, ":=") {
			return ""
		}
		return "$" + p.Attr("id") + ":" + text
	}
	return text
}

// rules are the rules in an element, each behind the word; false: they cannot be said.
func (w *writer) rules(e *cibxml.Element) ([]string, bool) {
	var out []string
	for _, r := range e.Elements() {
		if r.Name != "rule" {
			continue
		}
		text := w.rule(r)
		if text == "" {
			return nil, false
		}
		out = append(out, "rule "+text)
	}
	return out, true
}

// rule is what stands behind the word rule; empty: it cannot be said. Rules in rules, rules about
// resources and operations, and such without a score cannot.
func (w *writer) rule(r *cibxml.Element) string {
	if r.Has("id-ref") {
		if len(r.Attributes()) > 1 || len(r.Elements()) > 0 {
			return ""
		}
		return assigned("$id-ref", r.Attr("id-ref"))
	}
	words := []string{}
	if id := w.id(r); id != "" {
		words = append(words, strings.TrimSpace(id))
	}
	if r.Has("role") {
		words = append(words, assigned("$role", r.Attr("role")))
	}
	score, ok := scoreOf(r)
	if !ok || score == "" || !only(r, "id score score-attribute boolean-op role") {
		return ""
	}
	if score != "inf" {
		words = append(words, score+":")
	}
	operator := r.Attr("boolean-op")
	if operator == "" {
		operator = "and"
	}
	if operator != "and" && operator != "or" || len(r.Elements()) == 0 {
		return ""
	}
	var expressions []string
	for _, x := range r.Elements() {
		text := ""
		switch x.Name {
		case "expression":
			text = expression(x)
		case "date_expression":
			text = dateExpression(x)
		}
		if text == "" {
			return ""
		}
		expressions = append(expressions, text)
	}
	return strings.Join(append(words, strings.Join(expressions, " "+operator+" ")), " ")
}

// scoreOf is the score of an element, or the attribute that has it, as crmsh writes it; empty: it has
// none. false: crmsh would not read it back.
func scoreOf(e *cibxml.Element) (string, bool) {
	score, attribute := e.Attr("score"), e.Attr("score-attribute")
	switch {
	case score != "" && attribute != "":
		return "", false
	case score != "":
		return strings.Replace(score, "INFINITY", "inf", 1), scoreForm.MatchString(score)
	case attribute == "":
		return "", true
	}
	isWord := slices.Contains([]string{"advisory", "mandatory"}, strings.ToLower(attribute)) || infinite.MatchString(attribute)
	return attribute, !isWord && plainWord.MatchString(attribute) && !strings.ContainsAny(attribute, ":=")
}

// infinite matches the words that crmsh takes for a score.
var infinite = regexp.MustCompile(`^[+-]?((?i:inf(inity)?)|\d+)$`)

// expression is a comparison of an attribute; empty: it cannot be said.
func expression(x *cibxml.Element) string {
	attribute, operation, value, kind := x.Attr("attribute"), x.Attr("operation"), x.Attr("value"), x.Attr("type")
	isName := attributeName.MatchString(attribute) && !slices.Contains([]string{"date", "defined", "not_defined"}, strings.ToLower(attribute))
	if !only(x, "id attribute operation value type value-source") || len(x.Elements()) > 0 || !isName {
		return ""
	}
	if operation == "defined" || operation == "not_defined" {
		if len(x.Attributes()) > 3 { // one that compares with nothing has no more
			return ""
		}
		return operation + " " + attribute
	}
	if !slices.Contains([]string{"lt", "gt", "lte", "gte", "eq", "ne"}, operation) || value == "" || !isReadable(value) || strings.ContainsAny(value, " {}") {
		return ""
	}
	if slices.Contains([]string{"string", "number", "integer", "version"}, kind) {
		operation = kind + ":" + operation
	} else if kind != "" {
		return ""
	}
	switch source := x.Attr("value-source"); source {
	case "", "literal":
	case "param", "meta":
		value = source + "{" + value + "}"
		return attribute + " " + operation + " " + value
	default:
		return ""
	}
	return attribute + " " + operation + " " + word(value)
}

// attributeName matches the names of attributes that crmsh reads in expressions.
var attributeName = regexp.MustCompile(`^[\w#$][\w.:#/-]*$`)

// dateExpression is a comparison of the time; empty: it cannot be said.
func dateExpression(x *cibxml.Element) string {
	duration, durationOK := timeParts(x.Child("duration"))
	times, timesOK := timeParts(x.Child("date_spec"))
	edges, edgesOK := edgesOf(x)
	isKnown := only(x, "id operation start end") && len(x.Elements()) <= 1
	if !durationOK || !timesOK || !edgesOK || !isKnown {
		return ""
	}
	switch x.Attr("operation") {
	case "lt", "gt":
		return dateLimit(x)
	case "in_range":
		isWhole := len(edges) == 2 && len(x.Elements()) == 0 || len(edges) > 0 && len(duration) > 0
		if isWhole && len(times) == 0 {
			return "date in " + strings.Join(append(edges, duration...), " ")
		}
	case "date_spec":
		if len(edges) == 0 && len(times) > 0 {
			return "date spec " + strings.Join(times, " ")
		}
	}
	return ""
}

// dateLimit is a comparison with one time: gt has a start, and lt an end.
func dateLimit(x *cibxml.Element) string {
	name := map[string]string{"lt": "end", "gt": "start"}[x.Attr("operation")]
	if x.Attr(name) == "" || !only(x, "id operation "+name) || len(x.Elements()) > 0 {
		return ""
	}
	return "date " + x.Attr("operation") + " " + quote(x.Attr(name))
}

// edgesOf are start and end as pairs; false: crmsh would not read them back.
func edgesOf(x *cibxml.Element) (words []string, ok bool) {
	for _, name := range []string{"start", "end"} {
		value := x.Attr(name)
		if !isReadable(value) {
			return nil, false
		}
		if value != "" {
			words = append(words, pair(name, value))
		}
	}
	return words, true
}

// timeParts are the parts of a duration or of a specification of times, of which there may be none.
// false: crmsh does not know one of them.
func timeParts(e *cibxml.Element) (words []string, ok bool) {
	if e == nil {
		return nil, true
	}
	for _, a := range e.Attributes() {
		if a.Name == "id" {
			continue
		}
		if !slices.Contains(strings.Fields("hours monthdays weekdays yearsdays months weeks years weekyears moon"), a.Name) || a.Value == "" || !isReadable(a.Value) {
			return nil, false
		}
		words = append(words, pair(a.Name, a.Value))
	}
	return words, true
}
