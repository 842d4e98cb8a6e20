package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/auth"
	"thalassa/cluster"
)

// nodeDialect is the REST interface of docs/api.md. Its documents are package node.
type nodeDialect struct {
	cfg      Config
	metrics  *metrics
	failures *failures
	answers  *answers
	sessions sessionHandlers
	streams  streamHandlers
	commits  goingCommits
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
		d.objectRoutes(a, canaries), d.sectionRoutes(a), d.historyRoutes(a), d.changeRoutes(a), d.clusterRoutes(), d.foresightRoutes(), d.pastRoutes(), d.otherRoutes(), d.stateRoutes(about, state), d.accessRoutes(a),
		[]Route{
			{http.MethodGet, "/tls", 0, OnCaller, "the certificate of this API", certificate.show},
			{http.MethodGet, "/openapi.json", auth.Read, OnCaller, "the OpenAPI description of this API", about.openAPI},
		},
	)
	if d.cfg.Console {
		all := consoleRoutes(routes)
		routes = slices.DeleteFunc(slices.Clone(routes), func(r Route) bool { return !isOfConsole(r) }) // for the list
		return all
	}
	return routes
}

// errorDocument is a ResponseError as JSON.
type errorDocument struct {
	Message  string            `json:"error"`
	Code     string            `json:"code"`
	Fields   []node.FieldError `json:"fields,omitempty"`
	By       []string          `json:"by,omitempty"`
	Output   string            `json:"output,omitempty"`
	Incident string            `json:"incident,omitempty"`

	Rollout *cluster.RolledOut `json:"rollout,omitempty"`
}

// Render answers with a failure as JSON.
func (d *nodeDialect) Render(c echo.Context, f *ResponseError) error {
	return respond(c, f.Status, errorDocument{
		Message: f.Message, Code: f.Code, Fields: node.NewFieldErrors(f.Fields), By: f.By, Output: f.Output, Incident: f.Incident, Rollout: f.Rollout,
	})
}
