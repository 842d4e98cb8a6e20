package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// clusterHAProxyPath is where the actions on the HAProxy of the cluster are.
const clusterHAProxyPath = "/cluster/haproxy"

// haproxyHandlers act on the HAProxy of the cluster as a whole.
type haproxyHandlers struct {
	clusterHandlers

	plans ClusterHAProxy // nil: this node is in no cluster
}

// apply writes HAProxy and its floating IPs into the configuration.
func (h haproxyHandlers) apply(c echo.Context) error {
	return h.handle(c, parseApply)
}

// rollout reloads HAProxy on all nodes, or on none.
func (h haproxyHandlers) rollout(c echo.Context) error { return h.handle(c, parseRollout) }

// destroy removes what apply has made.
func (h haproxyHandlers) destroy(c echo.Context) error { return h.handle(c, parseDestroy) }

// handle carries out an action, or shows what it would change.
func (h haproxyHandlers) handle(c echo.Context, parse func(fe *lb.FieldErrors, data []byte) (cluster.Action, error)) error {
	v, err := h.status()
	if err != nil {
		return err
	}
	q := parameters(c.Request(), "dryRun")
	dryRun := q.flag("dryRun")
	if err := q.err(); err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		data = []byte("{}")
	}
	var fe lb.FieldErrors
	a, err := parse(&fe, data)
	if err == nil {
		err = fe.Err()
	}
	if err == nil {
		err = a.Check()
	}
	if err != nil {
		return err
	}
	tags, ifNew, err := conditions(c.Request())
	if err != nil {
		return err
	}
	if ifNew { // whoever makes the plan compares the tags, with the configuration as it is then
		return &lb.PreconditionError{ID: "cluster", Current: clusterTag(v)}
	}
	a.Author, a.IfMatch = Author(c), tags
	if dryRun {
		p, err := h.plans.PlanHAProxy(c.Request().Context(), a)
		if err != nil {
			return ofDescription(a, err)
		}
		c.Response().Header().Set(headerETag, strconv.Quote(p.Tag))
		return respond(c, http.StatusOK, p)
	}
	o, err := order(c, a)
	if err != nil {
		return err
	}
	return ofDescription(a, h.asJob(c, a, o, func(v cluster.Status, j cluster.Job) any {
		return struct {
			Job     cluster.Job    `json:"job"`
			Cluster cluster.Status `json:"cluster"`
		}{j, v}
	}))
}

// parseApply reads the body of apply:
//
//	{"description": {"ip": ["192.0.2.10/24"]}, "force": true, "wait": "5m"}
func parseApply(fe *lb.FieldErrors, data []byte) (cluster.Action, error) {
	var in struct {
		Description json.RawMessage `json:"description"`
		Force       bool            `json:"force"`
		Wait        string          `json:"wait"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return cluster.Action{}, err
	}
	if strictjson.IsAbsent(in.Description) {
		return cluster.Action{}, invalidField("description", "is missing", `HAProxy and its floating IPs, e.g. {"ip": ["192.0.2.10/24"]}`)
	}
	var d cluster.HAProxyDocument
	if err := strictjson.DecodeAt("description", in.Description, &d); err != nil {
		return cluster.Action{}, err
	}
	described := d.Parse(fe, "description")
	if !strictjson.IsAbsent(d.Parameters) {
		described.Parameters = parseTexts(fe, "description.parameters", d.Parameters)
	}
	if described.Name == "" {
		described.Name = defaultHAProxy
	}
	return cluster.Action{Kind: cluster.Apply, Resource: described.Name, HAProxy: &described, Force: in.Force, Wait: waitOf(fe, in.Wait)}, nil
}

// defaultHAProxy is the usual name of the HAProxy resource.
const defaultHAProxy = "haproxy"

// parseRollout reads the body of rollout:
//
//	{"resource": "haproxy", "restart": true, "validate": "15s", "wait": "5m"}
func parseRollout(fe *lb.FieldErrors, data []byte) (cluster.Action, error) {
	var in struct {
		Resource string `json:"resource"`
		Restart  bool   `json:"restart"`
		Validate string `json:"validate"`
		Wait     string `json:"wait"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return cluster.Action{}, err
	}
	a := cluster.Action{Kind: cluster.Rollout, Resource: orDefault(in.Resource), Restart: in.Restart, Wait: waitOf(fe, in.Wait)}
	a.Validate = durationOf(fe, "validate", in.Validate)
	return a, nil
}

// parseDestroy reads the body of destroy:
//
//	{"name": "haproxy", "wait": "5m"}
func parseDestroy(fe *lb.FieldErrors, data []byte) (cluster.Action, error) {
	var in struct {
		Name string `json:"name"`
		Wait string `json:"wait"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return cluster.Action{}, err
	}
	return cluster.Action{Kind: cluster.Destroy, Resource: orDefault(in.Name), Wait: waitOf(fe, in.Wait)}, nil
}

func orDefault(name string) string {
	if name == "" {
		return defaultHAProxy
	}
	return name
}

func waitOf(fe *lb.FieldErrors, text string) time.Duration { return durationOf(fe, "wait", text) }

// durationOf reads a time limit; 0: there is none.
func durationOf(fe *lb.FieldErrors, at, text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxWait {
		fe.Add(at, "is not a valid duration", `a duration up to 10m, e.g. "30s"`)
		return 0
	}
	return d
}

// ofDescription is an error about what apply writes, with the paths of the body.
func ofDescription(a cluster.Action, err error) error {
	invalid, ok := errors.AsType[*lb.InvalidError](err)
	if !ok || a.Kind != cluster.Apply {
		return err
	}
	out := &lb.InvalidError{More: invalid.More}
	for _, f := range invalid.Fields {
		f.Path = below("description", f.Path)
		out.Fields = append(out.Fields, f)
	}
	return out
}
