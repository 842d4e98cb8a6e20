package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/wizard"
	"thalassa/internal/permit"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// clusterWizardsPath is where the wizards are.
const clusterWizardsPath = "/cluster/wizards"

// ClusterHAProxy adds HAProxy to the configuration of a cluster, as *pacemaker.Cluster does.
type ClusterHAProxy interface {
	// HAProxyEdits are the edits that do it. They replace nothing that exists.
	HAProxyEdits(configuration *cibxml.Element, h wizard.HAProxy) ([]config.Edit, error)
}

// wizardHandlers make drafts from a few values.
type wizardHandlers struct {
	clusterDraftHandlers

	agents  agentHandlers
	haproxy ClusterHAProxy // nil: this node is in no cluster
}

// list answers with the wizards, and with what can be chosen now.
func (h wizardHandlers) list(c echo.Context) error {
	q := parameters(c.Request(), "draft")
	if q.text("draft"); q.err() != nil {
		return q.err()
	}
	configuration, _, err := h.shown(c)
	if err != nil {
		return err
	}
	release, err := h.agents.turn(c)
	if err != nil {
		return err
	}
	defer release()
	fenceAgents, err := h.agents.agents.List(c.Request().Context(), "stonith")
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, struct {
		Wizards []wizard.Wizard `json:"wizards"`
	}{wizard.List(configuration, fenceAgents)})
}

// wizardBody is what a wizard is to make, and in which draft.
type wizardBody struct {
	values  wizard.Values
	draft   string // empty: a new one
	message string // of a new one
}

// parseWizard reads the body of a wizard:
//
//	{"values": {"ip": "192.0.2.10/24"}, "draft": "week-31"}
//
// The error is an *lb.InvalidError.
func parseWizard(data []byte) (wizardBody, error) {
	var in struct {
		Values  json.RawMessage `json:"values"`
		Draft   string          `json:"draft"`
		Message string          `json:"message"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return wizardBody{}, err
	}
	var fe lb.FieldErrors
	if _, err := lb.ParseName(in.Draft); in.Draft != "" && err != nil {
		fe.Add("draft", "is "+shown(in.Draft), "the ID of a draft, or none for a new one")
	}
	if len(in.Message) > maxDraftMessage {
		fe.Add("message", "is too long", "at most 200 bytes")
	}
	if in.Message != "" && in.Draft != "" {
		fe.Add("message", "is given with a draft, which has its own", "one of them")
	}
	out := wizardBody{values: parseValues(&fe, in.Values), draft: in.Draft, message: in.Message}
	return out, fe.Err()
}

// parseValues reads an object of strings. Numbers and booleans are converted; null is no value.
func parseValues(fe *lb.FieldErrors, data []byte) wizard.Values {
	out := wizard.Values{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		fe.Add("values", "is no object", `an object of strings, e.g. {"ip": "192.0.2.10/24"}`)
		return out
	}
	for decoder.More() && !fe.Full() {
		key, _ := decoder.Token()
		name, _ := key.(string)
		var value any
		if err := decoder.Decode(&value); err != nil {
			fe.Add(valuePath(name), "is not JSON", "a string")
			return out
		}
		if _, twice := out[name]; twice {
			fe.Add(valuePath(name), "is set twice", "each value once")
		}
		switch v := value.(type) {
		case nil:
		case string:
			out[name] = v
		case json.Number, bool:
			out[name] = fmt.Sprint(v)
		default:
			fe.Add(valuePath(name), "is not a string", "a string")
		}
	}
	return out
}

// valuePath is the path of a value in the body.
func valuePath(name string) string {
	if name == "" {
		return "values"
	}
	return "values." + name
}

// ofValues is an error of a wizard with the paths of the body.
func ofValues(err error) error {
	if failed, ok := errors.AsType[*lb.EditError](err); ok {
		return failed.Err
	}
	invalid, ok := errors.AsType[*lb.InvalidError](err)
	if !ok {
		return err
	}
	out := &lb.InvalidError{More: invalid.More}
	for _, f := range invalid.Fields {
		f.Path = valuePath(f.Path)
		out.Fields = append(out.Fields, f)
	}
	return out
}

// run makes what a wizard is for in a draft, and answers with what the draft would do. If that
// cannot be told, the answer says why: the draft is there.
func (h wizardHandlers) run(c echo.Context) error {
	if err := parameters(c.Request()).err(); err != nil {
		return err
	}
	if _, err := h.status(); err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	in, err := parseWizard(data)
	if err != nil {
		return err
	}
	name := c.Param("name")
	q := wizard.Request{Values: in.values}
	if h.haproxy != nil {
		q.HAProxy = h.haproxy.HAProxyEdits
	}
	if q.Agents, err = h.installed(c, name, in.values); err != nil {
		return err
	}
	d, err := h.make(c, name, in, q)
	if err != nil {
		return ofValues(err)
	}
	status := http.StatusOK
	if in.draft == "" {
		status = http.StatusCreated
		c.Response().Header().Set(echo.HeaderLocation, clusterDraftsPath+"/"+d.ID)
	}
	out, err := h.foreseen(c, d)
	if err != nil && out.Problem == "" {
		return err
	}
	return respond(c, status, out)
}

// installed are the agents that a wizard needs, as far as they are installed on this node.
func (h wizardHandlers) installed(c echo.Context, name string, v wizard.Values) (map[string]cluster.Agent, error) {
	names, err := wizard.Agents(name, v)
	if err != nil {
		return nil, ofValues(err)
	}
	out := map[string]cluster.Agent{}
	if len(names) == 0 {
		return out, nil
	}
	release, err := h.agents.turn(c)
	if err != nil {
		return nil, err
	}
	defer release()
	for _, agent := range names {
		if _, err := cluster.ParseAgentName(agent); err != nil {
			continue // the wizard says so
		}
		a, err := h.agents.agents.Agent(c.Request().Context(), agent)
		switch {
		case err == nil:
			out[agent] = a
		case !errors.As(err, new(*lb.NotFoundError)):
			return nil, err
		}
	}
	return out, nil
}

// make adds the edits of a wizard to the draft of a request, or makes one that has them.
func (h wizardHandlers) make(c echo.Context, name string, in wizardBody, q wizard.Request) (config.Draft, error) {
	ctx := c.Request().Context()
	configuration, version, err := h.current(ctx)
	if err != nil {
		return config.Draft{}, err
	}
	change := func(d config.Draft) (config.Draft, error) {
		var err error
		if q.Configuration, err = d.View(configuration, version); err != nil {
			return d, err
		}
		edits, err := wizard.Edits(name, q)
		if err != nil {
			return d, err
		}
		return d.With(configuration, version, edits, Author(c), h.now())
	}
	if in.draft != "" {
		return h.update(c, in.draft, change)
	}
	d, err := change(config.Draft{Author: Author(c), Message: in.message, Begun: h.now()})
	if err != nil {
		return d, err
	}
	if err := permit.Check(ctx); err != nil {
		return d, err
	}
	return h.drafts.Create(ctx, d)
}
