package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The kinds of objects, as files and the API's paths call them.
const (
	Frontends = "frontends"
	Backends  = "backends"
	// Sections are raw sections, by "KIND/NAME", "global" or "defaults".
	Sections = "sections"
)

// An ID names an object.
type ID struct {
	Kind string // Frontends, Backends or Sections
	Key  string
}

// String is the path of the object in the API, e.g. "frontends/web".
func (id ID) String() string { return id.Kind + "/" + id.Key }

// Objects are the bodies of the requests that put objects, as JSON.
type Objects map[ID]json.RawMessage

// IDs lists the objects sorted: backends, frontends, sections, each by key. References between them
// are checked only after all have been put.
func (o Objects) IDs() []ID {
	return slices.SortedFunc(maps.Keys(o), func(a, b ID) int {
		return strings.Compare(a.String(), b.String())
	})
}

// Add adds the objects of one file. The error names an object that another file has already.
func (o Objects) Add(file string, more Objects) error {
	for _, id := range more.IDs() {
		if _, isThere := o[id]; isThere {
			return fmt.Errorf("%s: %s is in another file, too", file, id)
		}
		o[id] = more[id]
	}
	return nil
}

// Parse reads a file of YAML, of which JSON is a part. Several documents in it count as
// one. Keys and dates are read as texts. The error names the file and the line.
func Parse(file string, data []byte) (Objects, error) {
	out := Objects{}
	decoder := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if err := out.addDocument(file, &doc); err != nil {
			return nil, err
		}
	}
}

// addDocument adds the objects of one YAML document.
func (o Objects) addDocument(file string, doc *yaml.Node) error {
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil
	}
	top := doc.Content[0]
	if err := checkPlain(file, top); err != nil {
		return err
	}
	if err := checkMapping(file, "the file", top); err != nil {
		return err
	}
	for name, value := range pairs(top) {
		switch {
		case name.Value == "version" && value.Kind == yaml.ScalarNode: // of a persistence file
			continue
		case name.Value != Frontends && name.Value != Backends && name.Value != Sections:
			return fmt.Errorf("%s:%d: %q is unknown, expected %s, %s or %s", file, name.Line, name.Value, Frontends, Backends, Sections)
		case value.Tag == "!!null":
			continue
		}
		if err := o.addKind(file, name.Value, value); err != nil {
			return err
		}
	}
	return nil
}

// addKind adds the objects of one kind: a mapping by key.
func (o Objects) addKind(file, kind string, list *yaml.Node) error {
	if err := checkMapping(file, kind, list); err != nil {
		return err
	}
	for key, value := range pairs(list) {
		id := ID{kind, key.Value}
		if key.Kind != yaml.ScalarNode || key.Tag == mergeTag {
			return fmt.Errorf("%s:%d: %s has a key that is not the name of an object, as a merge key (<<), which belongs into an object", file, key.Line, kind)
		}
		if err := checkMapping(file, id.String(), value); err != nil {
			return err
		}
		if _, isThere := o[id]; isThere {
			return fmt.Errorf("%s:%d: %s is in the file twice", file, key.Line, id)
		}
		body, err := toJSON(value)
		if err != nil {
			return fmt.Errorf("%s:%d: %s: %w", file, value.Line, id, err)
		}
		o[id] = body
	}
	return nil
}

const mergeTag = "!!merge"

// isPlain reports whether values of a tag are those of JSON, or such that this package makes texts of.
func isPlain(tag string) bool {
	switch tag {
	case "!!map", "!!seq", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", mergeTag:
		return true
	}
	return false
}

// checkPlain refuses values that mean more than their text, as those with a tag of another program
// (!vault, !include), and numbers that YAML 1.1 and 1.2 read differently: 0100 is 64 or 100.
func checkPlain(file string, n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode: // what it stands for is in the file, too
		return nil
	case n.Kind != yaml.DocumentNode && !isPlain(n.ShortTag()):
		return fmt.Errorf("%s:%d: %s is a tag that is not known here, expected a value without a tag", file, n.Line, n.Tag)
	case n.ShortTag() == "!!int" && leadingZero.MatchString(n.Value):
		return fmt.Errorf("%s:%d: %s begins with 0, which YAML 1.1 and 1.2 read differently, expected a number without it, or a text in quotes", file, n.Line, n.Value)
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind == yaml.ScalarNode && child.ShortTag() == "!!int" {
			continue // keys are texts
		}
		if err := checkPlain(file, child); err != nil {
			return err
		}
	}
	return nil
}

// leadingZero matches the octal numbers of YAML 1.1.
var leadingZero = regexp.MustCompile(`^[-+]?0[0-9_]+$`)

// checkMapping refuses what is no mapping, and one with a key twice.
func checkMapping(file, what string, n *yaml.Node) error {
	if n = resolved(n); n.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: %s is not a mapping of names to values", file, n.Line, what)
	}
	lines := map[string]int{}
	for name := range pairs(n) {
		if first, isThere := lines[name.Value]; isThere {
			return fmt.Errorf("%s:%d: %s has %q in line %d already", file, name.Line, what, name.Value, first)
		}
		lines[name.Value] = name.Line
	}
	return nil
}

// resolved is the value that an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// pairs are the keys and values of a mapping, or of that which an alias stands for.
func pairs(mapping *yaml.Node) func(yield func(name, value *yaml.Node) bool) {
	mapping = resolved(mapping)
	return func(yield func(name, value *yaml.Node) bool) {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if !yield(mapping.Content[i], mapping.Content[i+1]) {
				return
			}
		}
	}
}

// toJSON is a YAML value as JSON. The library limits how much aliases may expand to.
func toJSON(n *yaml.Node) (json.RawMessage, error) {
	keepTexts(resolved(n))
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// keepTexts makes texts of keys and of what looks like a date: "1.10: 90" is a version
// with its weight, and 2026-01-01 may be one, too.
func keepTexts(n *yaml.Node) {
	const text = "!!str"
	if n.Kind == yaml.ScalarNode && n.Tag == "!!timestamp" {
		n.Tag = text
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind == yaml.ScalarNode && child.Tag != "!!merge" {
			child.Tag = text
			continue
		}
		keepTexts(child)
	}
}

// Format writes objects as YAML that Parse reads, sorted by kind and key.
func Format(o Objects) ([]byte, error) {
	byKind := map[string]map[string]any{}
	for id, body := range o {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		if byKind[id.Kind] == nil {
			byKind[id.Kind] = map[string]any{}
		}
		byKind[id.Kind][id.Key] = numbers(value)
	}
	if len(byKind) == 0 {
		return nil, nil
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(byKind); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// numbers replaces JSON's numbers, which the YAML encoder would write as texts.
func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // a JSON number; too large a one is infinite
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return value
}
