package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// Document is the object as a JSON document, with its fields on one level.
func (o *Object) Document(k Kind) map[string]any { return o.document(shapeOf(k)) }

func (o *Object) document(s *shape) map[string]any {
	doc := map[string]any{}
	if o.ID != "" {
		doc["id"] = o.ID
	}
	if o.Element != "" {
		doc["element"] = o.Element
	}
	for name, value := range o.Attributes {
		doc[name] = value
	}
	for name, values := range o.Values {
		doc[name] = values
	}
	for _, f := range s.allLists() {
		parts := o.Lists[f.name]
		switch {
		case len(parts) == 0:
		case f.single:
			doc[f.name] = parts[0].document(f.shape)
		default:
			list := make([]map[string]any, len(parts))
			for i := range parts {
				list[i] = parts[i].document(f.shape)
			}
			doc[f.name] = list
		}
	}
	for _, f := range s.refs {
		switch ids := o.Refs[f.name]; {
		case len(ids) == 0:
		case f.single:
			doc[f.name] = ids[0]
		default:
			doc[f.name] = ids
		}
	}
	if len(o.Extra) > 0 {
		doc["extra"] = o.Extra
	}
	if len(o.IDs) > 0 {
		doc["ids"] = o.IDs
	}
	if len(o.Order) > 0 {
		doc["order"] = o.Order
	}
	return doc
}

// allLists are the lists, with those for the sets of pairs that are not plain.
func (s *shape) allLists() []listField {
	out := slices.Clone(s.lists)
	for _, f := range s.values {
		if f.element != "" {
			set := setShape(f.element)
			out = append(out, listField{name: f.sets(), shape: set})
		}
	}
	return out
}

