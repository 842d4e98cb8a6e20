package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/auth"
)

// nodeDialect is the REST interface of docs/api.md. Its documents are package node.
type nodeDialect struct {
	cfg      Config
	metrics  *metrics
	failures *failures
	answers  *answers
	sessions sessionHandlers
	streams  streamHandlers
}

// Owns reports true: the node dialect has all paths that no other dialect has.
func (d *nodeDialect) Owns(string) bool { return true }

// problems say why this node cannot write its log or store changes.
func (d *nodeDialect) problems() []func() string {
	all := []func() string{d.cfg.LogProblem, d.cfg.StoreProblem, d.cfg.TemplateProblem}
	for _, other := range d.cfg.Dialects {
		if p, ok := other.(interface{ Problem() string }); ok {
			all = append(all, p.Problem)
		}
	}
	if d.sessions.guard != nil {
		all = append(all, d.sessions.guard.sessions.Problem)
	}
	return all
}

// Routes is the whole interface. openapi.json describes the same routes.
func (d *nodeDialect) Routes(a *Agent) []Route {
	var routes []Route
	about := aboutHandlers{version: d.cfg.Version, routes: func() []Route { return routes }}
	canaries := canaryHandlers{agent: a, canaries: d.cfg.Canaries}
	certificate := certificateHandlers{d.cfg.Certificate}
	state := stateHandlers{
		agent: a, failures: d.failures, problems: d.problems(), hangs: d.cfg.Hangs, canaries: canaries.underWay, tls: certificate.document,
	}
	routes = slices.Concat(
		[]Route{{http.MethodGet, "/", auth.Read, OnCaller, "this list", about.index}},
		d.objectRoutes(a, canaries), d.sectionRoutes(a), d.historyRoutes(a), d.changeRoutes(a), d.clusterRoutes(), d.foresightRoutes(), d.pastRoutes(), d.stateRoutes(about, state), d.accessRoutes(a),
		[]Route{
			{http.MethodGet, "/tls", 0, OnCaller, "the certificate of this API", certificate.show},
			{http.MethodGet, "/openapi.json", auth.Read, OnCaller, "the OpenAPI description of this API", about.openAPI},
		},
	)
	for i, r := range routes {
		if !isSafe(r.Method) && !r.takesParameters() {
			routes[i].Handle = withoutParameters(r.Handle)
		}
	}
	return routes
}

// withoutParameters refuses parameters in the query of a request that changes something: whoever
// sends dryRun where there is none must not find the change made.
func withoutParameters(handle echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := parameters(c.Request()).err(); err != nil {
			return err
		}
		return handle(c)
	}
}

// errorDocument is a ResponseError as JSON.
type errorDocument struct {
	Message  string            `json:"error"`
	Code     string            `json:"code"`
	Fields   []node.FieldError `json:"fields,omitempty"`
	By       []string          `json:"by,omitempty"`
	Output   string            `json:"output,omitempty"`
	Incident string            `json:"incident,omitempty"`
}

// Render answers with a failure as JSON.
func (d *nodeDialect) Render(c echo.Context, f *ResponseError) error {
	return respond(c, f.Status, errorDocument{
		Message: f.Message, Code: f.Code, Fields: node.NewFieldErrors(f.Fields), By: f.By, Output: f.Output, Incident: f.Incident,
	})
}
