package cibxml

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxDepth bounds how deep XML may be nested.
const maxDepth = 100

// An Element of XML. The order of attributes and children is kept. A comment in an
// element is a child named CommentName. Text between elements, which a CIB has no use
// for, is lost.
type Element struct {
	Name     string
	Attrs    []xml.Attr
	Children []*Element
	text     string // of a comment, or of an element without children
}

// CommentName is no name of an element.
const CommentName = "#comment"

// Parse reads one document.
func Parse(data []byte) (*Element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(data))
	decoder.Strict = true
	root := &Element{}
	stack := []*Element{root}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading XML: %w", err)
		}
		top := stack[len(stack)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return nil, errors.New("reading XML: it is nested too deep")
			}
			e := &Element{Name: t.Name.Local, Attrs: slices.Clone(t.Attr)}
			top.Children = append(top.Children, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.Comment:
			if top != root {
				top.Children = append(top.Children, &Element{Name: CommentName, text: string(t)})
			}
		case xml.CharData:
			top.text += string(t)
		}
	}
	if len(root.Children) != 1 {
		return nil, errors.New("reading XML: there is not one element")
	}
	return root.Children[0], nil
}

// New makes an element; attributes are name, value, name, value.
func New(name string, attrs ...string) *Element {
	e := &Element{Name: name}
	for i := 0; i+1 < len(attrs); i += 2 {
		e.Set(attrs[i], attrs[i+1])
	}
	return e
}

// Add appends children and gives the element itself.
func (e *Element) Add(children ...*Element) *Element {
	e.Children = append(e.Children, children...)
	return e
}

// Attr is the value of an attribute; empty: there is none.
func (e *Element) Attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// Has reports whether there is an attribute, which may be empty.
func (e *Element) Has(name string) bool {
	return slices.ContainsFunc(e.Attrs, func(a xml.Attr) bool { return a.Name.Local == name })
}

// An Attribute is the name and value of an attribute.
type Attribute struct{ Name, Value string }

// Attributes lists the attributes in their order.
func (e *Element) Attributes() []Attribute {
	out := make([]Attribute, 0, len(e.Attrs))
	for _, a := range e.Attrs {
		out = append(out, Attribute{a.Name.Local, a.Value})
	}
	return out
}

// Set sets an attribute.
func (e *Element) Set(name, value string) {
	for i, a := range e.Attrs {
		if a.Name.Local == name {
			e.Attrs[i].Value = value
			return
		}
	}
	e.Attrs = append(e.Attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
}

// SortAttributes puts the attributes in the order of their names.
func (e *Element) SortAttributes() {
	slices.SortStableFunc(e.Attrs, func(a, b xml.Attr) int {
		return cmp.Or(strings.Compare(a.Name.Local, b.Name.Local), strings.Compare(a.Name.Space, b.Name.Space))
	})
}

// Child is the first child of that name, nil: there is none.
func (e *Element) Child(path ...string) *Element {
	for _, name := range path {
		if e == nil {
			return nil
		}
		i := slices.IndexFunc(e.Children, func(c *Element) bool { return c.Name == name })
		if i < 0 {
			return nil
		}
		e = e.Children[i]
	}
	return e
}

// Ensure is the child of that name, made if there is none.
func (e *Element) Ensure(path ...string) *Element {
	for _, name := range path {
		c := e.Child(name)
		if c == nil {
			c = New(name)
			e.Add(c)
		}
		e = c
	}
	return e
}

// Descendants are the elements of that name in e, at any depth; of an empty name, all of
// them.
func (e *Element) Descendants(name string) []*Element {
	var out []*Element
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Name == name || name == "" && c.Name != CommentName {
			out = append(out, c)
		}
		out = append(out, c.Descendants(name)...)
	}
	return out
}

