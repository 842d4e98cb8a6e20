package crmsh

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"thalassa/cluster/cibxml"
)

// properties are a set of properties or of defaults, one on each line.
func (w *writer) properties(word string, e *cibxml.Element) []string {
	id := e.Attr("id")
	if !only(e, "id") || !onlyChildren(e, "rule nvpair") || id == "" || !isReadable(id) {
		return nil
	}
	head := word + " " + id + ":"
	if !idForm.MatchString(id) {
		head = word + " " + assigned("$id", id)
	}
	rules, ok := w.rules(e)
	pairs, ok2 := w.pairs(e)
	if !ok || !ok2 {
		return nil
	}
	return slices.Concat([]string{head}, rules, pairs)
}

var (
	attributeTarget = regexp.MustCompile(`^[\w-]+$`)
	deviceList      = regexp.MustCompile(`^[\w.,-]+$`)
)

// fencing is the order of fence devices: for each target its levels, which crmsh numbers itself.
func fencing(e *cibxml.Element) []string {
	type target struct {
		text, counted string // counted: crmsh counts the levels of all that have it together
		levels        []*cibxml.Element
	}
	var targets []target
	for _, level := range e.Elements() {
		text, counted := targetOf(level)
		if text == "" || !deviceList.MatchString(level.Attr("devices")) || len(level.Elements()) > 0 {
			return nil
		}
		i := slices.IndexFunc(targets, func(t target) bool { return t.text == text })
		if i < 0 {
			i, targets = len(targets), append(targets, target{text: text, counted: counted})
		}
		targets[i].levels = append(targets[i].levels, level)
	}
	lines, count := []string{"fencing_topology"}, map[string]int{}
	for _, t := range targets {
		slices.SortStableFunc(t.levels, func(a, b *cibxml.Element) int { return cmp.Compare(index(a), index(b)) })
		words := []string{t.text}
		for _, level := range t.levels {
			if count[t.counted]++; index(level) != count[t.counted] {
				return nil
			}
			words = append(words, level.Attr("devices"))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

func index(level *cibxml.Element) int {
	n, _ := strconv.Atoi(level.Attr("index")) // 0: crmsh has no such level
	return n
}

// targetOf is what a fencing level is for; empty: it cannot be said.
func targetOf(level *cibxml.Element) (text, counted string) {
	name, pattern, attribute, value := level.Attr("target"), level.Attr("target-pattern"), level.Attr("target-attribute"), level.Attr("target-value")
	switch {
	case name != "" && only(level, "id index devices target") && unquoted.MatchString(name):
		return name + ":", name
	case pattern != "" && only(level, "id index devices target-pattern") && isReadable(pattern) && !strings.HasSuffix(pattern, ":"):
		return word("pattern:" + pattern), pattern
	case only(level, "id index devices target-attribute target-value") && attributeTarget.MatchString(attribute) && attributeTarget.MatchString(value):
		return "attr:" + attribute + "=" + value, attribute
	}
	return "", ""
}

// tag is a name for several objects.
func tag(e *cibxml.Element) []string {
	words := []string{"tag", e.Attr("id")}
	for _, ref := range e.Elements() {
		if ref.Name != "obj_ref" || len(ref.Attributes()) != 1 || !resourceID.MatchString(ref.Attr("id")) {
			return nil
		}
		words = append(words, ref.Attr("id"))
	}
	if !only(e, "id") || len(words) < 3 {
		return nil
	}
	return []string{strings.Join(words, " ")}
}

// role is a role of access rights, with a permission on each line.
func role(e *cibxml.Element) []string {
	lines := described([]string{"role " + e.Attr("id")}, e)
	if !only(e, "id description") || len(e.Elements()) == 0 || lines == nil {
		return nil
	}
	for _, p := range e.Elements() {
		text := permission(p)
		if text == "" {
			return nil
		}
		lines = append(lines, text)
	}
	return lines
}

// permission is one of a role: by an xpath, an id, or the name of elements and of an attribute.
func permission(p *cibxml.Element) string {
	kind := p.Attr("kind")
	if p.Name != "acl_permission" || !only(p, "id kind description xpath reference object-type attribute") || len(p.Elements()) > 0 || !slices.Contains([]string{"read", "write", "deny"}, kind) {
		return ""
	}
	words := described([]string{kind}, p)
	by := 0
	for _, f := range []struct{ attribute, word string }{{"xpath", "xpath"}, {"reference", "ref"}, {"object-type", "type"}, {"attribute", "attr"}} {
		value := p.Attr(f.attribute)
		if !p.Has(f.attribute) {
			continue
		}
		if f.attribute != "attribute" {
			by++
		}
		if value == "" || !isReadable(value) || words == nil {
			return ""
		}
		words = append(words, f.word+":"+quote(value))
	}
	if by != 1 || p.Has("attribute") && !p.Has("object-type") {
		return ""
	}
	return strings.Join(words, " ")
}

// target is a user or a group with roles.
func target(e *cibxml.Element) []string {
	lines := []string{e.Name + " " + e.Attr("id")}
	for _, r := range e.Elements() {
		if r.Name != "role" || len(r.Attributes()) != 1 || !resourceID.MatchString(r.Attr("id")) {
			return nil
		}
		lines = append(lines, r.Attr("id"))
	}
	if !only(e, "id") || len(lines) < 2 {
		return nil
	}
	return lines
}

// alertSets are the sets that alerts and recipients may have.
func alertSets(element string) string {
	return map[string]string{"instance_attributes": "attributes", "meta_attributes": "meta"}[element]
}

// alert is a program that is told of events.
func (w *writer) alert(e *cibxml.Element) []string {
	path := e.Attr("path")
	if !only(e, "id path description") || path == "" || !isReadable(path) {
		return nil
	}
	lines := w.sets(described([]string{"alert " + e.Attr("id") + " " + quote(path)}, e), e, "recipient select", alertSets)
	for _, c := range e.Elements() {
		if c.Name != "select" || lines == nil {
			continue
		}
		text := selection(c)
		if text == "" {
			return nil
		}
		lines = append(lines, text)
	}
	for _, c := range e.Elements() {
		if c.Name != "recipient" || lines == nil {
			continue
		}
		text := w.recipient(c)
		if text == "" {
			return nil
		}
		lines = append(lines, text)
	}
	return lines
}

// selection is which events an alert is about.
func selection(e *cibxml.Element) string {
	words := []string{"select"}
	for _, c := range e.Elements() {
		name, ok := strings.CutPrefix(c.Name, "select_")
		if !ok || !slices.Contains([]string{"nodes", "fencing", "resources", "attributes"}, name) || len(c.Attributes()) > 0 {
			return ""
		}
		words = append(words, name)
		if name == "attributes" {
			words = append(words, "{")
		}
		for _, a := range c.Elements() {
			if name != "attributes" || a.Name != "attribute" || !unquoted.MatchString(a.Attr("name")) {
				return ""
			}
			words = append(words, a.Attr("name"))
		}
		if name == "attributes" {
			words = append(words, "}")
		}
	}
	return strings.Join(words, " ")
}

// recipient is one who is told. One with values of its own is in braces, so that they are not taken
// for those of the alert.
func (w *writer) recipient(e *cibxml.Element) string {
	value := e.Attr("value")
	if !only(e, "id value description") || value == "" || !isReadable(value) {
		return ""
	}
	words := w.sets(described([]string{quote(value)}, e), e, "", alertSets)
	switch {
	case words == nil:
		return ""
	case len(words) > 1:
		return "to { " + strings.Join(words, " ") + " }"
	}
	return "to " + words[0]
}
