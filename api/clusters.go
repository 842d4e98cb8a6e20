package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/cluster"
	"thalassa/clusters"
	"thalassa/lb"
)

const (
	clustersPath = "/clusters"
	// otherParam is the parameter of a path that names another cluster.
	otherParam = "cluster"
	// maxPassedQuery bounds the query of a request that is passed on, in bytes.
	maxPassedQuery = 4 << 10
)

// Clusters shows other clusters, as *clusters.Fleet does.
type Clusters interface {
	// List is all of them at a glance, by name.
	List() []cluster.Summary
	// Cluster is one of them with its last known status; nil: there is none yet. The error is an
	// *lb.NotFoundError if there is no such cluster.
	Cluster(name string) (cluster.Summary, *cluster.Status, error)
	// Changed closes with the next change of any cluster.
	Changed() <-chan struct{}
	// Ask passes a read request on. Errors: *lb.NotFoundError, *clusters.RefusedError,
	// *lb.UnavailableError.
	Ask(ctx context.Context, name string, q clusters.Question) (clusters.Document, error)
}

// otherHandlers show other clusters.
type otherHandlers struct {
	clusters Clusters // nil: there are none
}

func (h otherHandlers) list(c echo.Context) error {
	return respond(c, http.StatusOK, h.seen(c.Request().Context()))
}

// seen are the clusters that a caller may see.
func (h otherHandlers) seen(ctx context.Context) []cluster.Summary {
	out := []cluster.Summary{}
	if h.clusters != nil {
		out = append(out, h.clusters.List()...)
	}
	if s, limited := sightOf(ctx); limited {
		out = slices.DeleteFunc(out, func(one cluster.Summary) bool { return !s.grant.Sees(clusters.ID(one.Name)) })
	}
	return out
}

// name is the name of the cluster that a request is about. The error says if there is none.
func (h otherHandlers) name(c echo.Context) (string, error) {
	n, err := name(c, otherParam)
	if err != nil {
		return "", err
	}
	if h.clusters == nil {
		return "", &ResponseError{
			Status: http.StatusNotFound, Code: "not_found",
			Message: "this agent shows no other clusters: its setting clusters names none",
		}
	}
	return string(n), nil
}

// A shownCluster is another cluster with its state, as GET /cluster of its own agent has it.
type shownCluster struct {
	cluster.Summary
	Cluster *cluster.Status `json:"cluster,omitempty"`
}

func (h otherHandlers) show(c echo.Context) error {
	name, err := h.name(c)
	if err != nil {
		return err
	}
	summary, status, err := h.clusters.Cluster(name)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, shownCluster{summary, status})
}

// A passedRoute passes requests on to the route of another agent with this path.
type passedRoute struct {
	otherHandlers
	path string
}

func (h passedRoute) handle(c echo.Context) error {
	name, err := h.name(c)
	if err != nil {
		return err
	}
	r := c.Request()
	to, err := passedPath(c, h.path)
	if err != nil {
		return err
	}
	if query := r.URL.RawQuery; query != "" {
		if err := checkPassedQuery(query); err != nil {
			return err
		}
		to += "?" + query
	}
	isXML := strings.HasSuffix(h.path, ".xml") || strings.Contains(r.Header.Get(echo.HeaderAccept), echo.MIMEApplicationXML)
	doc, err := h.clusters.Ask(r.Context(), name, clusters.Question{Path: to, IsXML: isXML})
	if err != nil {
		return err
	}
	return write(c, http.StatusOK, passedType(doc.Type), doc.Data)
}

// checkPassedQuery refuses queries that are not passed on: what was imported there, and drafts, which
// inDraft refuses, are for the callers of the agents there.
func checkPassedQuery(query string) error {
	if len(query) > maxPassedQuery {
		return invalidField("query", "is too long", "at most 4096 bytes")
	}
	values, err := url.ParseQuery(query)
	switch {
	case err != nil: // another agent might read it otherwise
		return &lb.InvalidError{Fields: []lb.FieldError{undecodable()}}
	case values.Has(importParameter):
		return invalidField(importParameter, "is not a parameter of this path", "none: an agent of that cluster shows its imports")
	}
	return nil
}

