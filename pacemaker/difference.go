package pacemaker

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A setting is a value in a resource or constraint, with the place that it has for
// people: "timeout of start of haproxy".
type setting struct{ place, value string }

// differences says what changes in an element that is replaced, one line for each
// attribute, so that nobody's setting is reverted unseen.
func differences(old, want *element) []string {
	before, after := map[string]string{}, map[string]string{}
	var places []string
	note := func(into map[string]string) func(setting) {
		return func(a setting) {
			into[a.place] = a.value
			places = append(places, a.place)
		}
	}
	old.describe(old, "", note(before))
	want.describe(want, "", note(after))
	gone, added := except(old.resourceNames(), want.resourceNames()), except(want.resourceNames(), old.resourceNames())
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
func (e *element) resourceNames() []string {
	list := e.all("primitive")
	out := make([]string, 0, len(list))
	for _, p := range list {
		out = append(out, "primitive "+p.attr("id"))
	}
	return out
}

// hasName reports whether one of the named resources has an id.
func hasName(names []string, id string) bool { return slices.Contains(names, "primitive "+id) }

// describe notes the attributes in e. owner is the resource or constraint that e belongs
// to, set the kind of name-value pairs.
func (e *element) describe(owner *element, set string, note func(setting)) {
	of := " of " + owner.attr("id")
	switch {
	case slices.Contains([]string{"primitive", "clone", "group"}, e.name), strings.HasPrefix(e.name, "rsc_"):
		owner = e
		e.describeAttributes(" of "+e.attr("id"), []string{"id", "description"}, note)
	case slices.Contains(pairSets(), e.name):
		set = e.name
	case e.name == "op":
		of = strings.TrimSuffix(" of "+e.attr("name")+" "+interval(e.attr("interval")), " ") + of
		e.describeAttributes(of, []string{"id", "name", "interval"}, note)
		for _, p := range e.all("nvpair") {
			note(setting{p.attr("name") + of, shownValue(p, "instance_attributes")})
		}
		return
	case e.name == "nvpair":
		note(setting{e.attr("name") + of, shownValue(e, set)})
	case e.name == "rule", e.name == "expression":
		e.describeAttributes(" of "+e.name+" "+e.attr("id")+of, []string{"id"}, note)
	}
	for _, c := range e.children {
		c.describe(owner, set, note)
	}
}

// interval is an interval of an operation for people; "" for the one that has none.
func interval(text string) string {
	if strings.Trim(text, "0ms") == "" {
		return ""
	}
	return "every " + text
}

func (e *element) describeAttributes(of string, but []string, note func(setting)) {
	values := map[string]string{}
	for _, a := range e.attrs {
		values[a.Name.Local] = a.Value
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch {
		case slices.Contains(but, name):
		case values[name] != "" && !isHarmless(e, "", name, values[name]):
			note(setting{name + of, masked})
		default:
			note(setting{name + of, values[name]})
		}
	}
}

// shownValue is the value of a pair, unless it may be a secret.
func shownValue(pair *element, set string) string {
	value := pair.attr("value")
	if value != "" && !isHarmless(pair, set, "value", value) {
		return masked
	}
	return cmp.Or(value, `""`)
}
