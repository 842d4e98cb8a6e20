package pacemaker

import (
	"slices"
	"strings"
)

// masked replaces a value that may be a secret.
const masked = "********"

// Masked returns the CIB as XML without secrets. It keeps structure, and values that are
// known to be harmless: by their place, by the name of their parameter, or by their form,
// such as numbers. Everything else is masked: parameters of unknown agents, the options of
// containers, recipients of alerts, free text. Digests of parameters are masked as well,
// because short secrets can be guessed from them.
func (c *CIB) Masked() []byte {
	root := c.root.clone()
	maskElement(root, "", func(string) {})
	for _, op := range root.child("status").all("lrm_rsc_op") {
		if reason := op.attr("exit-reason"); reason != "" {
			op.set("exit-reason", c.Hide(reason))
		}
	}
	return root.bytes()
}

// maskElement masks what stands in an element, and notes it; set is the set of name-value
// pairs that it belongs to.
func maskElement(e *element, set string, note func(value string)) {
	if slices.Contains(pairSets(), e.name) && set != "transient_attributes" {
		set = e.name
	}
	if text := strings.TrimSpace(e.text); text != "" {
		note(text)
		e.text = masked
	}
	for i, a := range e.attrs {
		if a.Value != "" && !isHarmless(e, set, a.Name.Local, a.Value) {
			if !strings.HasSuffix(a.Name.Local, "digest") {
				note(a.Value)
			}
			e.attrs[i].Value = masked
		}
	}
	e.children = e.elements() // comments are free text
	for _, child := range e.children {
		maskElement(child, set, note)
	}
}
