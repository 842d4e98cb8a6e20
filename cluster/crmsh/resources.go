package crmsh

import (
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

// setName is the word for a set of pairs of a resource; empty: it is none.
func setName(element string) string {
	switch element {
	case "instance_attributes":
		return "params"
	case "meta_attributes":
		return "meta"
	case "utilization":
		return "utilization"
	}
	return ""
}

// node is a node of the cluster.
func (w *writer) node(e *cibxml.Element) []string {
	id, name, kind := e.Attr("id"), e.Attr("uname"), e.Attr("type")
	if !only(e, "id uname type description") || !plainWord.MatchString(name) || strings.ContainsAny(name, ":=") || !isReadable(id) {
		return nil
	}
	head := "node "
	switch {
	case id == name:
	case idForm.MatchString(id):
		head += id + ": "
	default:
		head += assigned("$id", id) + " "
	}
	head += name
	switch kind {
	case "", "normal":
	case "member", "ping", "remote":
		head += ":" + kind
	default:
		return nil
	}
	return w.sets(described([]string{head}, e), e, "", func(element string) string {
		return map[string]string{"instance_attributes": "attributes", "utilization": "utilization"}[element]
	})
}

// sets adds the sets of pairs of an element to the lines; nil: they cannot be said. other are further
// children, which are said elsewhere.
func (w *writer) sets(lines []string, e *cibxml.Element, other string, name func(element string) string) []string {
	for _, c := range e.Elements() {
		if slices.Contains(strings.Fields(other), c.Name) {
			continue
		}
		if name(c.Name) == "" || lines == nil {
			return nil
		}
		text, ok := w.set(name(c.Name), c)
		if !ok {
			return nil
		}
		lines = append(lines, text)
	}
	return lines
}

// primitive is a primitive or a template.
func (w *writer) primitive(e *cibxml.Element) []string {
	head, known := "primitive ", "id class provider type description"
	if e.Name == "template" {
		head = "rsc_template "
	} else {
		known += " template"
	}
	agent := agentOf(e)
	if !only(e, known) || agent == "" || len(e.Attr("id")) == 0 || strings.ContainsAny(e.Attr("id"), " =") {
		return nil
	}
	lines := w.sets(described([]string{head + e.Attr("id") + " " + agent}, e), e, "operations", setName)
	operations := 0
	for _, c := range e.Elements() {
		if c.Name != "operations" || lines == nil {
			continue
		}
		if operations++; operations > 1 {
			return nil
		}
		lines = w.operations(lines, c)
	}
	return lines
}

// agentOf is the agent of a resource, or its template; empty: it cannot be said.
func agentOf(e *cibxml.Element) string {
	if template := e.Attr("template"); template != "" {
		if e.Has("class") || e.Has("type") || e.Has("provider") || !plainWord.MatchString(template) {
			return ""
		}
		return "@" + template
	}
	class, provider, kind := e.Attr("class"), e.Attr("provider"), e.Attr("type")
	agent := class + ":" + kind
	if class == "ocf" {
		agent = class + ":" + provider + ":" + kind
	}
	if (class == "ocf") != (provider != "") || class == "" || kind == "" || strings.Contains(provider+kind, ":") || !plainWord.MatchString(agent) {
		return ""
	}
	return agent
}

// operations adds the operations of a resource to the lines.
func (w *writer) operations(lines []string, e *cibxml.Element) []string {
	if !onlyChildren(e, "op") || !only(e, "id id-ref") || e.Has("id-ref") && len(e.Elements()) > 0 {
		return nil
	}
	for _, name := range []string{"id", "id-ref"} {
		if e.Has(name) {
			lines = append(lines, "operations "+assigned("$"+name, e.Attr(name)))
		}
	}
	for _, op := range e.Elements() {
		text := []string{"op " + op.Attr("name")}
		if !unquoted.MatchString(op.Attr("name")) || !only(op, "id name interval description start-delay interval-origin timeout enabled record-pending role on-fail") {
			return nil
		}
		for _, a := range op.Attributes() {
			if a.Name == "id" || a.Name == "name" {
				continue
			}
			said := pair(a.Name, a.Value)
			if said == "" {
				return nil
			}
			text[0] += " " + said
		}
		text = w.sets(text, op, "", func(element string) string {
			return map[string]string{"instance_attributes": "op_params", "meta_attributes": "op_meta"}[element]
		})
		if text == nil {
			return nil
		}
		lines = append(lines, text...)
	}
	return lines
}

// resourceSets are the sets that groups and clones may have.
func resourceSets(element string) string {
	if element == "utilization" {
		return ""
	}
	return setName(element)
}

// group is a group: its members are resources of their own in the text.
func (w *writer) group(e *cibxml.Element) []string {
	words := []string{"group", e.Attr("id")}
	for _, c := range e.Elements() {
		if c.Name == "primitive" {
			words = append(words, c.Attr("id"))
		}
	}
	if !only(e, "id description") || len(words) < 3 || slices.ContainsFunc(words[2:], isKeyword) {
		return nil
	}
	return w.sets(described([]string{strings.Join(words, " ")}, e), e, "primitive", resourceSets)
}

// clone is a clone, or a promotable one of the older kind.
func (w *writer) clone(e *cibxml.Element) []string {
	name, members := e.Name, []string{}
	if name == "master" {
		name = "ms"
	}
	for _, c := range e.Elements() {
		if c.Name == "primitive" || c.Name == "group" {
			members = append(members, c.Attr("id"))
		}
	}
	if !only(e, "id description") || len(members) != 1 {
		return nil
	}
	return w.sets(described([]string{name + " " + e.Attr("id") + " " + members[0]}, e), e, "primitive group", resourceSets)
}

// bundle is a bundle. crmsh knows no containers but those of docker.
func (w *writer) bundle(e *cibxml.Element) []string {
	lines := described([]string{"bundle " + e.Attr("id")}, e)
	if !only(e, "id description") || !onlyChildren(e, "docker network storage meta_attributes primitive") || e.Child("docker") == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, name := range []string{"docker", "network", "storage", "meta_attributes", "primitive"} {
		for _, c := range e.Elements() {
			if c.Name != name || lines == nil {
				continue
			}
			if seen[name] {
				return nil
			}
			seen[name] = true
			text, ok := w.bundlePart(c)
			if !ok {
				return nil
			}
			lines = append(lines, text)
		}
	}
	return lines
}

func (w *writer) bundlePart(c *cibxml.Element) (string, bool) {
	mappings := map[string]string{"network": "port-mapping", "storage": "storage-mapping"}[c.Name]
	switch {
	case c.Name == "meta_attributes":
		return w.set("meta", c)
	case c.Name == "primitive":
		return "primitive " + c.Attr("id"), idForm.MatchString(c.Attr("id")) && !isKeyword(c.Attr("id"))
	case !onlyChildren(c, mappings):
		return "", false
	}
	words, ok := attributePairs([]string{c.Name}, c)
	for _, m := range c.Elements() {
		if len(m.Elements()) > 0 || !ok {
			return "", false
		}
		words, ok = attributePairs(append(words, m.Name), m)
	}
	return strings.Join(words, " "), ok
}

// attributePairs adds the attributes of an element as pairs.
func attributePairs(words []string, e *cibxml.Element) ([]string, bool) {
	for _, a := range e.Attributes() {
		text := pair(a.Name, a.Value)
		if text == "" {
			return nil, false
		}
		words = append(words, text)
	}
	return words, true
}
