package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

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

// doubtsWithin limits how long agents are asked about what a wizard has made.
const doubtsWithin = 15 * time.Second

// ClusterHAProxy says what becomes of the configuration of a cluster with HAProxy, as
// *pacemaker.Cluster does.
type ClusterHAProxy interface {
	// HAProxyEdits are the edits that do it. They replace nothing that exists.
	HAProxyEdits(configuration *cibxml.Element, h wizard.HAProxy) ([]config.Edit, error)
	// PlanHAProxy shows what an action on the HAProxy of the cluster would change. It changes
	// nothing; ClusterActions carries it out.
	PlanHAProxy(ctx context.Context, a cluster.Action) (cluster.HAProxyPlan, error)
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
	out := wizardBody{values: parseTexts(&fe, "values", in.Values), draft: in.Draft, message: in.Message}
	return out, fe.Err()
}

// parseTexts reads an object of strings at a path of the body. Numbers and booleans are converted;
// null is no value.
func parseTexts(fe *lb.FieldErrors, at string, data []byte) map[string]string {
	out := map[string]string{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		fe.Add(at, "is no object", `an object of strings, e.g. {"ip": "192.0.2.10"}`)
		return out
	}
	for decoder.More() && !fe.Full() {
		key, _ := decoder.Token()
		name, _ := key.(string)
		var value any
		if err := decoder.Decode(&value); err != nil {
			fe.Add(below(at, name), "is not JSON", "a string")
			return out
		}
		if _, twice := out[name]; twice {
			fe.Add(below(at, name), "is set twice", "each value once")
		}
		switch v := value.(type) {
		case nil:
		case string:
			out[name] = v
		case json.Number, bool:
			out[name] = fmt.Sprint(v)
		default:
			fe.Add(below(at, name), "is not a string", "a string")
		}
	}
	return out
}

// below is the path of a value in an object.
func below(at, name string) string {
	if name == "" {
		return at
	}
	return at + "." + name
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
		f.Path = below("values", f.Path)
		out.Fields = append(out.Fields, f)
	}
	return out
}

// run makes what a wizard is for in a draft, and answers with what the draft would do. If that
// cannot be told, the answer says why: the draft is there.
func (h wizardHandlers) run(c echo.Context) error {
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
	d, made, err := h.make(c, name, in, q)
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
	if out.Foreseen != nil {
		out.Warnings = append(slices.Clone(out.Warnings), h.doubts(c, made)...)
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
func (h wizardHandlers) make(c echo.Context, name string, in wizardBody, q wizard.Request) (config.Draft, []config.Edit, error) {
	ctx := c.Request().Context()
	configuration, version, err := h.current(ctx)
	if err != nil {
		return config.Draft{}, nil, err
	}
	var made []config.Edit
	change := func(d config.Draft) (config.Draft, error) {
		var err error
		if q.Configuration, err = d.View(configuration, version); err != nil {
			return d, err
		}
		if made, err = wizard.Edits(name, q); err != nil {
			return d, err
		}
		return d.With(configuration, version, made, Author(c), h.now())
	}
	if in.draft != "" {
		d, err := h.update(c, in.draft, change)
		return d, made, err
	}
	d, err := change(config.Draft{Author: Author(c), Message: in.message, Begun: h.now()})
	if err != nil {
		return d, nil, err
	}
	if err := permit.Check(ctx); err != nil {
		return d, nil, err
	}
	d, err = h.drafts.Create(ctx, d)
	return d, made, err
}

// doubts are what the agents on this node say against the primitives that a wizard has made. What
// they cannot be asked, such as secrets, is none: a doubt is only a warning.
func (h wizardHandlers) doubts(c echo.Context, made []config.Edit) []string {
	ctx, cancel := context.WithTimeout(c.Request().Context(), doubtsWithin)
	defer cancel()
	var out []string
	for _, e := range made {
		var primitive struct {
			Agent  string            `json:"agent"`
			Params map[string]string `json:"params"`
		}
		if e.Kind != config.Primitives || e.IsXML || json.Unmarshal(e.Body, &primitive) != nil {
			continue
		}
		release, err := h.agents.turn(c)
		if err != nil {
			return out
		}
		check, err := h.agents.agents.Check(ctx, primitive.Agent, primitive.Params)
		release()
		if err == nil && !check.Valid {
			out = append(out, "on this node, the agent of "+e.ID+" says: "+check.Meaning+": "+cmp.Or(check.Reason, check.Output))
		}
	}
	return out
}
