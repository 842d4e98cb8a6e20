package imports

import (
	"cmp"
	"slices"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// maxDifferences bounds what Compare lists.
const maxDifferences = 500

// A Difference is a setting that HAProxy has with another value than with the original file, after
// the defaults of each proxy are applied. Equal differences of several objects are one Difference.
type Difference struct {
	Objects []string // "frontend/web", "listen/stats", "global", "userlist/staff"; sorted
	// Setting is the keyword, e.g. "timeout client", "server", "order of use_backend".
	Setting string
	// Before and After are what the original and the result say; empty: nothing.
	Before, After string
	Lines         []int // of the original that say Before
	// Why says what it is for, where that is known.
	Why string
}

// Compare lists the differences between the sections of the original file and the same sections of
// a rendered haproxy.cfg. Sections that only the result has are ignored. The error is that of
// template.ReadFile.
func Compare(original, result []byte) ([]Difference, error) {
	before, err := template.ReadFile(original)
	if err != nil {
		return nil, err
	}
	after, err := template.ReadFile(result)
	if err != nil {
		return nil, err
	}
	c := comparison{}
	c.compare("global", mergedGlobal(before), mergedGlobal(after))
	for i, s := range before.Sections {
		if s.Kind == lb.SectionGlobal || s.Kind == lb.SectionDefaults {
			continue
		}
		object := s.Kind + "/" + s.Name
		at := slices.IndexFunc(after.Sections, func(o template.FileSection) bool { return o.Kind == s.Kind && o.Name == s.Name })
		if at < 0 {
			c.add(object, Difference{Setting: s.Kind, Before: s.Header.Text, Lines: []int{s.Header.Number}, Why: "the result has no such section"})
			continue
		}
		c.compare(object, effectsOf(before, i), effectsOf(after, at))
	}
	return c.list, nil
}

// mergedGlobal are the settings of all global sections.
func mergedGlobal(f template.File) effects {
	all := template.FileSection{Kind: lb.SectionGlobal}
	for _, s := range f.Sections {
		if s.Kind == lb.SectionGlobal {
			all.Lines = append(all.Lines, s.Lines...)
		}
	}
	return effectsOf(template.File{Sections: []template.FileSection{all}}, 0)
}

// A comparison collects differences.
type comparison struct{ list []Difference }

// add notes the difference of an object, together with equal ones of others.
func (c *comparison) add(object string, d Difference) {
	for i := range c.list {
		o := &c.list[i]
		if o.Setting == d.Setting && o.Before == d.Before && o.After == d.After {
			if !slices.Contains(o.Objects, object) {
				o.Objects = append(o.Objects, object)
			}
			o.Lines = append(o.Lines, d.Lines...)
			slices.Sort(o.Lines)
			o.Lines = slices.Compact(o.Lines)
			return
		}
	}
	if len(c.list) < maxDifferences {
		d.Objects = []string{object}
		d.Why = cmp.Or(d.Why, reason(d, object == lb.SectionGlobal))
		c.list = append(c.list, d)
	}
}

// implied is what HAProxy does where no line says anything; empty: that differs.
func implied(key string) string {
	switch key {
	case "mode":
		return "tcp"
	case "balance":
		return "roundrobin"
	}
	return ""
}

func (c *comparison) compare(object string, before, after effects) {
	for _, key := range sortedKeys(before.single, after.single) {
		was, is := before.single[key], after.single[key]
		isOff := func(s setting) bool { return s.value == "" && s.line == 0 || s.value == "no" }
		switch {
		case key == "balance" && !strings.HasPrefix(object, "backend/") && !strings.HasPrefix(object, "listen/"):
			continue // a frontend has none
		case was.value == is.value && (was.line > 0) == (is.line > 0), isOff(was) && isOff(is):
			continue
		case implied(key) != "" && cmp.Or(was.value, implied(key)) == cmp.Or(is.value, implied(key)):
			continue
		}
		d := Difference{Setting: key, Before: shown(was), After: shown(is)}
		if was.line > 0 {
			d.Lines = []int{was.line}
		}
		c.add(object, d)
	}
	for _, key := range sortedKeys(before.lists, after.lists) {
		c.compareLists(object, key, before.lists[key], after.lists[key])
	}
}

// shown is the value of a setting that is there.
func shown(s setting) string {
	if s.line == 0 {
		return ""
	}
	return cmp.Or(s.value, "yes")
}

// compareLists compares settings of which all count, in their order.
func (c *comparison) compareLists(object, key string, before, after []setting) {
	left := slices.Clone(after)
	var kept []string
	for _, s := range before {
		i := slices.IndexFunc(left, func(o setting) bool { return o.value == s.value })
		if i < 0 {
			c.add(object, Difference{Setting: key, Before: s.value, Lines: []int{s.line}})
			continue
		}
		kept = append(kept, s.value)
		left = slices.Delete(left, i, i+1)
	}
	for _, s := range left {
		c.add(object, Difference{Setting: key, After: s.value})
	}
	var order []string
	for _, s := range after {
		if !slices.ContainsFunc(left, func(o setting) bool { return o.line == s.line }) {
			order = append(order, s.value)
		}
	}
	if key != "bind" && !slices.Equal(kept, order) {
		c.add(object, Difference{Setting: "order of " + key, Before: strings.Join(kept, "; "), After: strings.Join(order, "; ")})
	}
}

func sortedKeys[V any](a, b map[string]V) []string {
	var out []string
	for key := range a {
		out = append(out, key)
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// reason says what a difference is for.
func reason(d Difference, isGlobal bool) string {
	key, _, _ := strings.Cut(d.Setting, " ")
	if isGlobal {
		return globalReason(d, key)
	}
	switch {
	case d.Setting == "option idle-close-on-response":
		return "a reload does not break connections that clients keep open"
	case key == "load-server-state-from-file":
		return "a new worker knows the states of servers"
	case d.Setting == "option http-server-close", d.Setting == "option http-pretend-keepalive":
		return "the rules of the frontend look at each request"
	}
	return ""
}

func globalReason(d Difference, key string) string {
	if d.After == "" {
		why, _ := ownGlobal(template.FileLine{Words: append([]string{key}, strings.Fields(strings.TrimPrefix(d.Setting, key)+" "+d.Before)...)})
		return why
	}
	return map[string]string{
		"description": "the agent recognizes its configuration by this line", "stats": "the agent's socket",
		"server-state-file": "a new worker knows the states of servers", "mworker-max-reloads": "the template has this line",
		"httpclient.ssl.verify": "nothing uses this client", "localpeer": "the name of this node among peers",
		"maxconn": "the setting haproxy-maxconn", "hard-stop-after": "the setting haproxy-hard-stop-after", "log": "the setting haproxy-log",
		"user": "the setting haproxy-user", "group": "the setting haproxy-group",
	}[key]
}
