package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/auth"
	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

const root = "/api/v1"

// A Source is the cluster that this node is part of.
type Source interface {
	// View has the state cluster.StateNone on a node of no cluster.
	View() cluster.Status
	// Configuration returns the element of the CIB, with its secrets. Callers must not change it.
	Configuration() (*cibxml.Element, cluster.Epoch, error)
	// MaskedCIB is the CIB as XML, without secrets.
	MaskedCIB() ([]byte, error)
	// Monitor returns the output of crm_mon as XML, without secrets.
	Monitor(ctx context.Context) (*cibxml.Element, error)
}

// A Dialect answers the requests below /api/v1.
type Dialect struct {
	source Source // nil: this node is in no cluster
}

// New makes the dialect. source is nil on a node of no cluster.
func New(source Source) *Dialect { return &Dialect{source} }

// Owns reports whether a path belongs to the dialect.
func (d *Dialect) Owns(path string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// Routes lists the routes of the dialect.
func (d *Dialect) Routes(*api.Agent) []api.Route {
	const get = http.MethodGet
	route := func(path, summary string, handle echo.HandlerFunc) api.Route {
		return api.Route{Method: get, Path: root + path, Need: auth.Read, On: api.OnNode, Summary: summary, Handle: handle}
	}
	return []api.Route{
		route("/configuration/cib.xml", "the configuration and status of the cluster as XML, without secrets", d.cib),
		route("/configuration/{type}", "the objects of a type in the cluster's configuration", d.configuration),
		route("/configuration/{type}/", "the same", d.configuration),
		route("/configuration/{type}/{id}", "one of them", d.configuration),
		route("/configuration/{type}/{id}/", "the same", d.configuration),
		route("/configuration/{type}/{id}/{child}", "a primitive of a group", d.configuration),
		route("/status/cib.xml", "the configuration and status of the cluster as XML, without secrets", d.cib),
		route("/status/{type}", "nodes, resources, summary or failures of the cluster", d.status),
		route("/status/{type}/", "the same", d.status),
		route("/status/{type}/{id}", "one of them; of failures those of a node", d.status),
		route("/status/{type}/{id}/", "the same", d.status),
	}
}

// Render answers with a failure as text, as hawk-apiserver did.
func (d *Dialect) Render(c echo.Context, f *api.ResponseError) error {
	text := f.Message
	if f.Incident != "" {
		text += " (incident " + f.Incident + ")"
	}
	return api.Respond(c, f.Status, echo.MIMETextPlainCharsetUTF8, []byte(text+"\n"))
}

// ready returns the error that says why there is no cluster.
func (d *Dialect) ready() error {
	if d.source == nil || d.source.View().State == cluster.StateNone {
		return &api.ResponseError{Status: http.StatusNotFound, Code: "not_found", Message: "this node is in no cluster"}
	}
	return nil
}

func notFound(c echo.Context) error {
	return &api.ResponseError{Status: http.StatusNotFound, Code: "not_found", Message: "there is no " + c.Request().URL.Path}
}

func (d *Dialect) cib(c echo.Context) error {
	if err := d.ready(); err != nil {
		return err
	}
	data, err := d.source.MaskedCIB()
	if err != nil {
		return err
	}
	return api.Respond(c, http.StatusOK, echo.MIMEApplicationXMLCharsetUTF8, data)
}

// answer writes a document: indented, unless the header PrettyPrint asks for a short one.
func answer(c echo.Context, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	if pretty := c.Request().Header.Get("PrettyPrint"); pretty == "" || pretty == "1" {
		var indented bytes.Buffer
		if err := json.Indent(&indented, data, "", "  "); err != nil {
			return fmt.Errorf("encoding the answer: %w", err)
		}
		data = indented.Bytes()
	}
	return api.Respond(c, http.StatusOK, echo.MIMEApplicationJSON, append(data, '\n'))
}

// an object has the fields of a document.
type object = map[string]any

// pick is the object of a list with an id, or the whole list if id is empty.
// Of a list without objects it is null, as is a list that was never there.
func pick(c echo.Context, list []object, id string) error {
	switch {
	case id == "" && len(list) == 0:
		return answer(c, nil)
	case id == "":
		return answer(c, list)
	}
	for _, o := range list {
		if o["id"] == id {
			return answer(c, o)
		}
	}
	return notFound(c)
}

// plain is an element as an object: its attributes, and lists of its children by name.
func plain(e *cibxml.Element) object {
	o := object{}
	for _, a := range e.Attributes() {
		o[a.Name] = a.Value
	}
	for _, c := range e.Elements() {
		list, _ := o[c.Name].([]object)
		o[c.Name] = append(list, plain(c))
	}
	return o
}
