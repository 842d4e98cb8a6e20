package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/lb"
)

// noNode has nothing: a console has no HAProxy and no Consul.
type noNode struct{}

// Intent is empty.
func (noNode) Intent(context.Context) (lb.Intent, error) { return lb.Intent{}, nil }

// Snapshot is empty.
func (noNode) Snapshot() lb.Snapshot { return lb.Snapshot{} }

// Status is empty.
func (noNode) Status(context.Context) (lb.Status, error) { return lb.Status{}, nil }

// isOfConsole reports whether a console serves a route.
func isOfConsole(r Route) bool {
	if isOtherCluster(r.Path) {
		return true
	}
	first := firstSegment(r.Path)
	return slices.Contains([]string{"", "activity", "healthz", "readyz", "version", "streams", "metrics", "session", "sessions", "access", "audit", "tls", "openapi.json"}, first)
}

// consoleRoutes are routes of which those that a console does not serve say so.
func consoleRoutes(all []Route) []Route {
	out := slices.Clone(all)
	for i, r := range out {
		if !isOfConsole(r) {
			out[i].Handle = absentInConsole
		}
	}
	return out
}

// absentInConsole answers a request about something that a console does not have.
func absentInConsole(c echo.Context) error {
	return &ResponseError{
		Status: http.StatusNotFound, Code: "not_found",
		Message: "this agent is a console (setting console): it has no HAProxy, no Consul and no cluster of its own, so there is nothing at " + shown(c.Request().URL.Path) +
			"; GET " + clustersPath + " lists the clusters that it shows",
	}
}

// isConsoleGauge reports whether a console has a figure of the moment.
func isConsoleGauge(name string) bool {
	return slices.ContainsFunc([]string{"thalassa_websocket_", "thalassa_api_", "thalassa_log_", otherClusterGauge}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}

// consoleState tells whether a console does its work.
type consoleState struct {
	clusters Clusters
	stateHandlers
}

// readyz answers 200 while at least one cluster can be shown as it is now, else 503: then it is
// probably this node that reaches none. The reasons name clusters that are not reachable, unless
// some callers do not see all objects.
func (h consoleState) readyz(c echo.Context) error {
	out := readiness{Reasons: []string{}, Warnings: h.warnings()}
	list := []cluster.Summary{}
	if h.clusters != nil {
		list = h.clusters.List()
	}
	hides := h.agent.authority.HidesSome()
	for _, s := range list {
		name := "cluster " + s.Name
		if hides {
			name = "a cluster"
		}
		switch s.State {
		case cluster.StateUnknown:
			out.Reasons = append(out.Reasons, name+" has not answered yet")
		case cluster.StateUnreachable:
			out.Reasons = append(out.Reasons, name+" is unreachable")
		default:
			out.Ready = true
		}
	}
	if len(list) == 0 {
		out.Reasons = append(out.Reasons, "there are no clusters to show: the setting clusters names none")
	}
	return h.answer(c, out)
}
