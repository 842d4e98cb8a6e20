package pacemaker

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxDepth bounds how deep XML may be nested.
const maxDepth = 100

// An element of XML. The order of attributes and children is kept. A comment in an
// element is a child named commentName. Text between elements, which a CIB has no use
// for, is lost.
type element struct {
	name     string
	attrs    []xml.Attr
	children []*element
	text     string // of a comment, or of an element without children
}

// commentName is no name of an element.
const commentName = "#comment"

// parseXML reads one document.
func parseXML(data []byte) (*element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(data))
	decoder.Strict = true
	root := &element{}
	stack := []*element{root}
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
			e := &element{name: t.Name.Local, attrs: slices.Clone(t.Attr)}
			top.children = append(top.children, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.Comment:
			if top != root {
				top.children = append(top.children, &element{name: commentName, text: string(t)})
			}
		case xml.CharData:
			top.text += string(t)
		}
	}
	if len(root.children) != 1 {
		return nil, errors.New("reading XML: there is not one element")
	}
	return root.children[0], nil
}

// el makes an element; attributes are name, value, name, value.
func el(name string, attrs ...string) *element {
	e := &element{name: name}
	for i := 0; i+1 < len(attrs); i += 2 {
		e.set(attrs[i], attrs[i+1])
	}
	return e
}

// add appends children and gives the element itself.
func (e *element) add(children ...*element) *element {
	e.children = append(e.children, children...)
	return e
}

// attr is the value of an attribute; empty: there is none.
func (e *element) attr(name string) string {
	for _, a := range e.attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (e *element) set(name, value string) {
	for i, a := range e.attrs {
		if a.Name.Local == name {
			e.attrs[i].Value = value
			return
		}
	}
	e.attrs = append(e.attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
}

// child is the first child of that name, nil: there is none.
func (e *element) child(path ...string) *element {
	for _, name := range path {
		if e == nil {
			return nil
		}
		i := slices.IndexFunc(e.children, func(c *element) bool { return c.name == name })
		if i < 0 {
			return nil
		}
		e = e.children[i]
	}
	return e
}

// ensure is the child of that name, made if there is none.
func (e *element) ensure(path ...string) *element {
	for _, name := range path {
		c := e.child(name)
		if c == nil {
			c = el(name)
			e.add(c)
		}
		e = c
	}
	return e
}

// all are the elements of that name in e, at any depth.
func (e *element) all(name string) []*element {
	var out []*element
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			out = append(out, c)
		}
		out = append(out, c.all(name)...)
	}
	return out
}

// byID is the element with that id, at any depth; nil: there is none.
func (e *element) byID(id string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.attr("id") == id {
			return c
		}
		if found := c.byID(id); found != nil {
			return found
		}
	}
	return nil
}

// remove takes away every element, at any depth, that out names.
func (e *element) remove(out func(*element) bool) {
	e.children = slices.DeleteFunc(e.children, out)
	for _, c := range e.children {
		c.remove(out)
	}
}

// clone is a copy that shares nothing.
func (e *element) clone() *element {
	c := &element{name: e.name, attrs: slices.Clone(e.attrs), text: e.text}
	for _, child := range e.children {
		c.children = append(c.children, child.clone())
	}
	return c
}

// equal compares by what is meant: attributes in any order, children in theirs, without
// comments.
func (e *element) equal(o *element) bool {
	return o != nil && e.name == o.name && len(e.attrs) == len(o.attrs) &&
		!slices.ContainsFunc(e.attrs, func(a xml.Attr) bool { return o.attr(a.Name.Local) != a.Value }) &&
		slices.EqualFunc(e.elements(), o.elements(), (*element).equal)
}

// elements are the children that are no comments.
func (e *element) elements() []*element {
	return slices.DeleteFunc(slices.Clone(e.children), func(c *element) bool { return c.name == commentName })
}

// takeComments puts the comments of an older version of e, and of its descendants with
// the same ids, before the other children.
func (e *element) takeComments(older *element) {
	var comments []*element
	for _, c := range older.children {
		if c.name == commentName {
			comments = append(comments, c)
			continue
		}
		for _, own := range e.children {
			if own.name == c.name && own.attr("id") == c.attr("id") {
				own.takeComments(c)
				break
			}
		}
	}
	e.children = append(comments, e.children...)
}

// nvpair is the value of a name in sets of name-value pairs below e.
func (e *element) nvpair(set, name string) string {
	if e == nil {
		return ""
	}
	for _, s := range e.children {
		if s.name != set {
			continue
		}
		for _, p := range s.children {
			if p.name == "nvpair" && p.attr("name") == name {
				return p.attr("value")
			}
		}
	}
	return ""
}

// bytes writes the element as XML.
func (e *element) bytes() []byte {
	var b bytes.Buffer
	e.write(&b, 0)
	return b.Bytes()
}

func (e *element) write(b *bytes.Buffer, depth int) {
	if e.name == commentName {
		b.WriteString(strings.Repeat("  ", depth) + "<!--" + e.text + "-->\n")
		return
	}
	b.WriteString(strings.Repeat("  ", depth) + "<" + e.name)
	for _, a := range e.attrs {
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
	case len(e.children) > 0:
		b.WriteString(">\n")
		for _, c := range e.children {
			c.write(b, depth+1)
		}
		b.WriteString(strings.Repeat("  ", depth) + "</" + e.name + ">\n")
	case text != "":
		b.WriteString(">")
		_ = xml.EscapeText(b, []byte(text))
		b.WriteString("</" + e.name + ">\n")
	default:
		b.WriteString("/>\n")
	}
}

// unescape decodes XML's entities in text that Pacemaker has escaped twice, as it does
// with the reasons of failures (2.1.5).
func unescape(text string) string {
	return strings.NewReplacer("&quot;", `"`, "&apos;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}
