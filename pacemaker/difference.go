package pacemaker

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

// A setting is a value in a resource or constraint, with the place that it has for
// people: "timeout of start of haproxy".
type setting struct{ place, value string }

// differences says what changes in an element that is replaced, one line for each
// attribute, so that nobody's setting is reverted unseen.
func differences(old, want *cibxml.Element) []string {
	before, after := map[string]string{}, map[string]string{}
	var places []string
	note := func(into map[string]string) func(setting) {
		return func(a setting) {
			into[a.place] = a.value
			places = append(places, a.place)
		}
	}
	describe(old, old, "", note(before))
	describe(want, want, "", note(after))
	gone, added := except(resourceNames(old), resourceNames(want)), except(resourceNames(want), resourceNames(old))
	var out []string
	for _, name := range gone {
		out = append(out, "remove "+name)
	}
	for _, name := range added {
		out = append(out, "add "+name)
	}
	slices.Sort(places)
	for _, place := range slices.Compact(places) {
		was, had := before[place]
		is, has := after[place]
		switch owner := place[strings.LastIndexByte(place, ' ')+1:]; {
		case was == is && had == has, hasName(gone, owner), hasName(added, owner):
		case !has:
			out = append(out, "unset "+place+", which is "+was)
		case !had:
			out = append(out, "set "+place+" to "+is)
		default:
			out = append(out, "set "+place+" to "+is+", which is "+was)
		}
	}
	return out
}

// resourceNames are the resources in e with their kinds: "primitive vip".
func resourceNames(e *cibxml.Element) []string {
	list := e.Descendants("primitive")
	out := make([]string, 0, len(list))
	for _, p := range list {
		out = append(out, "primitive "+p.Attr("id"))
	}
	return out
}

// hasName reports whether one of the named resources has an id.
func hasName(names []string, id string) bool { return slices.Contains(names, "primitive "+id) }

// describe notes the attributes in e. owner is the resource or constraint that e belongs
// to, set the kind of name-value pairs.
func describe(e, owner *cibxml.Element, set string, note func(setting)) {
	of := " of " + owner.Attr("id")
	switch {
	case slices.Contains([]string{"primitive", "clone", "group"}, e.Name), strings.HasPrefix(e.Name, "rsc_"):
		owner = e
		describeAttributes(e, " of "+e.Attr("id"), []string{"id", "description"}, note)
	case slices.Contains(cibxml.PairSets(), e.Name):
		set = e.Name
	case e.Name == "op":
		of = strings.TrimSuffix(" of "+e.Attr("name")+" "+interval(e.Attr("interval")), " ") + of
		describeAttributes(e, of, []string{"id", "name", "interval"}, note)
		for _, p := range e.Descendants("nvpair") {
			note(setting{p.Attr("name") + of, shownValue(p, "instance_attributes")})
		}
		return
	case e.Name == "nvpair":
		note(setting{e.Attr("name") + of, shownValue(e, set)})
	case e.Name == "rule", e.Name == "expression":
		describeAttributes(e, " of "+e.Name+" "+e.Attr("id")+of, []string{"id"}, note)
	}
	for _, c := range e.Children {
		describe(c, owner, set, note)
	}
}

// interval is an interval of an operation for people; "" for the one that has none.
func interval(text string) string {
	if strings.Trim(text, "0ms") == "" {
		return ""
	}
	return "every " + text
}

func describeAttributes(e *cibxml.Element, of string, but []string, note func(setting)) {
	values := map[string]string{}
	for _, a := range e.Attrs {
		values[a.Name.Local] = a.Value
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch {
		case slices.Contains(but, name):
		case values[name] != "" && !cibxml.IsHarmless(e, "", name, values[name]):
			note(setting{name + of, cibxml.Masked})
		default:
			note(setting{name + of, values[name]})
		}
	}
}

// shownValue is the value of a pair, unless it may be a secret.
func shownValue(pair *cibxml.Element, set string) string {
	value := pair.Attr("value")
	if value != "" && !cibxml.IsHarmless(pair, set, "value", value) {
		return cibxml.Masked
	}
	return cmp.Or(value, `""`)
}
