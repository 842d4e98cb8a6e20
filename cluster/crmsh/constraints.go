package crmsh

import (
	"regexp"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

// resourceID matches ids of resources as crmsh reads them in constraints.
var resourceID = regexp.MustCompile(`^[A-Za-z_][\w.-]*$`)

func isRole(text string) bool {
	return slices.Contains([]string{"Started", "Stopped", "Promoted", "Unpromoted", "Master", "Slave"}, text)
}

func isAction(text string) bool {
	return slices.Contains([]string{"start", "stop", "promote", "demote"}, text)
}

// location is a location constraint, by a node or by rules.
func (w *writer) location(e *cibxml.Element) []string {
	if !only(e, "id rsc rsc-pattern role node score score-attribute resource-discovery") || !onlyChildren(e, "resource_set rule") {
		return nil
	}
	who, ok := located(e)
	if !ok {
		return nil
	}
	words := []string{"location", e.Attr("id"), who}
	for _, name := range []string{"role", "resource-discovery"} {
		if value := e.Attr(name); e.Has(name) {
			if !unquoted.MatchString(value) {
				return nil
			}
			words = append(words, name+"="+value)
		}
	}
	rules, ok := w.rules(e)
	score, valid := scoreOf(e)
	node := e.Attr("node")
	switch {
	case !ok || !valid || (node == "") != (score == "") || (node == "") == (len(rules) == 0):
		return nil
	case node != "":
		if !unquoted.MatchString(node) {
			return nil
		}
		return []string{strings.Join(append(words, score+":", node), " ")}
	}
	return append([]string{strings.Join(words, " ")}, rules...)
}

// located is what a location constraint is about.
func located(e *cibxml.Element) (string, bool) {
	sets := e.Child("resource_set") != nil
	switch pattern := e.Attr("rsc-pattern"); {
	case e.Has("rsc") && !sets && pattern == "":
		return e.Attr("rsc"), resourceID.MatchString(e.Attr("rsc"))
	case pattern != "" && !sets:
		return word("/" + pattern + "/"), isReadable(pattern)
	case sets && !e.Has("rsc") && pattern == "":
		words, ok := resourceSetWords(e, "role")
		return "{ " + strings.Join(words, " ") + " }", ok
	}
	return "", false
}

// resourceSetWords are the sets of resources of a constraint. qualifier is the attribute of a set that
// crmsh writes behind each resource: role or action. false: they cannot be said.
func resourceSetWords(e *cibxml.Element, qualifier string) ([]string, bool) {
	var out []string
	before, isOpen := "", false // the qualifier of a set in no brackets just before
	for _, s := range e.Elements() {
		if s.Name != "resource_set" {
			continue
		}
		said := s.Attr(qualifier)
		words, ok := setMembers(s, said)
		isKnown := said == "" || qualifier == "role" && isRole(said) || qualifier == "action" && isAction(said)
		if !ok || !isKnown || !only(s, "id sequential require-all "+qualifier) {
			return nil, false
		}
		sequential, isBool := flag(s, "sequential")
		all, isBool2 := flag(s, "require-all")
		switch {
		case !isBool || !isBool2:
			return nil, false
		case !all && sequential:
			words = slices.Concat([]string{"["}, words, []string{"sequential=true", "]"})
		case !all:
			words = slices.Concat([]string{"["}, words, []string{"]"})
		case !sequential:
			words = slices.Concat([]string{"("}, words, []string{")"})
		case isOpen && before == said: // crmsh would take both for one
			return nil, false
		}
		before, isOpen = said, all && sequential
		out = append(out, words...)
	}
	return out, len(out) > 0
}

// setMembers are the resources of a set, each with a qualifier.
func setMembers(s *cibxml.Element, qualifier string) ([]string, bool) {
	var out []string
	for _, ref := range s.Elements() {
		if ref.Name != "resource_ref" || len(ref.Attributes()) != 1 || !resourceID.MatchString(ref.Attr("id")) {
			return nil, false
		}
		out = append(out, qualified(ref.Attr("id"), qualifier))
	}
	return out, len(out) > 0
}

func qualified(id, qualifier string) string {
	if qualifier == "" {
		return id
	}
	return id + ":" + qualifier
}

// flag is a boolean of a set, which is true unless it is set; ok: crmsh would read it back.
func flag(e *cibxml.Element, name string) (is, ok bool) {
	switch e.Attr(name) {
	case "", "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// resources are those of a constraint: in sets, or by the attributes of names, of which there are
// count. A few in sets are marked as such.
func resources(e *cibxml.Element, qualifier string, names ...string) ([]string, bool) {
	if e.Child("resource_set") != nil {
		words, ok := resourceSetWords(e, qualifier)
		if len(words) <= len(names) {
			words = append([]string{"_rsc_set_"}, words...)
		}
		return words, ok && !slices.ContainsFunc(names, e.Has) && onlyChildren(e, "resource_set")
	}
	var out []string
	for _, name := range names {
		said, instance := e.Attr(name+"-"+qualifier), e.Attr(name+"-instance")
		isKnown := said == "" || qualifier == "role" && isRole(said) || qualifier == "action" && isAction(said)
		isNumber := strings.Trim(instance, "0123456789") == ""
		if !resourceID.MatchString(e.Attr(name)) || !isKnown || !isNumber || said != "" && instance != "" {
			return nil, false
		}
		out = append(out, qualified(e.Attr(name), said+instance))
	}
	return out, len(e.Elements()) == 0
}

// colocation keeps resources on one node, or apart.
func colocation(e *cibxml.Element) []string {
	words, ok := resources(e, "role", "rsc", "with-rsc")
	score, valid := scoreOf(e)
	if !ok || !valid || score == "" || !only(e, "id score score-attribute rsc rsc-role rsc-instance with-rsc with-rsc-role with-rsc-instance node-attribute") {
		return nil
	}
	if attribute := e.Attr("node-attribute"); e.Has("node-attribute") {
		if !plainWord.MatchString(attribute) || attribute != strings.ToLower(attribute) {
			return nil
		}
		words = append(words, "node-attribute="+attribute)
	}
	return []string{"colocation " + e.Attr("id") + " " + score + ": " + strings.Join(words, " ")}
}

// order starts resources one after the other. Its former scores cannot be said.
func order(e *cibxml.Element) []string {
	words, ok := resources(e, "action", "first", "then")
	if !ok || !only(e, "id kind first first-action first-instance then then-action then-instance symmetrical") {
		return nil
	}
	head := "order " + e.Attr("id") + " "
	if kind := e.Attr("kind"); e.Has("kind") {
		if !slices.Contains([]string{"Mandatory", "Optional", "Serialize"}, kind) {
			return nil
		}
		head += kind + ": "
	}
	if symmetrical := e.Attr("symmetrical"); e.Has("symmetrical") {
		if symmetrical != "true" && symmetrical != "false" {
			return nil
		}
		words = append(words, "symmetrical="+symmetrical)
	}
	return []string{head + strings.Join(words, " ")}
}

// ticket lets resources run only where a ticket is.
func ticket(e *cibxml.Element) []string {
	words, ok := resources(e, "role", "rsc")
	name, policy := e.Attr("ticket"), e.Attr("loss-policy")
	if !ok || !only(e, "id ticket rsc rsc-role loss-policy") || !plainWord.MatchString(name) || strings.Contains(name, ":") {
		return nil
	}
	if e.Has("loss-policy") {
		if !slices.Contains([]string{"stop", "demote", "fence", "freeze"}, policy) {
			return nil
		}
		words = append(words, "loss-policy="+policy)
	}
	return []string{"rsc_ticket " + e.Attr("id") + " " + name + ": " + strings.Join(words, " ")}
}
