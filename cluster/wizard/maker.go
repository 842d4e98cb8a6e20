package wizard

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// A maker makes the edits of a request.
type maker struct {
	Request
	recipe

	fe     lb.FieldErrors
	edits  []config.Edit
	failed error
}

// checkValues reports values that are of no field, that are missing, or that no field takes. It
// leaves those that are filled in.
func (m *maker) checkValues() {
	given := m.Values
	m.Values = Values{}
	if len(given) > maxValues {
		m.fe.Add("", fmt.Sprintf("has %d values", len(given)), fmt.Sprintf("%d at most", maxValues))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := strings.TrimSpace(given[name])
		switch {
		case !m.isField(name):
			m.fe.Add(name, "is not a field of this wizard", "one of "+strings.Join(m.names(), ", "))
		case len(value) > maxValue:
			m.fe.Add(name, fmt.Sprintf("has %d bytes", len(value)), fmt.Sprintf("%d at most", maxValue))
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7F || r >= 0xFFFD && r <= 0xFFFF }):
			m.fe.Add(name, "has a control character", "text on one line")
		case value != "":
			m.Values[name] = value
		}
	}
	m.checkFields()
}

// checkFields reports fields whose value is missing, or is none that they take.
func (m *maker) checkFields() {
	for _, f := range m.Fields {
		value := m.Values[f.Name]
		switch {
		case f.Required && value == "" && f.Default == "":
			m.fe.Add(f.Name, "is missing", f.expected())
		case f.Kind == Choice && value != "" && !slices.Contains(f.Choices, value):
			m.bad(f.Name, value, f.expected())
		case f.Kind == Time && value != "" && !isTime(value):
			m.bad(f.Name, value, f.expected())
		}
	}
}

// expected says what a field takes.
func (f Field) expected() string {
	switch f.Kind {
	case ID:
		return "letters, digits and . _ - beginning with a letter or _"
	case Address:
		return "an IP address such as 192.0.2.10/24"
	case Addresses:
		return "addresses with their prefix lengths, e.g. 192.0.2.10/24"
	case Choice:
		return strings.Join(f.Choices, " or ")
	case Resource:
		return "the id of a resource"
	case Nodes:
		return "names of nodes, separated by spaces"
	case Agent:
		return "the name of an agent, e.g. stonith:fence_ipmilan"
	case Time:
		return "a time such as 10s or 500ms"
	}
	return cmp.Or(strings.TrimSuffix(f.Help, "."), "a value")
}

// isTime reports whether Pacemaker reads a text as a time greater than zero.
func isTime(text string) bool {
	return regexp.MustCompile(`^0*[1-9][0-9]{0,8}(ms|msec|s|sec|m|min|h|hr)?$`).MatchString(text)
}

func (m *maker) isField(name string) bool {
	parameter, isParameter := strings.CutPrefix(name, parameterPrefix)
	return slices.ContainsFunc(m.Fields, func(f Field) bool {
		return f.Name == name && f.Kind != Parameters || f.Kind == Parameters && isParameter && parameter != ""
	})
}

// names are those of the fields.
func (m *maker) names() []string {
	var out []string
	for _, f := range m.Fields {
		if f.Kind == Parameters {
			out = append(out, parameterPrefix+"NAME")
			continue
		}
		out = append(out, f.Name)
	}
	return out
}

// value is that of a field, or its default.
func (m *maker) value(field string) string {
	if v := m.Values[field]; v != "" {
		return v
	}
	i := slices.IndexFunc(m.Fields, func(f Field) bool { return f.Name == field })
	if i < 0 {
		return ""
	}
	return m.Fields[i].Default
}

// bad reports a value. Values of parameters may be secrets, and have no place here.
func (m *maker) bad(field, value, expected string) {
	m.fe.Add(field, fmt.Sprintf("is %q", value), expected)
}