// passedPath is the path of a route with the parameters of a request.
func passedPath(c echo.Context, path string) (string, error) {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if !strings.HasPrefix(part, "{") {
			continue
		}
		value := c.Param(strings.Trim(part, "{}"))
		if c.Request().URL.RawPath != "" { // echo matched the path as it was sent
			decoded, err := url.PathUnescape(value)
			if err != nil {
				return "", echo.ErrNotFound
			}
			value = decoded
		}
		if value == "" || value == "." || value == ".." || strings.Contains(value, "/") { // which programs on the way may interpret
			return "", echo.ErrNotFound
		}
		parts[i] = url.PathEscape(value)
	}
	return strings.Join(parts, "/"), nil
}

// passedType is the Content-Type of an answer of a checked type.
func passedType(given string) string {
	switch {
	case strings.HasPrefix(given, echo.MIMEApplicationXML):
		return echo.MIMEApplicationXMLCharsetUTF8
	case strings.HasPrefix(given, echo.MIMETextPlain):
		return echo.MIMETextPlainCharsetUTF8
	}
	return echo.MIMEApplicationJSON
}

// otherRoutes are those of other clusters: an overview, and below each cluster what its own agents
// answer to reads of theirs.
func (d *nodeDialect) otherRoutes() []Route {
	h := otherHandlers{d.cfg.Clusters}
	const one, object = clustersPath + "/{" + otherParam + "}", "cluster/{" + otherParam + "}"
	out := []Route{
		{get, clustersPath, auth.Read, OnMany, "other clusters at a glance", h.list},
		{get, one, auth.Read, object, "one of them with its state, in the form of GET /cluster", h.show},
	}
	for _, r := range slices.Concat(d.clusterRoutes(), d.foresightRoutes(), d.pastRoutes()) {
		if rest, ok := strings.CutPrefix(r.Path, "/cluster/"); ok && r.Method == get && isPassed(r.Path) {
			out = append(out, Route{get, one + "/" + rest, r.Need, object, "of another cluster: " + r.Summary, passedRoute{h, r.Path}.handle})
		}
	}
	return out
}

// isPassed reports whether reads of a path are passed on. Drafts and wizards belong to the owner of
// the token, who is not the caller; the file of a transition has secrets; exports and imports are
// files. Invitations are those of one node.
func isPassed(path string) bool {
	for _, prefix := range []string{clusterDraftsPath, clusterWizardsPath, clusterImportsPath, clusterHistoryPath + "/export", invitationsPath} {
		if strings.HasPrefix(path, prefix) {
			return false
		}
	}
	return !strings.HasSuffix(path, "/file")
}

// isOtherCluster reports whether a path is below that of another cluster.
func isOtherCluster(path string) bool {
	return path == clustersPath || strings.HasPrefix(path, clustersPath+"/")
}

// readOnlyCluster refuses a change of another cluster.
func readOnlyCluster(c echo.Context) *ResponseError {
	return &ResponseError{
		Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Header: http.Header{echo.HeaderAllow: {"GET, HEAD"}},
		Message: shown(c.Request().Method) + " is refused: other clusters are shown read-only; send changes to their own agents, whose addresses GET " + clustersPath + " lists",
	}
}

// refusedByCluster is an error of another cluster's agent for the caller here. Its status 401 is
// about this agent, not about the caller, whom it would log out.
func refusedByCluster(r *clusters.RefusedError) *ResponseError {
	switch r.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests:
		return &ResponseError{Status: r.Status, Code: r.Code, Message: r.Error()}
	case http.StatusUnauthorized:
		return unavailableFailure("cluster " + r.Cluster + " does not accept the token or the certificate of this agent")
	}
	return unavailableFailure(r.Error())
}