// fields are the names of all fields, sorted.
func (s *shape) fields() []string {
	out := append(slices.Clone(s.attributes), "id", "extra", "ids", "order")
	if s.hasAgent {
		out = append(out, "agent", "class", "provider", "type")
	}
	if len(s.elements) > 1 {
		out = append(out, "element")
	}
	for _, f := range s.values {
		out = append(out, f.name)
	}
	for _, f := range s.allLists() {
		out = append(out, f.name)
	}
	for _, f := range s.refs {
		out = append(out, f.name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Parse reads the JSON document of an object. Where strings are expected, numbers and booleans are
// converted; null means a missing field. Unknown attributes are accepted if old has them; old may
// be nil. The error is an *lb.InvalidError.
func Parse(k Kind, data []byte, old *Object) (Object, error) {
	doc, err := parseDocument(data)
	if err != nil {
		return Object{}, err
	}
	return parse(k, doc, old)
}

func parse(k Kind, doc map[string]any, old *Object) (Object, error) {
	var p parser
	o := p.object("", shapeOf(k), doc, old)
	return o, p.Err()
}

// parseDocument reads one JSON object.
func parseDocument(data []byte) (map[string]any, error) {
	var fe lb.FieldErrors
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var doc map[string]any
	if err := decoder.Decode(&doc); err != nil || doc == nil {
		fe.Add("body", "is not a JSON object", "the object's fields, as GET answers them")
		return nil, fe.Err()
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		fe.Add("body", "has more than one JSON document", "one object")
		return nil, fe.Err()
	}
	return doc, nil
}

// A parser collects what is wrong with a document.
type parser struct{ lb.FieldErrors }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (p *parser) object(path string, s *shape, doc map[string]any, old *Object) Object {
	o := Object{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if doc[name] == nil {
			continue
		}
		at := join(path, name)
		switch {
		case name == "id":
			o.ID = p.text(at, doc[name])
		case name == "element" && len(s.elements) > 1:
			if o.Element = p.text(at, doc[name]); !slices.Contains(s.elements, o.Element) {
				p.Add(at, fmt.Sprintf("is %q", o.Element), strings.Join(s.elements, " or "))
			}
		case name == "extra":
			o.Extra = p.extra(at, doc[name])
		case name == "ids":
			o.IDs = p.values(at, doc[name])
		case name == "order":
			o.Order = p.texts(at, doc[name])
		default:
			p.field(at, s, &o, name, doc[name], old)
		}
	}
	if o.Element == s.elements[0] {
		o.Element = ""
	}
	if agent, ok := o.Attributes["agent"]; ok && s.hasAgent {
		if _, _, _, valid := splitAgent(agent); !valid {
			p.Add(join(path, "agent"), fmt.Sprintf("is %q", agent), "class:provider:type of an OCF agent such as ocf:heartbeat:IPaddr2, or class:type such as systemd:haproxy")
		}
	}
	return o
}

// field reads a field that the shape names.
func (p *parser) field(at string, s *shape, o *Object, name string, value any, old *Object) {
	for _, f := range s.values {
		if f.name == name {
			if o.Values == nil {
				o.Values = map[string]map[string]string{}
			}
			o.Values[name] = p.values(at, value)
			return
		}
	}
	for _, f := range s.allLists() {
		if f.name == name {
			p.list(at, f, o, value, old)
			return
		}
	}
	for _, f := range s.refs {
		if f.name != name {
			continue
		}
		if o.Refs == nil {
			o.Refs = map[string][]string{}
		}
		if f.single {
			o.Refs[name] = []string{p.id(at, p.text(at, value))}
			return
		}
		ids := p.texts(at, value)
		for i, id := range ids {
			p.id(fmt.Sprintf("%s[%d]", at, i), id)
		}
		o.Refs[name] = ids
		return
	}
	known := slices.Contains(s.attributes, name) || s.hasAgent && slices.Contains([]string{"agent", "class", "provider", "type"}, name)
	if had := old != nil && old.Attributes[name] != ""; !known && !had {
		p.Add(at, "is not a field of <"+s.elements[0]+">", "one of "+strings.Join(s.fields(), ", "))
		return
	}
	o.setAttribute(name, p.text(at, value))
}

func (p *parser) list(at string, f listField, o *Object, value any, old *Object) {
	items := []any{value}
	if !f.single {
		list, ok := value.([]any)
		if !ok {
			p.Add(at, "is not a list", "a list of objects")
			return
		}
		items = list
	}
	if o.Lists == nil {
		o.Lists = map[string][]Object{}
	}
	o.Lists[f.name] = []Object{}
	for i, item := range items {
		where := at
		if !f.single {
			where = fmt.Sprintf("%s[%d]", at, i)
		}
		doc, ok := item.(map[string]any)
		if !ok {
			p.Add(where, "is not an object", "an object")
			continue
		}
		var was *Object
		if old != nil {
			id, _ := doc["id"].(string)
			j := slices.IndexFunc(old.Lists[f.name], func(part Object) bool { return part.ID == id || f.single })
			if j >= 0 {
				was = &old.Lists[f.name][j]
			}
		}
		o.Lists[f.name] = append(o.Lists[f.name], p.object(where, f.shape, doc, was))
	}
}

// text reads a string, or what is written as one.
func (p *parser) text(at string, value any) string {
	switch v := value.(type) {
	case string:
		if strings.ContainsFunc(v, func(r rune) bool {
			return r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD
		}) {
			p.Add(at, "has a character that XML cannot express", "printable text")
		}
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	p.Add(at, "is not a string", "a string")
	return ""
}

func (p *parser) texts(at string, value any) []string {
	list, ok := value.([]any)
	if !ok {
		p.Add(at, "is not a list", "a list of strings")
		return nil
	}
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = p.text(fmt.Sprintf("%s[%d]", at, i), item)
	}
	return out
}

func (p *parser) values(at string, value any) map[string]string {
	doc, ok := value.(map[string]any)
	if !ok {
		p.Add(at, "is not an object", `an object of strings, e.g. {"name": "value"}`)
		return nil
	}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if doc[name] == nil {
			continue
		}
		if name == "" {
			p.Add(at, "has a value without a name", "a name for each value")
		}
		out[p.text(at, name)] = p.text(join(at, name), doc[name])
	}
	return out
}

func (p *parser) extra(at string, value any) []string {
	list := p.texts(at, value)
	for i, text := range list {
		if _, err := cibxml.Parse([]byte(text)); err != nil {
			p.Add(fmt.Sprintf("%s[%d]", at, i), "is not XML: "+strings.TrimPrefix(err.Error(), "reading XML: "), "one element of the CIB")
		}
	}
	if list == nil {
		return []string{}
	}
	return list
}

// id checks the id of a resource or constraint.
func (p *parser) id(at, id string) string {
	if !IsID(id) {
		p.Add(at, fmt.Sprintf("is %q", id), "letters, digits and . _ - beginning with a letter or _")
	}
	return id
}

// IsID reports whether a text may be the id of an element: an NCName of XML, of ASCII, up
// to 250 bytes.
func IsID(id string) bool {
	for i, r := range id {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '.' || r == '-')) {
			return false
		}
	}
	return id != "" && len(id) <= 250
}
