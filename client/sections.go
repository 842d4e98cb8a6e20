package client

import (
	"context"
	"net/http"

	"thalassa/api/node"
)

// A Section is a raw section of haproxy.cfg.
type Section = node.Section

// Sections show and change raw sections. A key is "KIND/NAME", or "global" or "defaults" for
// the raw lines of the template's own sections.
type Sections struct{ transport transport }

// NewSections are those of an agent.
func NewSections(c *Client) Sections { return Sections{c.transport} }

// List lists all sections, each after the defaults that it is based on.
func (c Sections) List(ctx context.Context) ([]Section, error) {
	var list []Section
	_, err := c.transport.get(ctx, "/haproxy/sections", &list)
	return list, err
}

// Get looks up a section.
func (c Sections) Get(ctx context.Context, key string) (Section, error) {
	var out Section
	_, err := c.transport.get(ctx, SectionPath(key), &out)
	return out, err
}

// Put creates or replaces a section. The document is any value that encodes to its JSON.
func (c Sections) Put(ctx context.Context, key string, document any, conditions ...Condition) (Section, Applied, error) {
	var out Section
	applied, _, err := c.transport.change(ctx, call{method: http.MethodPut, path: SectionPath(key), body: document, conditions: conditions}, &out)
	return out, applied, err
}

// Delete removes a section. While something uses it the error's code is "conflict", and By
// names what.
func (c Sections) Delete(ctx context.Context, key string, conditions ...Condition) (Applied, error) {
	applied, _, err := c.transport.change(ctx, call{method: http.MethodDelete, path: SectionPath(key), conditions: conditions}, nil)
	return applied, err
}