// words are the words of a value.
func (m *maker) words(field string) []string {
	return strings.FieldsFunc(m.value(field), func(r rune) bool { return r == ' ' || r == ',' })
}

// parameters are the values for parameters of the agent, by their names.
func (m *maker) parameters() map[string]string {
	out := map[string]string{}
	for name, value := range m.Values {
		if parameter, ok := strings.CutPrefix(name, parameterPrefix); ok {
			out[parameter] = value
		}
	}
	return out
}

// isFree reports an id that is none, or that something in the configuration has.
func (m *maker) isFree(field, id string) {
	if !config.IsID(id) {
		m.bad(field, id, Field{Kind: ID}.expected())
		return
	}
	if taken := m.Configuration.ByID(id); taken != nil {
		m.fe.Add(field, strconv.Quote(id)+" is the id of a "+taken.Name+" already", "an id that nothing has")
	}
}

// address is that of a field: "192.0.2.10" and "24", which may be empty.
func (m *maker) address(field, link string) (ip, bits string) {
	text := m.value(field)
	ip, bits, _ = strings.Cut(text, "/")
	a, err := netip.ParsePrefix(text)
	if bits == "" && text == ip {
		var addr netip.Addr
		if addr, err = netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			a = netip.PrefixFrom(addr, addr.BitLen())
		}
	}
	if err != nil || !a.IsValid() || a.Addr().Is4In6() {
		m.bad(field, text, Field{Kind: Address}.expected())
		return ip, bits
	}
	if problem, expected := cluster.CheckFloatingIP(a); problem != "" {
		m.fe.Add(field, strconv.Quote(a.String())+" "+problem, expected)
	}
	if a.Addr().IsLinkLocalUnicast() && link == "" {
		m.fe.Add("interface", "is missing for the link-local address "+ip, "the interface of its network")
	}
	for _, e := range config.Elements(m.Configuration, config.Primitives) {
		theirs, ok := config.AddressIn(config.AgentOf(m.Configuration, e), config.ParametersOf(m.Configuration, e))
		if ok && theirs == a.Addr() {
			m.fe.Add(field, strconv.Quote(a.Addr().String())+" is the address of "+e.Attr("id")+" already", "an address that no resource has")
		}
	}
	return a.Addr().String(), bits
}

// resource reports an id that is of no resource, or of one in a clone or bundle.
func (m *maker) resource(field, id string) (config.Detail, bool) {
	d, ok := config.Describe(m.Configuration, id)
	switch {
	case !ok:
		m.bad(field, id, "the id of a resource: "+strings.Join(offersOf(m.Configuration, nil).resources, ", "))
	case isInCopies(m.Configuration, d):
		m.fe.Add(field, strconv.Quote(id)+" is inside of "+d.Containers[0], d.Containers[0])
	default:
		return d, true
	}
	return d, false
}

// nodes are the names of nodes in a field.
func (m *maker) nodes(field string) []string {
	known, list := offersOf(m.Configuration, nil).nodes, m.words(field)
	for i, name := range list {
		if !slices.Contains(known, name) {
			m.bad(field, name, "some of "+strings.Join(known, ", "))
		}
		if slices.Contains(list[:i], name) {
			m.fe.Add(field, "has "+name+" twice", "each node once")
		}
	}
	return list
}

// put adds an object.
func (m *maker) put(k config.Kind, id string, fields map[string]any) {
	m.edit(config.Edit{Op: config.Put, Kind: k, ID: id, IfNone: true}, fields)
}

// patch changes fields of an object.
func (m *maker) patch(k config.Kind, id string, fields map[string]any) {
	m.edit(config.Edit{Op: config.Patch, Kind: k, ID: id}, fields)
}

func (m *maker) edit(e config.Edit, fields map[string]any) {
	var err error
	if e.Body, err = json.Marshal(fields); err != nil && m.failed == nil {
		m.failed = fmt.Errorf("writing %s %s: %w", e.Kind, e.ID, err)
	}
	m.edits = append(m.edits, e)
}