// ByID is the element with that id, at any depth; nil: there is none.
func (e *Element) ByID(id string) *Element {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Attr("id") == id {
			return c
		}
		if found := c.ByID(id); found != nil {
			return found
		}
	}
	return nil
}

// Remove removes every element, at any depth, for which out returns true.
func (e *Element) Remove(out func(*Element) bool) {
	e.Children = slices.DeleteFunc(e.Children, out)
	for _, c := range e.Children {
		c.Remove(out)
	}
}

// Clone is a deep copy.
func (e *Element) Clone() *Element {
	c := &Element{Name: e.Name, Attrs: slices.Clone(e.Attrs), text: e.text}
	for _, child := range e.Children {
		c.Children = append(c.Children, child.Clone())
	}
	return c
}

// Equal compares without comments; attributes may be in any order, children must be in the same
// order.
func (e *Element) Equal(o *Element) bool {
	return o != nil && e.Name == o.Name && len(e.Attrs) == len(o.Attrs) && strings.TrimSpace(e.text) == strings.TrimSpace(o.text) &&
		!slices.ContainsFunc(e.Attrs, func(a xml.Attr) bool { return o.Attr(a.Name.Local) != a.Value }) &&
		slices.EqualFunc(e.Elements(), o.Elements(), (*Element).Equal)
}

// Elements are the children that are no comments.
func (e *Element) Elements() []*Element {
	return slices.DeleteFunc(slices.Clone(e.Children), func(c *Element) bool { return c.Name == CommentName })
}

// TakeComments puts the comments of an older version of e, and of its descendants with
// the same ids, before the other children.
func (e *Element) TakeComments(older *Element) {
	var comments []*Element
	for _, c := range older.Children {
		if c.Name == CommentName {
			comments = append(comments, c)
			continue
		}
		for _, own := range e.Children {
			if own != c && own.Name == c.Name && own.Attr("id") == c.Attr("id") {
				own.TakeComments(c)
				break
			}
		}
	}
	e.Children = append(comments, e.Children...)
}

// Pair is the value of a name in sets of name-value pairs below e.
func (e *Element) Pair(set, name string) string {
	if e == nil {
		return ""
	}
	for _, s := range e.Children {
		if s.Name != set {
			continue
		}
		for _, p := range s.Children {
			if p.Name == "nvpair" && p.Attr("name") == name {
				return p.Attr("value")
			}
		}
	}
	return ""
}

// Bytes writes the element as XML.
func (e *Element) Bytes() []byte {
	var b bytes.Buffer
	e.write(&b, 0)
	return b.Bytes()
}

func (e *Element) write(b *bytes.Buffer, depth int) {
	if e.Name == CommentName {
		b.WriteString(strings.Repeat("  ", depth) + "<!--" + e.text + "-->\n")
		return
	}
	b.WriteString(strings.Repeat("  ", depth) + "<" + e.Name)
	for _, a := range e.Attrs {
		name := a.Name.Local
		if a.Name.Space == "xmlns" || a.Name.Space == "xml" {
			name = a.Name.Space + ":" + name
		}
		b.WriteString(" " + name + `="`)
		_ = xml.EscapeText(b, []byte(a.Value)) // a Buffer takes everything
		b.WriteString(`"`)
	}
	text := strings.TrimSpace(e.text)
	switch {
	case len(e.Children) > 0:
		b.WriteString(">\n")
		for _, c := range e.Children {
			c.write(b, depth+1)
		}
		b.WriteString(strings.Repeat("  ", depth) + "</" + e.Name + ">\n")
	case text != "":
		b.WriteString(">")
		_ = xml.EscapeText(b, []byte(text))
		b.WriteString("</" + e.Name + ">\n")
	default:
		b.WriteString("/>\n")
	}
}

// Unescape decodes XML's entities in text that Pacemaker has escaped twice, as it does
// with the reasons of failures (2.1.5).
func Unescape(text string) string {
	return strings.NewReplacer("&quot;", `"`, "&apos;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}
